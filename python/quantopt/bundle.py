"""Reads what emit-bundle writes, and computes in numpy what its integer kernels have to give.

    python -m quantopt.bundle DIR [--ptx-run build/bin/ptx-run]

checks the files and shows what ptxas makes of the kernels; with the PTX interpreter, runs them too.

The format of plan.json is described in lib/Target/PTX/plan.schema.json.
"""

import argparse
import collections
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from quantopt import ptxas, safetensors

FORMAT, VERSION = "quantopt-bundle", 2


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
        self.phases = {phase["name"]: phase for phase in self.plan["phases"]}
        # Of all phases.
        self.launches = [launch for phase in self.plan["phases"] for launch in phase["launches"]]

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


def grid_of(kernel, rows, sequences=1):
    """Blocks of a launch over `rows` rows of `sequences` sequences of one length, (x, y)."""
    ((kind, count),) = kernel["grid"]["y"].items()
    y = {
        "rows": -(-rows // count),
        "sequence_rows": sequences * -(-rows // sequences // count),
        "sequences": sequences,
    }
    return kernel["grid"]["x"], y[kind]


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


def describe_map(argument):
    """A tensor map as ptx-run takes it; arrays have elements of a byte."""
    box_bytes, box_rows = argument["tensor_map"]["box"]
    return f"map:{argument['tensor_map']['swizzle']}[{box_rows},{box_bytes}]"


def run_kernel(ptx_run, bundle, name, arrays, rows, counters=None):
    """Runs a kernel of a bundle on the PTX interpreter, the program `ptx_run`, and returns its results by name.

    `arrays` are inputs and weights by the names of the kernel's arguments, rows as in memory: 4-bit codes as bytes
    (pack_s4_rows). 4-bit results come as bytes too. `counters` is a file for the interpreter's counters.
    """
    kernel = bundle.kernels[name]
    with tempfile.TemporaryDirectory() as folder:
        arguments, files = [], {}
        for argument in kernel["arguments"]:
            file = f"{folder}/{argument['name']}.npy"
            if argument["is"] == "rows":
                arguments.append(f"u32:{rows}")
            elif argument["is"] == "result":
                is_packed = argument["dtype"] == "i4"
                dtype, columns = ("ui8", argument["row_bytes"]) if is_packed else (argument["dtype"], argument["columns"])
                arguments.append(f"out:{dtype}[{rows},{columns}]:{file}")
                files[argument["name"]] = file
            else:
                np.save(file, np.ascontiguousarray(arrays[argument["name"]]))
                arguments.append(f"{describe_map(argument)}:{file}" if "tensor_map" in argument else f"in:{file}")
        command = [ptx_run, bundle.ptx, f"--kernel={name}", f"--block={kernel['block']}", "--quiet"]
        command += ["--grid={},{}".format(*grid_of(kernel, rows)), f"--shared={kernel['dynamic_shared_bytes']}"]
        command += [f"--arg={argument}" for argument in arguments]
        if counters:
            command.append(f"--counters={counters}")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BundleError(f"{name} over {rows} rows:\n{done.stderr.strip()}")
        return {result: np.load(file) for result, file in files.items()}


def arguments_of(bundle, launch):
    """Names of a launch's activations and weights, by the names of the kernel's arguments."""
    arguments = bundle.kernels[launch["kernel"]]["arguments"]
    return {argument["name"]: name for argument, value in zip(arguments, launch["arguments"]) for name in value.values()}


def is_linear(name):
    """Whether a kernel multiplies 4-bit codes by 4-bit weights."""
    return name.startswith(("gemm_w4a4", "gemm_decode_w4a4"))


def sizes_of(kernel):
    """(channels, contraction) of the kernel of a linear."""
    columns = {argument["name"]: argument.get("columns") for argument in kernel["arguments"]}
    return columns["result"], columns["input"]


def check_linear(bundle, ptx_run, launch, rows, is_unit=False, counters=None):
    """Runs a launch of a W4A4 kernel on random codes and compares it with numpy bit for bit; raises BundleError.

    With `is_unit` all scales are 1, so that results are the sums themselves, which f32 holds exactly.
    """
    channels, contraction = sizes_of(bundle.kernels[launch["kernel"]])
    names, weights = arguments_of(bundle, launch), bundle.load_weights()
    packed, weight_scale = weights[names["weight"]], weights[names["weight_scale"]]
    random = np.random.default_rng([channels, contraction, rows])
    codes = random.integers(-8, 8, (rows, contraction), dtype=np.int8)
    scale = random.uniform(1e-3, 1, rows).astype(np.float32)
    residual = random.standard_normal((rows, channels), np.float32)
    if is_unit:
        scale, weight_scale, residual = np.ones_like(scale), np.ones_like(weight_scale), np.zeros_like(residual)
    arrays = {"input": pack_s4_rows(codes), "input_scale": scale, "weight": packed, "weight_scale": weight_scale}
    weight = unpack_s4_weight(packed, channels, contraction)
    sums, expected = gemm_s4(codes, scale, weight, weight_scale.reshape(-1)[:channels])
    if "residual" in names:
        arrays["residual"], expected = residual, expected + residual
    result = run_kernel(ptx_run, bundle, launch["kernel"], arrays, rows, counters)["result"]
    wrong = np.count_nonzero(result.view(np.uint32) != expected.view(np.uint32))
    if is_unit:
        wrong += np.count_nonzero(result.astype(np.int64) != sums)
    if wrong:
        raise BundleError(f"{launch['kernel']} over {rows} rows: {wrong} of {result.size} results differ from numpy's")


def describe_run(bundle, ptx_run, launch, rows):
    """What the interpreter counts in one launch of a W4A4 kernel, as a line of text."""
    with tempfile.TemporaryDirectory() as folder:
        check_linear(bundle, ptx_run, launch, rows, counters=f"{folder}/counters.json")
        counters = json.loads(Path(folder, "counters.json").read_text())
    instructions, products = counters["warp_instructions"], counters["matrix_instructions"]
    return (
        f"  {rows} rows on the PTX interpreter: numpy's results bit for bit; {instructions:,} warp instructions, "
        f"{products / instructions:.0%} mma.sync; {counters['shared']['conflicts']} bank conflicts"
    )


def rows_of(bundle, kernel):
    """As many rows as the kernel is meant for, at most 128."""
    users = [phase for phase in bundle.plan["phases"] if any(launch["kernel"] == kernel for launch in phase["launches"])]
    return max(phase["max_rows"] or 128 for phase in users)


def describe_kernel(kernel, plan):
    """What a kernel takes and consists of, as lines of text."""
    resources, loop = kernel.resources, kernel.loop
    part = loop or kernel.instructions
    mix = ptxas.histogram(part)
    spills = resources.spill_stores + resources.spill_loads
    shared = resources.static_shared + plan["dynamic_shared_bytes"]
    share = f" ({mix['IMMA'] / len(part):.0%} IMMA)" if mix["IMMA"] else ""
    counts = ", ".join(f"{count} {opcode}" for opcode, count in mix.most_common(6))
    what = "main loop of" if loop else "loops unrolled,"
    yield f"  {resources.registers} registers, {spills} bytes spilled, {shared / 1024:.0f} KB of shared memory"
    yield f"  {what} {len(part)} instructions{share}: {counts}"


def describe(bundle, ptx_run=None):
    """What the bundle holds and what its kernels take, as lines of text; with `ptx_run`, W4A4 kernels are run as well."""
    plan, kernels = bundle.plan, ptxas.inspect(bundle.ptx)
    for name, file in sorted(plan["files"].items()):
        yield f"{name}: {file['bytes']:,} bytes"
    yield f"{len(bundle.launches)} launches of {len(kernels)} kernels for {plan['arch']}, PTX {plan['ptx_version']}"
    for phase in plan["phases"]:
        yield f"{phase['name']}: {len(phase['launches'])} launches, {phase['arena_row_bytes']:,} bytes of activations per row"
    if plan["caches"]:
        yield f"cache: {sum(cache['token_bytes'] for cache in plan['caches']):,} bytes per token"
    missing = [f"{entry['count']} {entry['op']}" for entry in plan["unlowered"] if not entry["op"].startswith("onnx.")]
    if missing:
        yield "no kernel yet: " + ", ".join(missing)
    launches = collections.defaultdict(list)
    for launch in bundle.launches:
        launches[launch["kernel"]].append(launch)
    for name, kernel in kernels.items():
        yield f"\n{name}, launched {len(launches[name])} times"
        yield from describe_kernel(kernel, bundle.kernels[name])
        if ptx_run and is_linear(name):
            yield describe_run(bundle, ptx_run, launches[name][0], rows_of(bundle, name))


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Checks a bundle and shows what ptxas makes of its kernels.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ptx-run", type=Path, help="the PTX interpreter: runs W4A4 kernels and compares them with numpy")
    options = parser.parse_args(arguments)
    try:
        bundle = Bundle(options.folder)
        bundle.check_files()
        for line in describe(bundle, options.ptx_run):
            print(line)
    except (BundleError, ptxas.ToolError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
