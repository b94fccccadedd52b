"""The demo's table, and what it is made of."""

import json
import subprocess
import sys

import onnx
import pytest
from onnx import TensorProto, helper

from quantopt import measure, summary, weight_bits


def test_rows_are_aligned():
    rows = [
        summary.Row("reference", 25.5628, 541_725_000, 32, "The sea is wide."),
        summary.Row("W4A4KV4", 118.4, 280_000_000, 4.05, "The sea.", 1.439, 9.87, 0.365, 61.2, 287_000_000),
    ]
    assert summary.render(rows).splitlines() == [
        "           perplexity  KLD mean  KLD p99  top-1        bytes  bits/weight  seconds  peak MB",
        "-------------------------------------------------------------------------------------------",
        "reference       25.56         -        -      -  541,725,000        32.00        -        -",
        "W4A4KV4        118.40    1.4390    9.870  36.5%  280,000,000         4.05     61.2      287",
        "",
        "reference  The sea is wide.",
        "W4A4KV4    The sea.",
    ]


def write(folder, **reports):
    folder.mkdir(exist_ok=True)
    (folder / "generate.json").write_text(json.dumps({"prompt": "A", "continuation": " b. C"}))
    for name, report in reports.items():
        (folder / f"{name}.json").write_text(json.dumps(report))


def test_rows_are_read_from_folders(tmp_path):
    scores = {"perplexity": 30.0, "reference_perplexity": 25.0, "kld_mean": 0.5, "kld_p99": 2.0, "top1_agreement": 0.75}
    write(tmp_path / "reference")
    write(tmp_path / "candidate", eval=scores, run={"seconds": 3.0, "peak_bytes": 1000})
    for folder in ("reference", "candidate"):
        onnx.save(linear_model("MatMulNBits"), tmp_path / folder / "model.onnx")
    reference, candidate = summary.read_rows([("r", tmp_path / "reference"), ("c", tmp_path / "candidate")])
    assert (reference.perplexity, reference.kld_mean, reference.sentence) == (25.0, None, "A b.")
    assert (candidate.perplexity, candidate.kld_mean, candidate.top1, candidate.seconds) == (30.0, 0.5, 0.75, 3.0)
    assert candidate.size == reference.size == (tmp_path / "reference/model.onnx").stat().st_size


def initializer(name, kind, shape):
    tensor = TensorProto(name=name, data_type=kind, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL  # the sizes are all that counts
    return tensor


def linear_model(form):
    """A linear of 64 inputs and 32 outputs in one of the forms that weight_bits knows."""
    if form == "MatMulNBits":
        nodes = [helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=64, N=32, bits=4, block_size=32)]
        weights = [initializer("w", TensorProto.UINT8, [32, 2, 16]), initializer("s", TensorProto.FLOAT, [32, 2])]
    elif form == "DequantizeLinear":
        nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["d"]), helper.make_node("MatMul", ["x", "d"], ["y"])]
        weights = [initializer("w", TensorProto.INT4, [64, 32]), initializer("s", TensorProto.FLOAT, [2, 32])]
    else:
        nodes = [
            helper.make_node("Cast", ["w"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "f"], ["m"]),
            helper.make_node("Mul", ["m", "xs"], ["n"]),
            helper.make_node("Mul", ["n", "s"], ["y"]),
        ]
        weights = [initializer("w", TensorProto.INT4, [64, 32]), initializer("s", TensorProto.FLOAT, [32])]
    return helper.make_model(helper.make_graph(nodes, "g", [], [], weights))


@pytest.mark.parametrize("form, bits", [("MatMulNBits", 5.0), ("DequantizeLinear", 5.0), ("Cast", 4.5)])
def test_bits_per_weight(tmp_path, form, bits):
    onnx.save(linear_model(form), tmp_path / "model.onnx")
    assert weight_bits.bits_per_weight(tmp_path / "model.onnx") == bits


def test_a_model_without_quantized_linears(root):
    assert weight_bits.bits_per_weight(root / "test/models/smollm2-135m-dynamo/model.onnx") is None


def test_a_command_is_measured(tmp_path):
    hungry = "import sys; data = bytearray(200 << 20); sys.exit(3)"
    command = [sys.executable, "-m", "quantopt.measure", tmp_path / "run.json", sys.executable, "-c", hungry]
    assert subprocess.run(command).returncode == 3
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["seconds"] > 0
    assert 200 << 20 < report["peak_bytes"] < 400 << 20


def test_a_missing_command_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="no-such-program"):
        measure.main([str(tmp_path / "run.json"), "no-such-program"])
