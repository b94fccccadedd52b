"""lib/Interp and onnxruntime, without graph optimisations, on every fixture with random inputs of three random shapes.

lib/Interp runs the model in three forms: imported, recognised, rotated.

Shapes are drawn by a seed, the name of the fixture: a prefill, a decode step and a chunk of several tokens after others. A row
is padded on the left where the fixture's recorded data has such rows, and then only inside the past: what a row of nothing but
padding attends to is undefined.
"""

import json
import os
import random
import zlib
from pathlib import Path

import fixture_report
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

ROOT = fixture_report.ROOT
SHARED = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))
FOLDERS = fixture_report.fixture_folders(SHARED if SHARED.is_dir() else None)
USUAL_TOLERANCE = 1e-4  # of the largest element, as in quant-check
NOT_IN_ONNXRUNTIME = "Could not find an implementation"


def recorded(folder, side):
    """[{name: array}], the inputs or outputs of each recorded data set."""
    sets = sorted(folder.glob("test_data_set_*"))
    tensors = ([onnx.load_tensor(path) for path in data.glob(f"{side}_*.pb")] for data in sets)
    return [{tensor.name: numpy_helper.to_array(tensor) for tensor in found} for found in tensors]


class Oracle:
    """A fixture's model in onnxruntime."""

    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.operators = {node.op_type for node in onnx.load(folder / "model.onnx", load_external_data=False).graph.node}
        inputs = recorded(folder, "input")
        self.is_padded = any(not values["attention_mask"].all() for values in inputs if "attention_mask" in values)
        self.example = inputs[0]
        self.vocabulary = recorded(folder, "output")[0]["logits"].shape[-1]
        self.caches = [value for value in self.inputs if self.example[value.name].ndim == 4]

    def cache_shape(self, value, batch, past):
        """Of a cache input: as many rows as the model says, or as there are past tokens."""
        _, heads, _, size = self.example[value.name].shape
        return batch, heads, value.shape[2] if isinstance(value.shape[2], int) else past, size

    def run(self, feeds):
        return dict(zip(self.outputs, self.session.run(self.outputs, feeds)))


def draw_shapes(oracle, rng):
    """[(batch, tokens, past)]: a prefill, a decode step and a chunk."""
    if not oracle.caches:
        return [(rng.randint(1, 3), rng.randint(2, 9), 0) for _ in range(3)]
    # onnxruntime's GroupQueryAttention takes several tokens after others for one sequence only.
    chunk_batch = 1 if "GroupQueryAttention" in oracle.operators else rng.randint(1, 3)
    return [
        (rng.randint(1, 3), rng.randint(2, 9), 0),
        (rng.randint(1, 3), 1, rng.randint(1, 12)),
        (chunk_batch, rng.randint(2, 4), rng.randint(1, 10)),
    ]


def make_feeds(oracle, shape, padding, seed):
    """Values for all inputs; the last sequence begins with `padding` tokens that are masked."""
    batch, tokens, past = shape
    rng = np.random.default_rng(seed)
    mask = np.ones((batch, past + tokens), np.int64)
    mask[-1, :padding] = 0
    known = {
        "input_ids": rng.integers(0, oracle.vocabulary, (batch, tokens)),
        "attention_mask": mask,
        "position_ids": np.maximum(mask.cumsum(-1) - 1, 0)[:, past:],
        "write_indices": np.full(batch, past),
        "nonpad_kv_seqlen": np.full(batch, past + tokens),
    }
    feeds = {}
    for value in oracle.inputs:
        is_cache = value in oracle.caches
        made = rng.standard_normal(oracle.cache_shape(value, batch, past)) if is_cache else known[value.name]
        feeds[value.name] = made.astype(oracle.example[value.name].dtype)
    return feeds


def write(folder, side, values):
    for number, (name, array) in enumerate(values.items()):
        (folder / f"{side}_{number}.pb").write_bytes(numpy_helper.from_array(np.ascontiguousarray(array), name).SerializeToString())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_same_results(folder, tmp_path):
    try:
        oracle = Oracle(folder)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        assert NOT_IN_ONNXRUNTIME in str(error)
        pytest.skip(f"onnxruntime lacks a kernel: {str(error).split(':')[-1].strip()}")
    seed = zlib.crc32(folder.name.encode())
    rng = random.Random(seed)
    for number, shape in enumerate(draw_shapes(oracle, rng)):
        data = tmp_path / f"test_data_set_{number}"
        data.mkdir()
        padding = rng.randint(0, shape[2]) if oracle.is_padded else 0
        feeds = make_feeds(oracle, shape, padding, seed + number)
        write(data, "input", feeds)
        write(data, "output", oracle.run(feeds))
        print(f"data set {number}: batch, tokens, past {shape}, padding {padding}")
    (tmp_path / "model.onnx").touch()  # marks the folder; the model that is run is named
    tolerance = json.loads((folder / "fixture.json").read_text(encoding="utf-8"))["tolerance"]
    arguments = [f"--model={folder / 'model.onnx'}", f"--tolerance={max(tolerance, USUAL_TOLERANCE)}"]
    status, output, errors = fixture_report.run("quant-check", f"--form={','.join(fixture_report.FORMS)}", *arguments, tmp_path)
    print(output, errors)
    assert status == 0
    for form in fixture_report.FORMS:
        assert f"{form}: 1 passed, 0 failed, 0 unsupported" in output
