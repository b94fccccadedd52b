"""What ptxas makes of the kernels: they assemble, spill nothing, call nothing, and their main loops are as short as they can be.

Needs no GPU. The figures are those of the ptxas of tools/requirements.txt.
"""

import re
import subprocess

import pytest

from quantopt import ptxas
from quantopt.bundle import Bundle

# The shortest main loop known for 128 x 256 x 256 INT4 tiles in warps of 64 x 64: 128 IMMA, 32 LDSM, 12 LDGSTS and 87 others.
BEST_LOOP, LOOP_IMMA = 259, 128
LARGEST_TILE = """
func.func @main(%x: tensor<?x4096xi4>, %xs: tensor<?x1xf32>, %w: tensor<256x32768xui8>, %ws: tensor<256x16xf32>) -> tensor<?x4096xf32> {
  %y = tile.gemm_w4a4 %x, %xs, %w, %ws
    {config = #tile.gemm<arch = sm_80, bm = 128, bn = 256, bk = 256, wm = 64, wn = 64, stages = 3>}
    : (tensor<?x4096xi4>, tensor<?x1xf32>, tensor<256x32768xui8>, tensor<256x16xf32>) -> tensor<?x4096xf32>
  return %y : tensor<?x4096xf32>
}
"""


@pytest.fixture(scope="module", autouse=True)
def tools():
    for name in ("ptxas", "nvdisasm"):
        if ptxas.find(name) is None:
            pytest.skip(f"needs {name}, which is not installed")


@pytest.fixture(scope="module")
def smollm2_kernels(smollm2_bundle):
    """Kernels of SmolLM2-135M for sm_80, as the machine sees them."""
    return ptxas.inspect(smollm2_bundle.ptx)


def build_kernels(root, folder, source, arch="sm_80"):
    """The kernels of a module, by emit-bundle and ptxas."""
    (folder / "kernel.mlir").write_text(source)
    subprocess.run(
        [root / "build/bin/quant-opt", folder / "kernel.mlir", f"--emit-bundle=output={folder / 'bundle'} arch={arch}"], check=True
    )
    return ptxas.inspect(Bundle(folder / "bundle").ptx)


def check_kernel(name, kernel):
    """What holds for every kernel."""
    resources = kernel.resources
    assert (resources.spill_stores, resources.spill_loads, resources.stack) == (0, 0, 0), name
    assert resources.static_shared == 0, f"{name}: shared memory is dynamic"
    opcodes = {code.opcode.split(".")[0] for code in kernel.instructions}
    # ptxas leaves some loops by a CALL that nothing returns from: a jump. A subroutine returns.
    assert "RET" not in opcodes, f"{name} calls a subroutine"
    assert not opcodes & {"LDL", "STL"}, f"{name} uses local memory"


def widths(kernel, opcode):
    """Bits that instructions `opcode` of the main loop (the kernel, where it is unrolled) move at a time."""
    found = [code.opcode.split(".") for code in kernel.loop or kernel.instructions]
    return {next((int(part) for part in parts if part in ("64", "128")), 32) for parts in found if parts[0] == opcode}


def test_kernels_of_a_model_assemble_and_spill_nothing(smollm2_bundle, smollm2_kernels):
    assert smollm2_kernels.keys() == smollm2_bundle.kernels.keys()
    for name, kernel in smollm2_kernels.items():
        check_kernel(name, kernel)
    text = smollm2_bundle.ptx.read_text()
    assert ".extern .func" not in text and not re.search(r"\bcall\b", text)


def test_gemms_of_a_model_load_16_bytes_at_a_time(smollm2_kernels):
    gemms = {name: kernel for name, kernel in smollm2_kernels.items() if name.startswith("gemm_w4a4")}
    assert gemms
    for name, kernel in gemms.items():
        assert ptxas.histogram(kernel.loop or kernel.instructions)["IMMA"] > 0, name
        assert widths(kernel, "LDGSTS") == {128}, name
        assert all(code.opcode.endswith(".4") for code in kernel.instructions if code.opcode.startswith("LDSM")), name


def test_main_loop_of_the_largest_tile(root, tmp_path):
    """At least 49 % of the issue slots are IMMA, and it is within 5 % of the shortest loop known."""
    ((name, kernel),) = build_kernels(root, tmp_path, LARGEST_TILE).items()
    check_kernel(name, kernel)
    mix, length = ptxas.histogram(kernel.loop), len(kernel.loop)
    print(f"{name}: {kernel.resources.registers} registers, {length} instructions: {dict(mix.most_common())}")
    assert mix["IMMA"] == LOOP_IMMA
    assert mix["IMMA"] / length >= 0.49
    assert length <= 1.05 * BEST_LOOP
    assert widths(kernel, "LDGSTS") == {128}
