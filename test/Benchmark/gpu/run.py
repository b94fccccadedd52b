"""Checks every kernel against the PTX interpreter and times it on this machine's GPU: builds, runs, prints a table.

    .venv/bin/python test/Benchmark/gpu/run.py [--filter NAME] [--arch ARCH] [--check-only] [--output FILE]

Bounds are measured in the same run: the bandwidth of a copy in the GPU's memory, the rate of 8-bit matrix instructions
on registers. A kernel's fraction is its time at those bounds over its time. Attention stands beside PyTorch's
scaled_dot_product_attention in f16 where this Python has torch. Then decoding with random weights of the size of LLaMA 2
7B is timed as a whole: its fraction is the time that weights and cache take at the bandwidth of a copy over its time.
Without a GPU kernels are checked on the interpreter alone and the reason is printed in the place of the timings.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import decoding
import sdpa

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PROGRAM = ROOT / "build/test/benchmark/gpu-benchmark"


def format_table(rows):
    """Lines of a table whose first row is its head; columns after the first are flushed right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return lines


def timing_row(timing):
    """The cells of one kernel: name, rows, µs, GB/s, TOPS, bound, percent of it, speed-up over cuBLAS or SDPA in f16."""
    seconds, half = timing["seconds"], timing.get("cublas_f16_seconds", timing.get("sdpa_f16_seconds"))
    return [
        timing["name"],
        str(timing["rows"]),
        f"{seconds * 1e6:.1f}",
        f"{timing['bytes'] / seconds / 1e9:.0f}",
        f"{timing['operations'] / seconds / 1e12:.1f}" if timing["operations"] else "",
        timing["bound"],
        f"{100 * timing['fraction']:.0f} %",
        f"{half / seconds:.2f}x" if half else "",
    ]


def describe(report):
    """The report of the program as lines for people."""
    wrong = [check for check in report["checks"] if check["problem"]]
    how = "compared with the interpreter" if "gpu" in report else "run on the interpreter alone"
    lines = [f"{len(report['checks'])} kernels {how}, {len(wrong)} wrong"]
    lines += [f"  {check['arch']} {check['name']}: {check['problem']}" for check in wrong]
    if "gpu" in report:
        lines.insert(0, f"{report['gpu']['name']}, kernels for {report['arch']}")
    if isinstance(report["timings"], str):
        return lines + [report["timings"]]
    bounds = report["bounds"]
    lines.append(
        f"measured bounds: copy {bounds['copy_bytes_per_second'] / 1e9:.0f} GB/s, "
        f"mma s8 {bounds['mma_s8_operations_per_second'] / 1e12:.0f} TOPS, "
        f"wgmma s8 {bounds['wgmma_s8_operations_per_second'] / 1e12:.0f} TOPS"
    )
    lines += ["cuBLAS f16 " + report["cublas"]] if "cublas" in report else []
    lines += ["PyTorch SDPA " + report["sdpa"]] if "sdpa" in report else []
    head = ["kernel", "rows", "us", "GB/s", "TOPS", "bound", "of bound", "vs f16"]
    lines += format_table([head] + [timing_row(timing) for timing in report["timings"]])
    return lines + (["", *describe_decoding(report["decoding"])] if "decoding" in report else [])


def describe_decoding(timings):
    """Steps of a whole model, as lines for people; or why there are none."""
    if isinstance(timings, str):
        return [timings]
    head = ["decode, 7B W4A4KV4", "context", "ms/step", "tokens/s", "GB/s", "of copy"]
    rows = [
        [
            f"batch {timing['batch']}",
            str(timing["context"]),
            f"{timing['seconds'] * 1e3:.2f}",
            f"{timing['batch'] / timing['seconds']:.0f}",
            f"{timing['bytes'] / timing['seconds'] / 1e9:.0f}",
            f"{100 * timing['fraction']:.0f} %",
        ]
        for timing in timings
    ]
    return format_table([head] + rows)


def time_decoding(report):
    """Times of decoding steps, or why there are none."""
    try:
        subprocess.run(["ninja", "-C", ROOT / "build", "quant-opt", "quant-run"], check=True)
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            return decoding.time_all(Path(folder), report["arch"], report["bounds"]["copy_bytes_per_second"])
    except (subprocess.CalledProcessError, decoding.Failure, OSError) as error:
        return f"decoding not timed: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filter", default="", help="only kernels whose name contains this")
    parser.add_argument("--arch", default="", help="architecture of the kernels (default: the GPU's)")
    parser.add_argument("--check-only", action="store_true", help="time nothing")
    parser.add_argument("--output", default="out/gpu-benchmark.json", type=Path, help="where the report goes")
    options = parser.parse_args()

    subprocess.run(["ninja", "-C", ROOT / "build", "gpu-benchmark"], check=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    command = [PROGRAM, f"--output={options.output}", f"--filter={options.filter}", f"--arch={options.arch}"]
    status = subprocess.run(command + ["--check-only"] * options.check_only).returncode
    if not options.output.exists():
        sys.exit(status or 1)
    report = json.loads(options.output.read_text(encoding="utf-8"))
    if not isinstance(report["timings"], str):
        report |= sdpa.time_all(report["timings"])
        if options.filter in "decoding":
            report["decoding"] = time_decoding(report)
        options.output.write_text(json.dumps(report, indent=2), encoding="utf-8")
    print(*describe(report), sep="\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
