"""SmolLM2-135M as quant-opt emits it, in onnxruntime and in lib/Interp.

A W4A4 model is chaotic: one code flips, and everything after it moves. So the two are compared end to end where activations and
cache keep 16 bits, and by their distance to the original; test/Tools compares them node by node on recorded inputs.
"""

import json
import subprocess

import numpy
import pytest

from quantopt import ort_eval

pytestmark = pytest.mark.slow

W4A4KV4 = "--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7"
W4A16 = "--quarot=weight-bits=4 act-bits=16 kv-bits=16 sites=R1,R2,R3,R4"
PREFILL, STEPS = 256, 16


@pytest.fixture(scope="module")
def reference(models):
    path = models["dynamo"] / "model.onnx"
    if not path.exists():
        pytest.skip("needs SmolLM2-135M, which tools/setup.sh makes")
    return path


@pytest.fixture(scope="module")
def emit(reference, quantize_smollm2):
    """emit(preset): the path of the emitted model."""
    return lambda preset: quantize_smollm2(preset, "onnx")


@pytest.fixture(scope="module")
def ids_path(tokenizer, texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("ids") / "ids.npy"
    numpy.save(path, tokenizer.encode(texts["narrative"], add_special_tokens=False).ids)
    return path


def test_decode_equals_prefill(emit, root):
    """Bit for bit in lib/Interp, logits and caches."""
    command = [root / "build/bin/quant-check", f"--decode={STEPS}", f"--tokens={PREFILL}", emit(W4A4KV4)]
    subprocess.run(command, check=True)


def test_end_to_end_with_16_bit_activations(emit, reference, ids_path, root, tmp_path):
    model, logits, report = emit(W4A16), tmp_path / "logits.npy", tmp_path / "eval.json"
    usual = [f"--tokens={PREFILL}", f"--window={PREFILL}"]
    arguments = ["--reference", reference, "--candidate", model, "--token-ids", ids_path, "--save-logits", logits]
    assert ort_eval.main([str(argument) for argument in arguments] + usual) == 0
    subprocess.run(
        [root / "build/bin/quant-eval", f"--reference={logits}", f"--candidate={model}", f"--token-ids={ids_path}",
         f"--json={report}", *usual],
        check=True,
    )
    figures = json.loads(report.read_text(encoding="utf-8"))
    print(figures)
    assert figures["kld_mean"] <= 1e-8
    assert figures["top1_agreement"] == 1


def test_distance_to_the_original(emit, reference, original_logits, root, tmp_path):
    """KLD(original, onnxruntime) and KLD(original, lib/Interp) of W4A4KV4 over 1,023 tokens."""
    original, means = original_logits("narrative"), []
    for number, evaluate in enumerate(("onnxruntime", "lib/Interp")):
        report = tmp_path / f"{number}.json"
        arguments = [f"--candidate={emit(W4A4KV4)}", f"--token-ids={original / 'ids.npy'}", "--tokens=1024", f"--json={report}"]
        if evaluate == "onnxruntime":
            assert ort_eval.main([*arguments, f"--reference={reference}"]) == 0
        else:
            subprocess.run([root / "build/bin/quant-eval", *arguments, f"--reference={original / 'logits.npy'}"], check=True)
        means.append(json.loads(report.read_text(encoding="utf-8"))["kld_mean"])
    print(means)
    assert abs(means[0] - means[1]) <= 0.06 * means[1]
