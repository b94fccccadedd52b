"""What emit-bundle writes, and that its kernels compute with it what the plan says: run by the PTX interpreter and compared
with numpy bit for bit."""

import subprocess

import numpy as np
import pytest

from quantopt import safetensors
from quantopt.bundle import pack_s4_rows, unpack_s4_weight


@pytest.mark.parametrize("rows, columns", [(16, 64), (192, 576), (17, 65), (40, 100)])
def test_packed_weights_unpack(rows, columns, root, tmp_path):
    """q.pack puts codes where kernels, and unpack_s4_weight, expect them."""
    codes = np.random.default_rng(rows).integers(-8, 8, (rows, columns), dtype=np.int8)
    scales = np.random.default_rng(columns).random((rows, 1), dtype=np.float32)
    nibbles = np.append(codes.reshape(-1), np.zeros(codes.size % 2, np.int8)).astype(np.uint8) & 15
    (tmp_path / "w.bin").write_bytes((nibbles[0::2] | nibbles[1::2] << 4).tobytes() + scales.tobytes())
    blocks, block_bytes = -(-rows // 16), -(-columns // 64) * 512
    pack_types = f"tensor<{rows}x{columns}xi4>, tensor<{rows}x1xf32>"
    packed_types = f"tensor<{blocks}x{block_bytes}xui8>, tensor<{blocks}x16xf32>"
    (tmp_path / "pack.mlir").write_text(f"""
      param.file @f "w.bin"
      param.global @codes : tensor<{rows}x{columns}xi4> from @f [offset = 0, length = {nibbles.size // 2}]
      param.global @scale : tensor<{rows}x1xf32> from @f [offset = {nibbles.size // 2}, length = {4 * rows}]
      param.derived @w {{
        %0 = param.load @codes : tensor<{rows}x{columns}xi4>
        %1 = param.load @scale : tensor<{rows}x1xf32>
        %2, %3 = q.pack %0, %1 {{layout = "m16n8k64.s4", group_size = 0 : i64}} : ({pack_types}) -> ({packed_types})
        param.yield %2, %3 : {packed_types}
      }}""")
    output = tmp_path / "w.safetensors"
    subprocess.run(
        [root / "build/bin/quant-opt", tmp_path / "pack.mlir", f"--param-materialize=output={output}", "-o", "/dev/null"],
        check=True,
    )
    found = safetensors.load(output)
    np.testing.assert_array_equal(unpack_s4_weight(found["w.codes"], rows, columns), codes)
    np.testing.assert_array_equal(found["w.scale"].reshape(-1)[:rows], scales[:, 0])


def test_rows_of_codes_are_filled():
    packed = pack_s4_rows(np.array([[1, -1, 7], [-8, 0, 2]], np.int8))
    assert packed.shape == (2, 32)
    assert packed[:, :2].tolist() == [[0xF1, 0x07], [0x08, 0x02]] and not packed[:, 2:].any()
