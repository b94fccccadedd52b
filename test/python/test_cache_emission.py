"""Models whose caches are written in place (GroupQueryAttention, TensorScatter), quantized and emitted: onnxruntime runs them
as lib/Interp runs the emitted file and the form before emission.

Two sequences of different length: a prefill, a decode step and a chunk of several tokens. onnxruntime's own
GroupQueryAttention takes no such chunk, but the emitted model consists of standard operators.
"""

import os
import subprocess
from pathlib import Path

import fixture_report
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

ROOT = fixture_report.ROOT
SHARED = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))
OPERATORS = {"GroupQueryAttention", "TensorScatter"}
FOLDERS = [
    folder
    for folder in fixture_report.fixture_folders(SHARED if SHARED.is_dir() else None)
    if OPERATORS & {node.op_type for node in onnx.load(folder / "model.onnx", load_external_data=False).graph.node}
]
PRESETS = {
    "kv4": "--quarot=weight-bits=4 act-bits=16 kv-bits=4 sites=R1,R2,R3,R4",
    "w4a16": "--w4a16",
    "rtn": "--rtn=weight-bits=4 act-bits=16 kv-bits=4",
}
STEPS = ((8, 0), (1, 7), (3, 5))  # tokens, past of the longer sequence
TOLERANCE = 1e-4


def recorded(folder, side):
    """{name: array}, the inputs or outputs of the first recorded data set."""
    tensors = [onnx.load_tensor(path) for path in (folder / "test_data_set_0").glob(f"{side}_*.pb")]
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def make_feeds(session, example, vocabulary, step):
    """Values for all inputs; the second sequence has two tokens less behind it, as far as there are any."""
    tokens, past = step
    lengths = np.array([past, max(past - 2, 0)])
    rng = np.random.default_rng(past)
    known = {
        "input_ids": rng.integers(0, vocabulary, (2, tokens)),
        "attention_mask": np.arange(past + tokens) < (lengths + tokens)[:, None],
        "position_ids": lengths[:, None] + np.arange(tokens),
        "write_indices": lengths,
        "nonpad_kv_seqlen": lengths + tokens,
    }
    feeds = {}
    for value in session.get_inputs():
        old = example[value.name]
        rows = value.shape[2] if len(value.shape) == 4 and isinstance(value.shape[2], int) else past
        made = known[value.name] if value.name in known else rng.standard_normal((2, old.shape[1], rows, old.shape[3]))
        feeds[value.name] = np.ascontiguousarray(made, old.dtype)
    return feeds


def write(folder, side, values):
    folder.mkdir(exist_ok=True)
    for number, (name, array) in enumerate(values.items()):
        (folder / f"{side}_{number}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_emitted_models_run_alike(folder, preset, tmp_path):
    emitted, before = tmp_path / "model.onnx", tmp_path / "model.mlir"
    tool = [ROOT / "build/bin/quant-opt", folder / "model.onnx", PRESETS[preset]]
    for output in (f"--emit-onnx=output={emitted}", f"-o={before}"):
        subprocess.run([*tool, output], check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(emitted), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for number, step in enumerate(STEPS):
        vocabulary = recorded(folder, "output")["logits"].shape[-1]
        feeds = make_feeds(session, recorded(folder, "input"), vocabulary, step)
        data = tmp_path / f"test_data_set_{number}"
        write(data, "input", feeds)
        write(data, "output", dict(zip(names, session.run(names, feeds))))
    for model in (emitted, before):
        status, output, errors = fixture_report.run("quant-check", f"--model={model}", f"--tolerance={TOLERANCE}", tmp_path)
        print(output, errors)
        assert status == 0
        assert "1 passed, 0 failed, 0 unsupported" in output
