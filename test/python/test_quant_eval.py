"""quant-eval on bundles: the toy ones of test/Inputs, whose logits are integers that Python computes as well."""

import json
import subprocess

import numpy
import pytest

VOCABULARY, CONTEXT, WINDOW, WINDOWS = 11, 64, 48, 3
WORD = 1 << 32


def toy_logits(ids):
    """[tokens, vocabulary]; test/unit/Runtime/ToyBundle.h says what the model is."""
    rows, total = [], 0
    for index, token in enumerate(ids):
        value = 7 * token * token + 3
        total = (total + (index + 1) * value) % WORD
        scaled = (total + value) * 5 + 1
        rows.append([((scaled + 3 * v) * 1103515245 + 12345) % WORD >> 16 & 255 for v in range(VOCABULARY)])
    return numpy.array(rows, numpy.float32)


@pytest.fixture
def evaluate(root, tmp_path):
    """evaluate(layout, logits, options): the figures, or what was written to stderr."""
    ids = numpy.random.default_rng(3).integers(VOCABULARY, size=WINDOW * WINDOWS)
    numpy.save(tmp_path / "ids.npy", ids)

    def run(layout, change=None, *options):
        logits = numpy.concatenate([toy_logits([int(id) for id in window]) for window in ids.reshape(WINDOWS, WINDOW)])
        if change:
            change(logits)
        numpy.save(tmp_path / "logits.npy", logits)
        report = tmp_path / "eval.json"
        done = subprocess.run(
            [root / "build/bin/quant-eval", f"--reference={tmp_path / 'logits.npy'}", f"--token-ids={tmp_path / 'ids.npy'}",
             f"--candidate={root / 'test/Inputs/toy-bundles' / layout}", f"--window={WINDOW}", f"--json={report}", *options],
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stderr if done.returncode else json.loads(report.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("layout", ["contiguous", "paged"])
def test_a_bundle_is_what_it_computes(evaluate, layout):
    figures = evaluate(layout)
    assert figures["tokens_scored"] == WINDOWS * (WINDOW - 1)
    assert figures["kld_max"] == 0
    assert figures["top1_agreement"] == 1
    assert figures["perplexity"] == figures["reference_perplexity"]


def test_a_changed_logit_shows(evaluate):
    def change(logits):
        logits[WINDOW + 7, 2] = 300

    figures = evaluate("paged", change)
    assert figures["kld_max"] > 1
    assert figures["top1_agreement"] == pytest.approx(1 - 1 / figures["tokens_scored"])


def test_errors(evaluate):
    assert f"{CONTEXT}" in evaluate("contiguous", None, f"--window={CONTEXT + 1}")
    assert "model.mlir" in evaluate("contiguous", None, "--device=reference")
    assert "expected" in evaluate("contiguous", None, "--device=abacus")
    assert "plan.json" in evaluate("../../python")
