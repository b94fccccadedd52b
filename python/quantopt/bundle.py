"""Reads what emit-bundle writes, and computes in numpy what its integer kernels have to give.

    python -m quantopt.bundle DIR          checks the files, and shows what ptxas makes of the kernels

The format of plan.json is described in lib/Target/PTX/Plan.h.
"""

import argparse
import collections
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from quantopt import ptxas, safetensors

FORMAT, VERSION = "quantopt-bundle", 1


class BundleError(Exception):
    """A folder is not a bundle, or not a whole one; the text is for people."""


class Bundle:
    """A folder with kernels.ptx, weights.safetensors and plan.json; weights are mapped, not read."""

    def __init__(self, folder):
        self.folder = Path(folder)
        try:
            self.plan = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise BundleError(f"{folder} is not a bundle: {error}") from error
        if (self.plan.get("format"), self.plan.get("version")) != (FORMAT, VERSION):
            raise BundleError(f"{folder}: expected a {FORMAT} of version {VERSION}")
        self.kernels = {kernel["name"]: kernel for kernel in self.plan["kernels"]}
        self.launches = self.plan["launches"]

    @property
    def ptx(self):
        """Path of the kernels."""
        return self.folder / "kernels.ptx"

    def load_weights(self):
        """All weights by name."""
        return safetensors.load(self.folder / "weights.safetensors")

    def check_files(self):
        """Compares sizes and hashes of all files with the plan."""
        for name, expected in self.plan["files"].items():
            data = (self.folder / name).read_bytes()
            if len(data) != expected["bytes"] or hashlib.sha256(data).hexdigest() != expected["sha256"]:
                raise BundleError(f"{self.folder / name} is not the file that the plan names")


def grid_of(kernel, rows):
    """Blocks of a launch, (x, y)."""
    return kernel["grid"]["x"], -(-rows // kernel["grid"]["rows_per_block"])


def unpack_s4_weight(packed, rows, columns):
    """Codes [rows, columns] (int8) of a weight in fragment order for m16n8k64.s4.

    Blocks of 16 rows by 64 columns, 32 lanes of 16 bytes each: lane l has row l/4 in the first eight bytes and row
    l/4 + 8 in the last, columns 8(l%4)..+7 and those 32 further on, the low nibble first.
    """
    row_blocks, column_blocks = -(-rows // 16), -(-columns // 64)
    packed = np.asarray(packed).reshape(row_blocks, column_blocks, 8, 4, 2, 2, 4, 1)
    nibbles = np.concatenate([packed & 15, packed >> 4], axis=-1)
    codes = (nibbles.astype(np.int8) ^ 8) - 8
    # Axes: row block, column block, row, column / 8, half of the rows, half of the columns, bytes and nibbles.
    codes = codes.reshape(row_blocks, column_blocks, 8, 4, 2, 2, 8).transpose(0, 4, 2, 1, 5, 3, 6)
    return codes.reshape(row_blocks * 16, column_blocks * 64)[:rows, :columns]


def pack_s4_rows(codes):
    """Bytes of rows of 4-bit codes in memory: two to a byte, the first in the low nibble, rows filled to 64 codes."""
    rows, columns = codes.shape
    padded = np.zeros((rows, -(-columns // 64) * 64), np.uint8)
    padded[:, :columns] = codes.astype(np.uint8) & 15
    return padded[:, 0::2] | padded[:, 1::2] << 4


def gemm_s4(codes, scale, weight, weight_scale):
    """(float(acc) · scale) · weight_scale with exact sums acc, rounded to f32 after each operation.

    codes [M, K] and weight [N, K] int8, scale [M] and weight_scale [N] f32. Returns the sums and the result, [M, N].
    """
    sums = codes.astype(np.int32) @ weight.astype(np.int32).T
    scaled = sums.astype(np.float32) * scale.astype(np.float32)[:, None]
    return sums, scaled * weight_scale.astype(np.float32)[None, :]


def describe(bundle):
    """What the bundle holds and what its kernels take, as text."""
    plan, kernels = bundle.plan, ptxas.inspect(bundle.ptx)
    lines = [f"{name}: {file['bytes']:,} bytes" for name, file in sorted(plan["files"].items())]
    lines.append(f"{len(bundle.launches)} launches of {len(kernels)} kernels for {plan['arch']}, PTX {plan['ptx_version']}")
    missing = [f"{entry['count']} {entry['op']}" for entry in plan["unlowered"] if not entry["op"].startswith("onnx.")]
    if missing:
        lines.append("no kernel yet: " + ", ".join(missing))
    launches = collections.Counter(launch["kernel"] for launch in bundle.launches)
    for name, kernel in kernels.items():
        resources, loop = kernel.resources, kernel.loop
        spills = resources.spill_stores + resources.spill_loads
        shared = resources.static_shared + bundle.kernels[name]["dynamic_shared_bytes"]
        lines += ["", f"{name}, launched {launches[name]} times"]
        lines.append(f"  {resources.registers} registers, {spills} bytes spilled, {shared / 1024:.0f} KB of shared memory")
        part = loop or kernel.instructions
        mix = ptxas.histogram(part)
        shares = ", ".join(f"{count} {opcode}" for opcode, count in mix.most_common(6))
        share = f" ({mix['IMMA'] / len(part):.0%} IMMA)" if mix["IMMA"] else ""
        what = "main loop of" if loop else "loops unrolled,"
        lines.append(f"  {what} {len(part)} instructions{share}: {shares}")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Checks a bundle and shows what ptxas makes of its kernels.")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        bundle = Bundle(options.folder)
        bundle.check_files()
        print(describe(bundle))
    except (BundleError, ptxas.ToolError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
