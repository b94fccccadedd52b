"""What ptxas makes of the attention kernels: nothing spilled for any cache they accept, and short steps without an edge.

Needs no GPU. The figures are those of the ptxas of tools/requirements.txt.
"""

import pytest

from quantopt import ptxas
from test_static_gates import ARCHITECTURES, check_kernel, emit_bundle, tools  # noqa: F401 (a fixture)

# bits, elements of a head and of a group
CACHES = [(4, 64, 64), (4, 128, 128), (4, 96, 96), (4, 80, 16), (8, 64, 64), (8, 128, 32), (2, 128, 16), (4, 192, 192),
          (16, 64, 64), (16, 128, 128), (16, 160, 160)]  # fmt: skip
# Of SmolLM2's cache and of Llama's: tokens of a step, and instructions of a full one, for prompts and for single tokens.
STEPS = {(4, 64): (32, 452, 393), (4, 128): (16, 402, 354), (16, 128): (16, 247, 203)}
HEADS, KV_HEADS, PAGE, PAGES, SPLITS = 8, 2, 64, 16, 4


def attention(arch):
    """A module with both kernels for every cache, and the one that combines parts."""
    arguments, body, results = ["%s: tensor<?x4xi32>", f"%p: tensor<?x{PAGES}xi32>"], "", []
    for number, (bits, head, group) in enumerate(CACHES):
        token = head * bits // 8 + (head // group * 4 if bits < 16 else 0)
        cache, query = f"tensor<?x{KV_HEADS}x{PAGE * token}xui8>", f"tensor<?x{HEADS * head}xf16>"
        parts, result = f"tensor<?x{HEADS * SPLITS * (head + 2)}xf32>", f"tensor<?x{HEADS * head}xf32>"
        arguments += [f"%q{number}: {query}", f"%k{number}: {cache}", f"%v{number}: {cache}"]
        operands = f"%q{number}, %s pages %p, %k{number}, %v{number}"
        layout = f"#tile.cache<bits = {bits}, head_dim = {head}, group = {group}, page = {PAGE}, clip = 0.95 : f64>"
        types = f"({query}, tensor<?x4xi32>, tensor<?x{PAGES}xi32>, {cache}, {cache})"
        for name, op, splits, type in (("a", "attention", 1, result), ("d", "attention_decode", SPLITS, parts)):
            body += f"""
  %{name}{number} = tile.{op} {operands} {{scale = 0.125 : f64, cache = {layout},
    config = #tile.attention<arch = {arch}, warps = 4, splits = {splits}>}} : {types} -> {type}"""
        body += f"""
  %c{number} = tile.attention_combine %d{number} {{splits = {SPLITS} : i64, config = #tile.rows<arch = {arch}, threads = 128>}}
    : ({parts}) -> {result}"""
        results += [(f"%a{number}", result), (f"%c{number}", result)]
    values, types = (", ".join(part) for part in zip(*results))
    return f"func.func @main({', '.join(arguments)}) -> ({types}) {{{body}\n  return {values} : {types}\n}}\n"


def full_step(kernel):
    """The shorter of the two loops over steps: that of steps without an edge."""
    loops = ptxas.loops(kernel.instructions)
    innermost = [
        loop for loop in loops if not any(other != loop and loop[0] <= other[0] and other[1] <= loop[1] for other in loops)
    ]
    bodies = [kernel.instructions[first : last + 1] for first, last in innermost]
    # Where a warp might diverge there are jumps into the middle of a step: they have a part of its products.
    return min(bodies, key=lambda body: (-ptxas.histogram(body)["HMMA"], len(body)))


@pytest.mark.slow
@pytest.mark.parametrize("arch", [arch for arch in ARCHITECTURES if arch != "sm_75"])
def test_attention_spills_nothing(arch, root, tmp_path):
    (tmp_path / "attention.mlir").write_text(attention(arch))
    kernels = ptxas.inspect(emit_bundle(root, tmp_path / "attention.mlir", arch).ptx)
    assert len(kernels) >= 2 * len(CACHES)
    for name, kernel in kernels.items():
        check_kernel(name, kernel)
        if "combine" in name:
            continue
        step = full_step(kernel)
        mix = dict(ptxas.histogram(step).most_common())
        print(f"{name}: {kernel.resources.registers} registers, {len(step)} instructions: {mix}")
        for (bits, head), (tokens, prompts, single) in STEPS.items():
            if f"_kv{bits}_d{head}_" not in name or arch != "sm_80":
                continue
            if bits < 16 and f"_g{head}_" not in name:
                continue
            assert mix["HMMA"] == tokens * head // 64, name
            assert len(step) <= 1.05 * (single if "decode" in name else prompts), name
