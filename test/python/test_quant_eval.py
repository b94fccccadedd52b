"""quant-eval on bundles: the toy ones of test/Inputs, whose logits are integers that Python computes as well, and small LLaMAs."""

import json
import os
import subprocess
import sys

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


@pytest.fixture(scope="module")
def small_llama(root, tmp_path_factory):
    """A LLaMA of two layers, and 400 tokens for it."""
    folder = tmp_path_factory.mktemp("small")
    subprocess.run(
        [sys.executable, root / "test/Inputs/tiny_llama.py", folder / "model.onnx", "--hidden=128", "--size=32", "--intermediate=256"],
        check=True,
    )  # fmt: skip
    numpy.save(folder / "ids.npy", numpy.random.default_rng(1).integers(64, size=400))
    return folder


def distance(root, folder, reference, candidate, *options):
    """Between two models over windows of 200 tokens, in several pages."""
    report = folder / "eval.json"
    if not any(option.startswith("--window") for option in options):
        options = ("--window=200", f"--token-ids={folder / 'ids.npy'}", *options)
    subprocess.run(
        [root / "build/bin/quant-eval", f"--reference={folder / reference}", f"--candidate={folder / candidate}",
         f"--json={report}", *options],
        check=True,
    )  # fmt: skip
    return json.loads(report.read_text(encoding="utf-8"))


def emit(root, folder, preset, options=""):
    """Writes form.mlir, and a bundle of the same."""
    optimize = [root / "build/bin/quant-opt", folder / "model.onnx", preset]
    subprocess.run([*optimize, "-o", folder / "form.mlir"], check=True)
    bundle = f"--emit-bundle=output={folder / 'bundle'} max-context=256 {options}"
    subprocess.run([*optimize, bundle, "-o", os.devnull], check=True)


@pytest.mark.parametrize("layout", ["contiguous", "paged"])
def test_a_16_bit_bundle_predicts_what_the_model_does(root, small_llama, layout):
    emit(root, small_llama, "--w4a16", f"layout={layout}")
    for device in ("interpreter", "reference"):
        figures = distance(root, small_llama, "form.mlir", "bundle", f"--device={device}")
        print(device, figures)
        assert figures["kld_max"] <= 2e-5  # an f16 cache and f16 products
        assert figures["top1_agreement"] == 1


def test_a_4_bit_bundle_is_as_far_from_the_original_as_its_model(root, small_llama):
    """W4A4 is chaotic, so the two are compared by their distance to the original."""
    emit(root, small_llama, "--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7")
    expected = distance(root, small_llama, "model.onnx", "form.mlir")["kld_mean"]
    for device in ("interpreter", "reference"):
        found = distance(root, small_llama, "model.onnx", "bundle", f"--device={device}")["kld_mean"]
        print(device, found, expected)
        assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.slow
def test_smollm2_in_4_bits(root, models, smollm2_bundle, original_logits, tmp_path):
    """The emitted PTX of the whole model, over 287 scored tokens."""
    original, form = original_logits("narrative"), tmp_path / "form.mlir"
    preset = "--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7"
    subprocess.run([root / "build/bin/quant-opt", models["dynamo"] / "model.onnx", preset, "-o", form], check=True)
    window = f"--token-ids={original / 'ids.npy'}", "--tokens=288", "--window=288"
    expected, found = (
        distance(root, tmp_path, original / "logits.npy", candidate, *window)["kld_mean"]
        for candidate in (form, smollm2_bundle.folder)
    )
    print(found, expected)
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.slow
def test_smollm2_with_16_bit_activations(root, models, quantize_smollm2, tmp_path):
    subprocess.run([root / "build/bin/quant-opt", models["dynamo"] / "model.onnx", "--w4a16", "-o", tmp_path / "form.mlir"], check=True)
    bundle = quantize_smollm2("--w4a16", "bundle", "layout=paged page=16 max-context=256")
    text = f"--text={root / '.cache/texts/narrative.txt'}", f"--tokenizer={models['dynamo'] / 'tokenizer.json'}"
    figures = distance(root, tmp_path, "form.mlir", bundle, *text, "--tokens=128", "--window=128")
    print(figures)
    assert figures["kld_mean"] <= 1e-4
    assert figures["top1_agreement"] >= 0.99
