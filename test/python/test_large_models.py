"""Models that are large on paper: their weights are holes in sparse files."""

import json
import os
import subprocess
import sys

import pytest

SMALL_HEADS = ["--heads=32", "--kv-heads=8", "--size=64", "--hidden=2048"]
# Generous: machines are shared. What an idle one of two cores takes is 0.3 s and 83 MB to explain, 0.4 s and 108 MB for
# passes.
EXPLAIN_SECONDS, PASSES_SECONDS = 10, 30
EXPLAIN_BYTES, PASSES_BYTES = 100e6, 300e6


@pytest.fixture
def skeleton(root, tmp_path):
    """Writes a model of so many layers and bytes."""

    def write(*options):
        path = tmp_path / "model.onnx"
        subprocess.run([sys.executable, root / "test/Inputs/skeleton.py", path, *options], check=True)
        files = [file for file in tmp_path.iterdir() if file.suffix in (".onnx", ".data")]
        size = sum(file.stat().st_size for file in files)
        if sum(file.stat().st_blocks for file in files) * 512 > size / 2:
            pytest.skip("the file system has no sparse files")
        return path, size

    return write


def run(root, report, *arguments):
    """Seconds and peak bytes, taken by a small process: the kernel counts the parent's memory at the start as the child's."""
    command = [sys.executable, "-m", "quantopt.measure", report, root / "build/bin/quant-opt", *arguments]
    subprocess.run(list(map(str, command)), check=True)
    measured = json.loads(report.read_text())
    return measured["seconds"], measured["peak_bytes"]


@pytest.mark.parametrize("options, least", [(["--inline", "--layers=16", "--intermediate=5632", "--tokens=32000"], 2.6e9),
                                            (["--layers=32", "--intermediate=8192", "--tokens=128256"], 8e9)],
                         ids=["one protobuf", "external data"])
def test_explaining_reads_no_payload(root, skeleton, capfd, options, least):
    path, size = skeleton(*SMALL_HEADS, *options)
    assert size > least
    seconds, peak = run(root, path.with_suffix(".json"), "--explain", path)
    text = capfd.readouterr().out
    assert "R1                  the residual stream: can be rotated" in text
    assert f"layers              {options[-3].split('=')[1]}" in text
    assert seconds < EXPLAIN_SECONDS and peak < EXPLAIN_BYTES


@pytest.mark.usefixtures("without_proofs")
def test_a_deep_model_is_recognised_and_rotated_as_a_whole(root, skeleton, capfd):
    path, size = skeleton()
    assert size > 2.7e11
    seconds, peak = run(root, path.with_suffix(".json"), path, "--llm-recognize=summary=true", "--llm-fuse-norm-scale",
                        "--rot-insert", "-o", os.devnull)
    errors = capfd.readouterr().err
    assert "recognised 80 attention, 1 embedding, 160 kv_append, 561 linear, 80 merge_heads, 160 residual_add" in errors
    assert "is converted while the model runs" not in errors
    assert seconds < PASSES_SECONDS and peak < PASSES_BYTES
