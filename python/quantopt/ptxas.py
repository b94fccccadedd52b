"""What ptxas makes of PTX: the resources of every kernel, its machine code (SASS), and what its main loop consists of.

    python -m quantopt.ptxas FILE.ptx [--arch sm_80] [--json FILE.json]

Nothing here needs a GPU. The assembler and the disassembler are those of tools/requirements.txt, so that figures are the
same on every machine; only where these are not installed are those on PATH used.
"""

import argparse
import collections
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from quantopt.files import write_text

INSTRUCTION_BYTES = 16  # since Volta
_KERNEL = re.compile(r"Compiling entry function '([^']+)'")
_PROPERTIES = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
_TARGET = re.compile(r"^\s*\.target\s+(\w+)", re.MULTILINE)


class ToolError(Exception):
    """A tool is not installed, or it refused its input; the text is for people."""


@dataclasses.dataclass
class Resources:
    """What one kernel takes of a multiprocessor: registers per thread, the rest in bytes."""

    registers: int = 0
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    static_shared: int = 0


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One machine instruction; `predicate` is empty or like "@!P0"."""

    address: int
    opcode: str
    operands: str
    predicate: str = ""


def find(name):
    """Path of ptxas or nvdisasm; None where there is none."""
    for folder in sys.path:
        path = Path(folder, "nvidia/cu13/bin", name)
        if path.is_file():
            return path
    on_path = shutil.which(name)
    return Path(on_path) if on_path else None


def _run(name, *arguments):
    tool = find(name)
    if tool is None:
        raise ToolError(f"{name} is not installed: run tools/setup.sh")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"{name} failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout, done.stderr


def target(ptx):
    """Architecture that a PTX text is written for, "sm_80"."""
    found = _TARGET.search(ptx)
    if not found:
        raise ToolError("the PTX has no .target line")
    return found[1]


def parse_resources(report):
    """Resources by kernel, out of what `ptxas -v` prints."""
    kernels = {}
    current = Resources()
    for line in report.splitlines():
        if found := _KERNEL.search(line):
            current = kernels.setdefault(found[1], Resources())
        elif found := _PROPERTIES.search(line):
            current.stack, current.spill_stores, current.spill_loads = map(int, found.groups())
        elif found := _USED.search(line):
            current.registers = int(found[1])
            current.static_shared = int(found[2] or 0)
    return kernels


def assemble(ptx_path, cubin_path, arch=None):
    """Assembles a PTX file and returns the Resources of its kernels, by name."""
    arch = arch or target(Path(ptx_path).read_text())
    out, errors = _run("ptxas", "-v", f"-arch={arch}", str(ptx_path), "-o", str(cubin_path))
    return parse_resources(out + errors)


def disassemble(cubin_path):
    """Instructions of every kernel in a cubin, by name."""
    out, _ = _run("nvdisasm", "-json", str(cubin_path))
    functions = [function for part in json.loads(out) if isinstance(part, list) for function in part]
    return {
        function["function-name"]: [
            Instruction(number * INSTRUCTION_BYTES, code["opcode"], code.get("operands", ""), code.get("predicate", ""))
            for number, code in enumerate(function["sass-instructions"])
        ]
        for function in functions
    }


def loops(instructions):
    """Ranges (first, last) of instruction numbers that end in a branch back to their beginning, in order of the branch.

    A branch to itself is what fills the space after a kernel, not a loop.
    """
    found = []
    for number, code in enumerate(instructions):
        if code.opcode.split(".")[0] != "BRA":
            continue
        address = re.search(r"0x([0-9a-f]+)$", code.operands)
        first = int(address[1], 16) // INSTRUCTION_BYTES if address else number
        if first < number:
            found.append((first, number))
    return found


def main_loop(instructions):
    """The instructions of the largest loop without a loop in it; none for a kernel without loops."""
    every = loops(instructions)
    innermost = [
        loop
        for loop in every
        if not any(other != loop and loop[0] <= other[0] and other[1] <= loop[1] for other in every)
    ]
    first, last = max(innermost, key=lambda loop: loop[1] - loop[0], default=(0, -1))
    return instructions[first : last + 1]


def histogram(instructions):
    """How many instructions there are of each opcode without its modifiers: Counter({"IMMA": 128, ...})."""
    return collections.Counter(code.opcode.split(".")[0] for code in instructions)


@dataclasses.dataclass
class Kernel:
    """A kernel as the machine sees it."""

    resources: Resources
    instructions: list

    @property
    def loop(self):
        """The instructions of the main loop; none where ptxas has unrolled short loops."""
        return main_loop(self.instructions)


def inspect(ptx_path, arch=None):
    """Assembles and disassembles a PTX file: a Kernel for each name."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder, "kernels.cubin")
        resources = assemble(ptx_path, cubin, arch)
        code = disassemble(cubin)
    return {name: Kernel(resources[name], code[name]) for name in resources}


def summary(kernel):
    """A Kernel as plain data, for JSON."""
    loop = kernel.loop
    return {
        **dataclasses.asdict(kernel.resources),
        "instructions": len(kernel.instructions),
        "main_loop": {"instructions": len(loop), "mix": dict(histogram(loop).most_common())},
    }


def table(kernels, opcodes=5):
    """The kernels as lines of text: resources, length of the main loop and the most frequent opcodes of it (of the whole
    kernel, where there is no loop)."""
    rows = [("kernel", "registers", "spills", "stack", "loop", "mix")]
    for name, kernel in kernels.items():
        loop, resources = kernel.loop, kernel.resources
        mix = ", ".join(f"{count} {opcode}" for opcode, count in histogram(loop or kernel.instructions).most_common(opcodes))
        spills = resources.spill_stores + resources.spill_loads
        rows.append((name, *map(str, (resources.registers, spills, resources.stack, len(loop), mix))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:])), row[-1]])
        for row in rows
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Assembles PTX and shows what each kernel takes and consists of.")
    parser.add_argument("ptx", type=Path)
    parser.add_argument("--arch", help="architecture to assemble for; default: the one the PTX is written for")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    try:
        kernels = inspect(options.ptx, options.arch)
    except (ToolError, OSError) as error:
        sys.exit(f"error: {options.ptx}: {error}")
    print(table(kernels))
    if options.json:
        write_text(options.json, json.dumps({name: summary(kernel) for name, kernel in kernels.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
