"""The table that test/Benchmark/gpu/run.py prints."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "Benchmark/gpu/run.py"


def load():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
