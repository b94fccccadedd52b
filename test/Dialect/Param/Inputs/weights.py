"""Weights for param-materialize.mlir, and what numpy makes of them.

weights.py make FOLDER    writes weights.bin
weights.py check FOLDER   compares out.bin, whose parameters out.mlir names, with numpy
"""

import re
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[2])
random = np.random.default_rng(1)
embed = random.standard_normal((3000, 16)).astype(np.float32)
gamma = random.standard_normal(16).astype(np.float32)
down = random.standard_normal((24, 16)).astype(np.float32)
odd = random.standard_normal((3001, 15)).astype(np.float32)
half = random.standard_normal((16, 24)).astype(np.float16)
matrix = np.linalg.qr(random.standard_normal((16, 16)))[0].astype(np.float32)


def make():
    stored = b"".join(array.tobytes() for array in (embed, gamma, down, odd, half, matrix, embed.T))
    (folder / "weights.bin").write_bytes(stored)


def hadamard(n):
    return np.ones((1, 1)) if n == 1 else np.kron(np.array([[1, 1], [1, -1]]) / np.sqrt(2), hadamard(n // 2))


def quantize(weight, clip_steps):
    """Codes and scales of rows, as decisions on quantizers state them: f32, the clip of the least error."""
    weight = weight.astype(np.float32)
    absmax = np.maximum(np.abs(weight).max(1, keepdims=True), np.float32(1e-5))
    best = np.full((len(weight), 1), np.inf)
    best_codes, best_scale = np.zeros(weight.shape, np.int8), np.zeros_like(absmax)
    for i in range(max(clip_steps, 1)):
        scale = np.float32(1 - i / 100) * absmax / np.float32(7)
        codes = np.clip(np.rint(weight / scale), -8, 7)
        error = (np.abs(codes * scale - weight).astype(np.float64) ** 2.4).sum(1, keepdims=True)
        better = error < best
        best = np.where(better, error, best)
        best_scale = np.where(better, scale, best_scale)
        best_codes = np.where(better, codes, best_codes).astype(np.int8)
    return best_codes, best_scale


def stored(name, text, data):
    """The parameter of that name in out.bin."""
    shape, kind, offset, length = re.search(
        rf'param.global @{re.escape(name)} : tensor<([\dx]+)x(\w+).*\[offset = (\d+), length = (\d+)\]', text
    ).groups()
    assert int(offset) % 4096 == 0, f"{name} lies at {offset}"
    raw = data[int(offset) : int(offset) + int(length)]
    shape = [int(size) for size in shape.split("x")]
    if kind != "i4":
        return np.frombuffer(raw, {"f32": np.float32, "f16": np.float16}[kind]).reshape(shape)
    packed = np.frombuffer(raw, np.uint8)
    nibbles = np.stack([packed & 15, packed >> 4], 1).reshape(-1)[: np.prod(shape)].astype(np.int8)
    return ((nibbles ^ 8) - 8).reshape(shape)


def check():
    text, data = (folder / "out.mlir").read_text(), (folder / "out.bin").read_bytes()
    rotated = (embed.astype(np.float64) * gamma) @ hadamard(16)
    blocks = np.kron(np.eye(3), hadamard(8))
    expected = {
        "down.rotated": (blocks.T @ down.astype(np.float64) @ hadamard(16)).astype(np.float32),
        "half.transposed": half.T,
        "gamma.f16": gamma.astype(np.float16),
    }
    expected["smoothed"] = embed * gamma
    expected["turned"] = ((embed * gamma).astype(np.float64) @ matrix.astype(np.float64)).astype(np.float32)
    expected["wide.w4.codes"], expected["wide.w4.scale"] = quantize(embed, 0)
    codes, scale = quantize(odd, 0)
    expected["restored"] = codes * scale
    expected["embed.w4.codes"], expected["embed.w4.scale"] = quantize(rotated, 80)
    expected["odd.w4.codes"], expected["odd.w4.scale"] = quantize(odd, 0)
    for name, values in expected.items():
        found = stored(name, text, data)
        if found.dtype == np.float32:
            # Both round an f64 that may differ in its last bits.
            np.testing.assert_allclose(found, values, rtol=2e-7, atol=5e-8, err_msg=name)
        else:
            np.testing.assert_array_equal(found, values, err_msg=name)
    print("all parameters are as numpy has them")


make() if sys.argv[1] == "make" else check()
