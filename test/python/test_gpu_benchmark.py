"""What test/Benchmark/gpu/run.py prints, and that a model of random weights decodes: the interpreter runs a small one."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "Benchmark/gpu"


def load(name="run"):
    """A module of the benchmark; they import each other by name."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


RIGHT = {"arch": "sm_90a", "name": "norm 5x576", "problem": ""}
WRONG = {"arch": "sm_80", "name": "gemm 1x2x3", "problem": "result 0: it differs"}


def test_says_why_nothing_was_timed():
    report = {"arch": "sm_80", "checks": [RIGHT, WRONG], "timings": "not timed: no CUDA driver"}
    assert load().describe(report) == [
        "2 kernels run on the interpreter alone, 1 wrong",
        "  sm_80 gemm 1x2x3: result 0: it differs",
        "not timed: no CUDA driver",
    ]


def test_compares_times_with_bounds():
    report = {
        "gpu": {"name": "A GPU"},
        "arch": "sm_90a",
        "checks": [RIGHT],
        "bounds": {
            "copy_bytes_per_second": 4e12,
            "mma_s8_operations_per_second": 1e15,
            "wgmma_s8_operations_per_second": 1.5e15,
        },
        "timings": [
            {
                "name": "gemm",
                "rows": 2048,
                "seconds": 1e-4,
                "bytes": 2e7,
                "operations": 7e10,
                "bound": "matrix",
                "fraction": 0.47,
                "cublas_f16_seconds": 2e-4,
            },
            {"name": "norm", "rows": 64, "seconds": 2e-6, "bytes": 4e6, "operations": 0, "bound": "memory", "fraction": 0.5},
        ],
    }
    assert load().describe(report) == [
        "A GPU, kernels for sm_90a",
        "1 kernels compared with the interpreter, 0 wrong",
        "measured bounds: copy 4000 GB/s, mma s8 1000 TOPS, wgmma s8 1500 TOPS",
        "kernel  rows     us  GB/s   TOPS   bound  of bound  vs f16",
        "gemm    2048  100.0   200  700.0  matrix      47 %   2.00x",
        "norm      64    2.0  2000         memory      50 %",
    ]


def test_shows_decoding_of_a_model():
    report = {
        "gpu": {"name": "A GPU"},
        "arch": "sm_90a",
        "checks": [],
        "bounds": {"copy_bytes_per_second": 4e12, "mma_s8_operations_per_second": 0, "wgmma_s8_operations_per_second": 0},
        "timings": [],
        "sdpa": "not timed: no torch",
        "decoding": [{"batch": 8, "context": 1024, "seconds": 4e-3, "bytes": 8e9, "fraction": 0.5}],
    }
    lines = load().describe(report)
    assert lines[-4:] == [
        "kernel  rows  us  GB/s  TOPS  bound  of bound  vs f16",
        "",
        "decode, 7B W4A4KV4  context  ms/step  tokens/s  GB/s  of copy",
        "batch 8                1024     4.00      2000  2000     50 %",
    ]
    assert "PyTorch SDPA not timed: no torch" in lines
    assert load().describe({**report, "decoding": "decoding not timed: no memory"})[-1] == "decoding not timed: no memory"


def test_random_weights_decode(tmp_path):
    """The path of the benchmark of 7B parameters, on the interpreter."""
    decoding, random_model = load("decoding"), load("random_model")
    shape = random_model.Shape(
        layers=1, hidden=128, intermediate=192, heads=4, kv_heads=2, vocabulary=100, context=48
    )  # fmt: skip
    bundle = decoding.make_bundle(tmp_path, shape, "sm_80")
    (entry,) = decoding.time_bundle(bundle, 5, (2,), 1e12, device="interpreter", new_tokens=2)
    # Codes and scales of seven weights, the head in f16; six tokens of keys and values of two sequences.
    linears = [(128, 128), (64, 128), (64, 128), (128, 128), (192, 128), (192, 128), (128, 192)]
    weights = sum(-(-outputs // 16) * 16 * (-(-inputs // 64) * 32 + 4) for outputs, inputs in linears) + 100 * 128 * 2
    assert entry["bytes"] == weights + 2 * 2 * (32 // 2 + 4) * 6 * 2
    assert (entry["batch"], entry["context"]) == (2, 5) and entry["seconds"] > 0
