"""A weight for q-pack.mlir, and what numpy makes of its codes in fragment order.

fragments.py make FOLDER    writes weights.bin
fragments.py check FOLDER   compares out.bin, whose parameters out.mlir names, with numpy

The order is that of the PTX ISA, "Matrix Fragments for mma": which row and column of A a register of a lane holds;
registers that are taken as they lie, those of s4 and s8, are in pairs of B.
"""

import re
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[2])
ROWS, COLUMNS = 3000, 100
PADDED_ROWS, PADDED_COLUMNS = 3008, 128


def make():
    weight = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    (folder / "weights.bin").write_bytes(weight.tobytes())


def results():
    """The arrays that main returns, in order: codes of 4 bits as int8."""
    text, data = (folder / "out.mlir").read_text(), (folder / "out.bin").read_bytes()
    stored = {
        name: ([int(size) for size in shape.split("x")], kind, int(offset), int(length))
        for name, shape, kind, offset, length in re.findall(
            r"param.global @(\S+) : tensor<([\dx]+)x(\w+)> from @out.bin ?\[offset = (\d+), length = (\d+)\]", text
        )
    }
    loaded = dict(re.findall(r"(%\w+) = param.load @(\S+) :", text))
    for value in re.search(r"return (.*?) :", text).group(1).split(", "):
        shape, kind, offset, length = stored[loaded[value]]
        raw = np.frombuffer(data[offset : offset + length], np.uint8)
        if kind == "i4":
            raw = np.stack([raw & 15, raw >> 4], 1).reshape(-1)
            yield ((raw.astype(np.int8) ^ 8) - 8)[: np.prod(shape)].reshape(shape)
        else:
            yield raw.view({"f32": np.float32, "ui8": np.uint8, "i8": np.int8}[kind]).reshape(shape)


def padded(codes):
    return np.pad(codes, ((0, PADDED_ROWS - ROWS), (0, PADDED_COLUMNS - COLUMNS)))


def fragments(codes, width, place):
    """[row blocks, column blocks, 32 lanes, elements] of A in tiles of 16 by `width`."""
    tiles = codes.reshape(PADDED_ROWS // 16, 16, PADDED_COLUMNS // width, width).swapaxes(1, 2)
    lanes = np.arange(32)[:, None]
    row, column = place(lanes // 4, lanes % 4, np.arange(16 * width // 32)[None, :])
    return tiles[:, :, row, column]


def place_s4(group, thread, i):
    return group + 8 * ~((i < 8) | ((i >= 16) & (i < 24))), thread * 8 + (i & 7) + 32 * (i >= 16)


def place_s8(group, thread, i):
    return group + 8 * ~((i < 4) | ((i >= 8) & (i < 12))), thread * 4 + (i & 3) + 16 * (i >= 8)


def place_f16(group, thread, i):
    return group + 8 * ~((i < 2) | ((i >= 4) & (i < 6))), thread * 2 + (i & 1) + 8 * (i >= 4)


def nibbles(values):
    values = values.astype(np.uint8) & 15
    return values[..., 0::2] | values[..., 1::2] << 4


def neighbours_of_b(elements):
    """The four registers of A with those of one row, a pair of B, side by side."""
    registers = elements.reshape(*elements.shape[:-1], 4, -1)[..., [0, 2, 1, 3], :]
    return registers.reshape(elements.shape)


def pack_s4(codes):
    return nibbles(neighbours_of_b(fragments(padded(codes), 64, place_s4)))


def pack_s8(codes):
    return neighbours_of_b(fragments(padded(codes), 32, place_s8)).astype(np.uint8)


def pack_s8x4(codes):
    steps = fragments(padded(codes), 32, place_s8)
    return nibbles(np.stack([steps[:, 0::2], steps[:, 1::2]], -1).reshape(*steps[:, 0::2].shape[:3], 32))


def pack_f16x4(codes):
    steps = fragments(padded(codes), 16, place_f16)  # pairs (2p, 2p + 1) become nibbles p and p + 4
    order = steps[..., [0, 2, 4, 6, 1, 3, 5, 7]].reshape(PADDED_ROWS // 16, 2, 4, 32, 8).swapaxes(2, 3)
    return nibbles(order.reshape(PADDED_ROWS // 16, 2, 32, 32) + 8)


def check():
    codes4, scale4, s4, packed_scale4, s8x4, f16x4, moved, codes8, s8, packed_scale8 = results()
    permuted = codes4.reshape(ROWS, 25, 4).swapaxes(1, 2).reshape(ROWS, COLUMNS)
    for name, found, expected in (
        ("s4", s4, pack_s4(codes4)),
        ("s8x4", s8x4, pack_s8x4(codes4)),
        ("f16x4", f16x4, pack_f16x4(codes4)),
        ("s4:25x4", moved, pack_s4(permuted)),
        ("s8", s8, pack_s8(codes8)),
    ):
        np.testing.assert_array_equal(found.reshape(-1), expected.reshape(-1), err_msg=name)
    np.testing.assert_array_equal(packed_scale4.reshape(-1, 2), np.pad(scale4, ((0, 8), (0, 0))))
    assert packed_scale8.reshape(-1)[:ROWS].min() > 0 and not packed_scale8.reshape(-1)[ROWS:].any()
    assert len(np.unique(codes4)) >= 15, "too few different codes to tell positions apart"
    print("all orders are as numpy has them")


make() if sys.argv[1] == "make" else check()
