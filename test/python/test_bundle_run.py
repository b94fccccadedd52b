"""A tiny LLaMA as a bundle, run end to end on the PTX interpreter: batches with left padding, GQA with odd numbers of
heads, contexts past a page, contiguous and paged caches of 4, 8 and 16 bits, scales of f16 and f32."""

import json
import subprocess
import sys

import numpy as np
import pytest

from quantopt.runner import Runner

VOCABULARY, CONTEXT, PAGE = 100, 96, 32
PROMPTS = [[(7 * i * i + 3) % VOCABULARY for i in range(29)], [(11 * i + 5) % VOCABULARY for i in range(17)]]
NEW_TOKENS = 8

# Name, preset. The first is the baseline whose activations and cache have 16 bits.
METHODS = {
    "w4a16": "--w4a16",
    "w4a4kv4": "--quarot=weight-bits=4 act-bits=4 kv-bits=4 kv-scale-type=f16 seed=7",
    "w4a4kv8": "--quarot=weight-bits=4 act-bits=4 kv-bits=8 seed=7",
}
# What one token takes: keys and values of 2 layers, 3 heads of 32 elements, each with a scale and a zero.
TOKEN_BYTES = {"w4a16": 2 * 2 * 3 * 64, "w4a4kv4": 2 * 2 * 3 * (16 + 4), "w4a4kv8": 2 * 2 * 3 * (32 + 8)}


@pytest.fixture(scope="module")
def bundles(root, tmp_path_factory):
    """Folders by method and layout."""
    folder = tmp_path_factory.mktemp("bundles")
    sizes = "--hidden=288 --heads=9 --kv-heads=3 --size=32 --intermediate=384".split()
    tiny = [sys.executable, root / "test/Inputs/tiny_llama.py", folder / "tiny.onnx", f"--tokens={VOCABULARY}"]
    subprocess.run([*tiny, *sizes], check=True)
    made = {}
    for method, preset in METHODS.items():
        for layout in ("contiguous", "paged"):
            made[method, layout] = folder / f"{method}-{layout}"
            emit = f"--emit-bundle=layout={layout} page={PAGE} max-context={CONTEXT} output={made[method, layout]}"
            command = [root / "build/bin/quant-opt", folder / "tiny.onnx", preset, emit]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return made


def run_steps(session, prompts, tokens):
    """Logits [steps + 1, batch, vocabulary] of a prefill and of decoding `tokens` [batch, steps]."""
    return np.stack([session.prefill(prompts), *(session.decode(ids) for ids in np.transpose(tokens))])


def greedy(folder, prompts, **options):
    with Runner(folder, device="interpreter") as runner:
        session = runner.session(batch=len(prompts), **options)
        return session.generate(prompts, max_new_tokens=NEW_TOKENS, stop=())


@pytest.mark.parametrize("method", METHODS)
def test_layouts_and_chunks_change_nothing(bundles, method):
    """Where tokens lie in memory, and how many rows are worked on at a time, does not show in a single bit."""
    tokens = greedy(bundles[method, "contiguous"], PROMPTS)
    assert tokens == greedy(bundles[method, "paged"], PROMPTS) == greedy(bundles[method, "paged"], PROMPTS, chunk=5)
    logits = []
    for layout in ("contiguous", "paged"):
        with Runner(bundles[method, layout], device="interpreter") as runner:
            logits.append(run_steps(runner.session(batch=2), PROMPTS, np.array(tokens)[:, :-1]))
    np.testing.assert_array_equal(logits[0], logits[1])
    assert logits[0].argmax(-1).T.tolist() == tokens


@pytest.mark.parametrize("layout", ["contiguous", "paged"])
@pytest.mark.parametrize("method", METHODS)
def test_caches_take_what_the_plan_says(bundles, method, layout):
    plan = json.loads((bundles[method, layout] / "plan.json").read_text())
    assert sum(cache["token_bytes"] for cache in plan["caches"]) == TOKEN_BYTES[method]
    with Runner(bundles[method, layout], device="interpreter") as runner:
        assert runner.cache_token_bytes == TOKEN_BYTES[method]
        held = CONTEXT if layout == "contiguous" else 2 * PAGE
        assert runner.session(batch=2, context=PAGE + 1).memory["caches"] == 2 * held * TOKEN_BYTES[method]


@pytest.mark.parametrize("layout", ["contiguous", "paged"])
def test_decoding_equals_prefill(bundles, layout):
    """With 16 bits; rounding to f16 in between is all that differs."""
    with Runner(bundles["w4a16", layout], device="interpreter") as runner:
        tokens = runner.generate(PROMPTS, max_new_tokens=NEW_TOKENS, stop=())
        decoded = run_steps(runner.session(batch=2), PROMPTS, np.array(tokens)[:, :-1])
        whole = [prompt + new[:-1] for prompt, new in zip(PROMPTS, tokens)]
        prefilled = runner.session(batch=2).prefill(whole, all_logits=True)[:, -NEW_TOKENS:]
        np.testing.assert_allclose(decoded.transpose(1, 0, 2), prefilled, atol=2e-2)
        # A sequence of a batch is what it is alone.
        alone = runner.session().prefill(whole[1:], all_logits=True)[:, -NEW_TOKENS:]
        np.testing.assert_allclose(prefilled[1:], alone, atol=2e-2)


def test_kernels_equal_the_model(bundles, root):
    """Greedy tokens of the kernels and of lib/Interp, whose top logits are far enough apart in this model."""
    command = [root / "build/bin/quant-run", bundles["w4a16", "paged"], "--quiet", f"--max-new-tokens={NEW_TOKENS}"]
    command += ["--token-ids=" + ",".join(map(str, prompt)) for prompt in PROMPTS]
    outputs = {
        device: subprocess.run([*command, f"--device={device}"], check=True, capture_output=True, text=True).stdout
        for device in ("interpreter", "reference")
    }
    assert outputs["interpreter"] == outputs["reference"]
    assert outputs["reference"].startswith("[1] ")
