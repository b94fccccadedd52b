"""Reading what ptxas and nvdisasm say about kernels."""

import pytest

from quantopt import ptxas
from quantopt.ptxas import Instruction, Resources

REPORT = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'first' for 'sm_80'
ptxas info    : Function properties for first
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 220 registers, used 1 barriers, 32 bytes smem, 392 bytes cmem[0]
ptxas info    : Compiling entry function 'second' for 'sm_80'
ptxas info    : Function properties for second
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, 360 bytes cmem[0]
"""

# A sum of `count` floats by one thread, with a loop and a product that the gate for main loops can find.
PTX = """.version 8.0
.target sm_80
.address_size 64
.visible .entry total(.param .u64 in, .param .u64 out, .param .u32 count)
{
  .reg .pred %p;
  .reg .b32 %r<4>;
  .reg .f32 %f<3>;
  .reg .b64 %a<3>;
  ld.param.u64 %a1, [in];
  ld.param.u64 %a2, [out];
  ld.param.u32 %r1, [count];
  mov.f32 %f1, 0f00000000;
  mov.u32 %r2, 0;
again:
  ld.volatile.global.f32 %f2, [%a1];
  fma.rn.f32 %f1, %f2, %f2, %f1;
  add.u32 %r2, %r2, 1;
  setp.lt.u32 %p, %r2, %r1;
  @%p bra again;
  st.global.f32 [%a2], %f1;
  ret;
}
"""


@pytest.fixture
def tools():
    for name in ("ptxas", "nvdisasm"):
        if ptxas.find(name) is None:
            pytest.skip(f"needs {name}, which is not installed")


def code(*texts):
    """Instructions out of "OPCODE operands"."""
    return [Instruction(16 * number, *(text + " ").split(" ", 1)) for number, text in enumerate(texts)]


def test_resources_are_read_by_kernel():
    assert ptxas.parse_resources(REPORT) == {"first": Resources(220, 16, 8, 12, 32), "second": Resources(registers=8)}


def test_main_loop_is_the_largest_innermost_one():
    # 0 and 1 are a small loop, 3 to 6 a larger one; 2 to 7 has the larger one inside.
    instructions = [
        Instruction(16 * number, opcode, operands)
        for number, (opcode, operands) in enumerate(
            [("IADD3", ""), ("BRA", "0x0"), ("MOV", ""), ("IMMA.16864.S4.S4", ""), ("IMMA.16864.S4.S4", ""), ("LDSM.16.M88.4", ""),
             ("BRA", "`(x), 0x30"), ("BRA", "P0,0x20"), ("BRA", "0x80"), ("BRA", "0xb0"), ("EXIT", "")]
        )
    ]  # fmt: skip
    assert ptxas.loops(instructions) == [(0, 1), (3, 6), (2, 7)]
    assert ptxas.histogram(ptxas.main_loop(instructions)) == {"IMMA": 2, "LDSM": 1, "BRA": 1}


def test_kernel_without_loops_has_an_empty_main_loop():
    assert ptxas.main_loop(code("MOV R1,c[0x0][0x28]", "EXIT", "BRA 0x20")) == []


def test_target_is_read():
    assert ptxas.target(PTX) == "sm_80"
    with pytest.raises(ptxas.ToolError, match="no .target line"):
        ptxas.target(".version 8.0\n")


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"])
def test_ptx_is_assembled_and_disassembled(arch, tools, tmp_path):
    source = tmp_path / "total.ptx"
    source.write_text(PTX.replace("sm_80", arch).replace(".version 8.0", ".version 8.8"))
    kernel = ptxas.inspect(source)["total"]
    assert kernel.resources.registers > 0 and kernel.resources.stack == 0
    assert kernel.instructions[-1].address == 16 * (len(kernel.instructions) - 1)
    mix = ptxas.histogram(kernel.loop)
    assert mix["FFMA"] >= 1 and mix["BRA"] >= 1 and mix["FFMA"] == mix["LD"] + mix["LDG"]
    assert "STG" not in mix


def test_wrong_ptx_is_refused_with_the_line(tools, tmp_path):
    source = tmp_path / "wrong.ptx"
    source.write_text(PTX.replace("fma.rn.f32", "fma.nonsense.f32"))
    with pytest.raises(ptxas.ToolError, match="line 17"):
        ptxas.inspect(source)


def test_missing_tool_says_what_to_do(monkeypatch):
    monkeypatch.setattr(ptxas, "find", lambda name: None)
    with pytest.raises(ptxas.ToolError, match="nvdisasm is not installed: run tools/setup.sh"):
        ptxas.disassemble("x.cubin")


def test_command_prints_a_table_and_writes_json(tools, tmp_path, capsys):
    source = tmp_path / "total.ptx"
    source.write_text(PTX)
    ptxas.main([str(source), "--json", str(tmp_path / "total.json")])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["kernel", "registers", "spills"] and row.startswith("total")
    assert '"main_loop"' in (tmp_path / "total.json").read_text()
