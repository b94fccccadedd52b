"""SmolLM2-135M as quant-opt emits it, in onnxruntime and in lib/Interp.

A W4A4 model is chaotic: one code flips, and everything after it moves. So the two are compared node by node on recorded inputs,
end to end where activations and cache keep 16 bits, and by their distance to the original.
"""

import json
import re
import shutil
import subprocess

import numpy as np
import onnx
import pytest

from quantopt import ort_eval, record, tokenize
from quantopt.decoder import Decoder

pytestmark = pytest.mark.slow

W4A4KV4 = "--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7"
W4A16 = "--quarot=weight-bits=4 act-bits=16 kv-bits=16 sites=R1,R2,R3,R4"
PREFILL, STEPS = 256, 16
NODES_PER_RECORDING = 620  # five layers: about 1 GB of tensors


@pytest.fixture(scope="module")
def reference(models):
    path = models["dynamo"] / "model.onnx"
    if not path.exists():
        pytest.skip("needs SmolLM2-135M, which tools/setup.sh makes")
    return path


@pytest.fixture(scope="module")
def emit(root, reference, tmp_path_factory):
    """emit(preset): the path of the emitted model."""
    made = {}

    def call(preset):
        if preset not in made:
            made[preset] = tmp_path_factory.mktemp("emitted") / "model.onnx"
            subprocess.run([root / "build/bin/quant-opt", reference, preset, f"--emit-onnx=output={made[preset]}"], check=True)
        return made[preset]

    return call


@pytest.fixture(scope="module")
def ids_path(root, reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("ids") / "ids.npy"
    tokenize.main([str(reference.with_name("tokenizer.json")), str(root / ".cache/texts/narrative.txt"), str(path)])
    return path


@pytest.fixture
def replay(root, tmp_path):
    """replay(recorder, model, feeds): names of the tensors whose nodes gave what was recorded."""

    def call(recorder, model, feeds):
        folder = tmp_path / "recording"
        recorder.record(feeds, folder)
        command = [root / "build/bin/quant-check", f"--replay={folder}", "--partial", model]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        shutil.rmtree(folder)
        assert result.returncode == 0, "\n".join(line for line in result.stdout.splitlines() if "FAILED" in line)
        return set(re.findall("^replayed (.*)$", result.stdout, re.MULTILINE))

    return call


def feeds_of(decoder, ids):
    """What the decoder would feed for the next ids."""
    count = len(ids)
    return {
        "input_ids": np.asarray(ids, np.int64)[None],
        "attention_mask": np.ones((1, decoder.length + count), np.int64),
        "position_ids": np.arange(decoder.length, decoder.length + count, dtype=np.int64)[None],
        **decoder.cache,
    }


def computing_nodes(model):
    """First outputs of the nodes that depend on an input or a weight."""
    graph = onnx.load(model, load_external_data=False).graph
    return {node.output[0] for node in graph.node if node.input}


def test_replay_of_a_prefill(emit, ids_path, replay):
    """Every node alone, on what onnxruntime fed it."""
    model, ids = emit(W4A4KV4), np.load(ids_path)[:PREFILL]
    feeds, nodes = feeds_of(Decoder(model, optimize=False), ids), len(onnx.load(model, load_external_data=False).graph.node)
    covered = set()
    for begin in range(0, nodes, NODES_PER_RECORDING):
        covered |= replay(record.Recorder(model, begin, begin + NODES_PER_RECORDING), model, feeds)
    assert covered == computing_nodes(model)


def test_replay_of_decode_steps(emit, ids_path, replay):
    """Weights that are cast are the same in every step: the prefill has covered them."""
    model, ids = emit(W4A4KV4), np.load(ids_path)[: PREFILL + STEPS]
    decoder = Decoder(model, optimize=False)
    decoder.step(ids[:PREFILL])
    recorder = record.Recorder(model, without_constants=True)
    for token in ids[PREFILL:]:
        covered = replay(recorder, model, feeds_of(decoder, [token]))
        assert computing_nodes(model) - covered == recorder.constants
        decoder.step([token])


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


def test_distance_to_the_original(emit, reference, ids_path, root, tmp_path):
    """KLD(original, onnxruntime) and KLD(original, lib/Interp) of W4A4KV4 over 1,023 tokens."""
    means = []
    for number, evaluate in enumerate(("onnxruntime", "lib/Interp")):
        report = tmp_path / f"{number}.json"
        arguments = [f"--reference={reference}", f"--candidate={emit(W4A4KV4)}", f"--token-ids={ids_path}", "--tokens=1024",
                     f"--json={report}"]
        if evaluate == "onnxruntime":
            assert ort_eval.main(arguments) == 0
        else:
            subprocess.run([root / "build/bin/quant-eval", *arguments], check=True)
        means.append(json.loads(report.read_text(encoding="utf-8"))["kld_mean"])
    print(means)
    assert abs(means[0] - means[1]) <= 0.06 * means[1]
