"""Bundles through libquantopt, on the PTX interpreter: a model of integers that is easily computed by hand."""

import shutil
import threading

import numpy as np
import pytest

from quantopt.runner import Cancelled, Runner, RunnerError, load_library

VOCABULARY = 11
PROMPTS = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]]


def expected_logits(ids):
    """Logits [tokens, vocabulary] of test/Inputs/toy-bundles for one sequence."""
    values = 7 * np.array(ids, np.int64) ** 2 + 3
    states = (np.cumsum(values * np.arange(1, len(ids) + 1)) + values) * 5 + 1
    scrambled = (states[:, None] + 3 * np.arange(VOCABULARY)) * 1103515245 + 12345
    return (scrambled >> 16 & 255).astype(np.float32)


def greedy(ids, count, stop=()):
    new = []
    while len(new) < count and not (new and new[-1] in stop):
        new.append(int(expected_logits(ids + new)[-1].argmax()))
    return new


@pytest.fixture(params=["contiguous", "paged"])
def folder(request, root):
    return root / "test/Inputs/toy-bundles" / request.param


@pytest.fixture
def runner(folder):
    with Runner(folder, device="interpreter", threads=1) as opened:
        yield opened


def test_describes_itself(runner):
    assert (runner.max_context, runner.vocabulary, runner.cache_token_bytes) == (64, VOCABULARY, 32)
    assert runner.stop_tokens == [9, 10]
    assert load_library().version()


def test_steps_give_each_sequence_its_logits(runner):
    session = runner.session(batch=3, context=32, chunk=2)
    logits = session.prefill(PROMPTS)
    sequences = [list(prompt) for prompt in PROMPTS]
    for _ in range(20):
        np.testing.assert_array_equal(logits, [expected_logits(ids)[-1] for ids in sequences])
        tokens = logits.argmax(-1)
        logits = session.decode(tokens)
        for ids, token in zip(sequences, tokens):
            ids.append(int(token))
    assert len(session) == 25
    assert session.memory["caches"] == runner.cache_token_bytes * 3 * (32 if "paged" in str(runner.folder) else 64)


def test_all_logits(runner):
    session = runner.session(batch=2)
    logits = session.prefill(PROMPTS[:2], all_logits=True)
    np.testing.assert_array_equal(logits[0], expected_logits(PROMPTS[0]))
    np.testing.assert_array_equal(logits[1, 3:], expected_logits(PROMPTS[1]))
    session.reset()
    np.testing.assert_array_equal(session.prefill(PROMPTS[1:])[0], expected_logits(PROMPTS[1])[-1])


def test_generates(runner):
    assert runner.generate(PROMPTS, max_new_tokens=12) == [greedy(ids, 12, (9, 10)) for ids in PROMPTS]
    assert runner.generate(PROMPTS, max_new_tokens=12, stop=()) == [greedy(ids, 12) for ids in PROMPTS]
    options = dict(max_new_tokens=12, temperature=60.0, top_k=8, top_p=0.9, stop=())
    drawn = runner.generate(PROMPTS, seed=1, **options)
    assert drawn == runner.generate(PROMPTS, seed=1, **options) != runner.generate(PROMPTS, seed=2, **options)
    # What else is in the batch does not matter.
    assert runner.generate(PROMPTS[:1], seed=1, **options) == drawn[:1]


def test_tokens_come_one_by_one(runner):
    seen = []
    runner.generate([[1]], max_new_tokens=30, stop=(), on_token=lambda *token: seen.append(token) or len(seen) < 4)
    assert seen == [(0, token) for token in greedy([1], 4)]

    def refuse(sequence, token):
        raise KeyError(token)

    session = runner.session()
    with pytest.raises(KeyError):
        session.generate([[1]], on_token=refuse)
    session.reset()
    assert session.generate([[1]], max_new_tokens=2, stop=()) == [greedy([1], 2)]


def test_cancels(runner):
    session = runner.session(batch=2)
    begun = threading.Event()
    canceller = threading.Thread(target=lambda: begun.wait() and session.cancel())
    canceller.start()
    with pytest.raises(Cancelled):
        session.generate([[1], [2]], max_new_tokens=60, stop=(), on_token=lambda *_: begun.set() or canceller.join())
    session.reset()
    assert session.generate([[1], [2]], max_new_tokens=2, stop=()) == [greedy([1], 2), greedy([2], 2)]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda session: session.prefill([[1]]), "expected prompts for 2 sequences, got 1"),
        (lambda session: session.prefill([[1], []]), "at least one token"),
        (lambda session: session.prefill([[1], [11]]), "token 11 is not in the vocabulary"),
        (lambda session: session.decode([1]), "expected 2 ids"),
        (lambda session: session.prefill([[1] * 65, [1]]), "the context is full: 0 tokens and 65 new ones"),
        (lambda session: session.generate([[1], [2]], max_new_tokens=65), "need a context of 65 tokens"),
        (lambda session: session.generate([[1], [2]], top_p=0), "expected a top-p in"),
        (lambda session: session._runner.session(batch=0), "expected a batch"),
    ],
)
def test_errors(runner, call, message):
    with pytest.raises(RunnerError, match=message):
        call(runner.session(batch=2))


def test_a_damaged_bundle_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "bundle")
    (tmp_path / "bundle/weights.safetensors").write_bytes(b"")
    with pytest.raises(RunnerError, match="has 0 bytes, and plan.json says 124"):
        Runner(tmp_path / "bundle", device="interpreter")
    with pytest.raises(RunnerError, match="unknown device 'abacus'"):
        Runner(folder, device="abacus")
    with pytest.raises(RunnerError, match="cannot load libquantopt"):
        Runner(folder, library=tmp_path / "none.so")


def test_sessions_outlive_their_runner(folder):
    runner = Runner(folder, device="interpreter", threads=1)
    session = runner.session()
    runner.close()
    np.testing.assert_array_equal(session.prefill([[1, 2]]), expected_logits([1, 2])[-1:])
