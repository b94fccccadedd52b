"""A model whose outputs are products with one weight each, stored in every way that linears are stored in.

weights.py OUT   writes OUT/model.onnx and OUT/test_data_set_0 (layout of the ONNX backend tests); numpy computes the
                 expected outputs from the codes.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

K, N, BATCH, TOKENS = 40, 24, 2, 3
rng = np.random.default_rng(6)
nodes, initializers, outputs, expected = [], [], [], []
x = rng.standard_normal((BATCH, TOKENS, K)).astype(np.float32)


def init(name, array, elem=None):
    if elem is None:
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    else:  # 4-bit elements: two to a byte, the first in the low bits
        flat = np.asarray(array, dtype=np.int64).reshape(-1) & 15
        flat = np.append(flat, 0) if flat.size % 2 else flat
        data = (flat[0::2] | flat[1::2] << 4).astype(np.uint8).tobytes()
        initializers.append(helper.make_tensor(name, elem, array.shape, data, raw=True))
    return name


def node(kind, inputs, output, domain="", **attributes):
    nodes.append(helper.make_node(kind, inputs, [output] if isinstance(output, str) else output, domain=domain,
                                  **attributes))
    return output if isinstance(output, str) else output[0]


def result(name, value, dims=("b", "s")):
    outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [*dims, *value.shape[len(dims):]]))
    expected.append((name, value.astype(np.float32)))


def pack(codes, bits):
    """Codes [.., n] to bytes, the first in the low bits; n is filled to whole bytes."""
    per_byte = 8 // bits
    missing = -codes.shape[-1] % per_byte
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, missing)])
    parts = codes.reshape(*codes.shape[:-1], -1, per_byte)
    return sum(parts[..., i] << (bits * i) for i in range(per_byte)).astype(np.uint8)


def nbits(name, bits, block, asymmetric, bias=False, flat=False):
    blocks = -(-K // block)
    codes = rng.integers(0, 1 << bits, (N, blocks * block))
    scale = rng.standard_normal((N, blocks)).astype(np.float32)  # negative ones too
    zero = rng.integers(0, 1 << bits, (N, blocks)) if asymmetric else np.full((N, blocks), 1 << (bits - 1))
    weight = ((codes - np.repeat(zero, block, 1)) * np.repeat(scale, block, 1))[:, :K]
    inputs = ["x", init(name + "_b", pack(codes, bits).reshape(N, blocks, -1)),
              init(name + "_s", scale.reshape(-1) if flat else scale), "", "", ""]
    if asymmetric:
        packed = pack(zero, bits)
        inputs[3] = init(name + "_z", packed.reshape(-1) if flat else packed)
    value = x @ weight.T
    if bias:
        vector = rng.standard_normal(N).astype(np.float32)
        inputs[5] = init(name + "_bias", vector)
        value = value + vector
    while not inputs[-1]:
        inputs.pop()
    result(node("MatMulNBits", inputs, name, "com.microsoft", K=K, N=N, bits=bits, block_size=block), value)


def dequantized(name, elem, axis, block, transposed, zeros, turned_codes=False):
    """A weight [K, N], or [N, K] when `transposed`; scales per tensor (axis None), per channel, or in blocks."""
    shape = (N, K) if transposed else (K, N)
    kinds = {"i4": (-8, 8, np.int8, TensorProto.INT4), "u4": (0, 16, np.uint8, TensorProto.UINT4),
             "i8": (-128, 128, np.int8, None), "u8": (0, 256, np.uint8, None)}
    low, high, dtype, onnx_type = kinds[elem]
    codes = rng.integers(low, high, shape).astype(dtype)
    attributes, spread = {}, lambda scales: scales
    if axis is None:
        scale_shape = ()
    elif block:
        scale_shape = tuple(-(-size // block) if i == axis else size for i, size in enumerate(shape))
        spread = lambda scales: np.repeat(scales, block, axis).take(range(shape[axis]), axis)
        attributes = {"axis": axis, "block_size": block}
    else:
        scale_shape = (shape[axis],)
        spread = lambda scales: np.expand_dims(scales, 1 - axis)
        attributes = {"axis": axis - 2}
    scale = (rng.random(scale_shape) + 0.5).astype(np.float32)
    zero = rng.integers(low, high, scale_shape).astype(dtype) if zeros == "any" else np.zeros(scale_shape, dtype)
    weight = (codes.astype(np.float64) - spread(zero.astype(np.float64))) * spread(scale.astype(np.float64))
    stored = init(name + "_c", codes.T.copy() if turned_codes else codes, onnx_type)
    if turned_codes:
        stored = node("Transpose", [stored], name + "_t", perm=[1, 0])
    inputs = [stored, init(name + "_s", np.asarray(scale))]
    if zeros:
        inputs.append(init(name + "_z", np.asarray(zero), onnx_type))
    matrix = node("DequantizeLinear", inputs, name + "_w", **attributes)
    if transposed:
        matrix, weight = node("Transpose", [matrix], name + "_wt", perm=[1, 0]), weight.T
    result(node("MatMul", ["x", matrix], name), x @ weight)


for bits, block in ((4, 16), (4, 32), (4, 64), (8, 16), (8, 32), (2, 16)):
    for asymmetric in (False, True):
        nbits(f"nbits{bits}_{block}_{asymmetric}", bits, block, asymmetric)
nbits("nbits_flat", 4, 16, True, flat=True)
nbits("nbits_bias", 4, 16, False, bias=True)

dequantized("dq_blocks_kn", "i4", 0, 16, False, None)
dequantized("dq_blocks_kn_zero", "u4", 0, 16, False, "any")
dequantized("dq_blocks_nk", "u4", 1, 16, True, "any")
dequantized("dq_blocks_out", "i4", 1, 8, False, None)
dequantized("dq_blocks_8", "i8", 0, 32, False, "any")
dequantized("dq_channel_kn", "i8", 1, 0, False, "zero")
dequantized("dq_channel_kn_zero", "u8", 1, 0, False, "any")
dequantized("dq_channel_nk", "i8", 0, 0, True, None)
dequantized("dq_channel_in", "i8", 0, 0, False, "zero")
dequantized("dq_tensor", "u8", None, 0, False, "any")
dequantized("dq_tensor_nk", "i8", None, 0, True, "zero")
dequantized("dq_turned_codes", "i8", 1, 0, False, "zero", turned_codes=True)

w = rng.standard_normal((N, K)).astype(np.float32)
b = rng.standard_normal(N).astype(np.float32)
init("w", w)
init("wt", w.T)
init("b", b)
init("b2", b[None, None])
init("h", w.astype(np.float16))
init("flat", np.array([-1, K], np.int64))
init("last", np.array([N], np.int64))
node("Shape", ["x"], "lead", start=0, end=2)
node("Concat", ["lead", "last"], "shape", axis=0)

# Rows flattened to a matrix, and back by sizes of x.
node("Reshape", ["x", "flat"], "x2")
node("Gemm", ["x2", "w", "b"], "g", transB=1)
result(node("Reshape", ["g", "shape"], "gemm"), x @ w.T + b)
node("Gemm", ["x2", "wt", "b"], "g2", alpha=0.5, beta=2.0)
result(node("Reshape", ["g2", "shape"], "gemm_factors"), 0.5 * (x @ w.T) + 2 * b)
node("FusedMatMul", ["x", "w"], "f", "com.microsoft", transB=1, alpha=0.25)
result(node("Add", ["b2", "f"], "fused"), 0.25 * (x @ w.T) + b)
node("Cast", ["h"], "h32", to=TensorProto.FLOAT)
node("Transpose", ["h32"], "h32t", perm=[1, 0])
result(node("MatMul", ["x", "h32t"], "cast"), x @ w.astype(np.float16).astype(np.float64).T)
node("Reshape", ["wt", "turned"], "r", allowzero=0)
init("turned", np.array([K, N], np.int64))
result(node("MatMul", ["x", "r"], "reshaped"), x @ w.T)

# Packed projections: columns side by side, and per head.
node("MatMul", ["x", "wt"], "m")
node("Add", ["m", "b"], "packed")
init("sizes", np.array([8, 12, 4], np.int64))
node("Split", ["packed", "sizes"], ["split0", "split1", "split2"], axis=-1)
whole = x @ w.T + b
for i, (begin, end) in enumerate(((0, 8), (8, 20), (20, 24))):
    result(f"split{i}", whole[..., begin:end])
node("MatMul", ["x", "wt"], "m2")
init("heads", np.array([0, 0, 4, 6], np.int64))
node("Reshape", ["m2", "heads"], "m2h")
node("Transpose", ["m2h"], "m2t", perm=[0, 2, 1, 3])
init("head_sizes", np.array([1, 2, 3], np.int64))
node("Split", ["m2t", "head_sizes"], ["head0", "head1", "head2"], axis=3)
heads = (x @ w.T).reshape(BATCH, TOKENS, 4, 6).transpose(0, 2, 1, 3)
for i, part in enumerate((heads[..., :1], heads[..., 1:3], heads[..., 3:])):
    outputs.append(helper.make_tensor_value_info(f"head{i}", TensorProto.FLOAT, ["b", 4, "s", part.shape[3]]))
    expected.append((f"head{i}", part.astype(np.float32)))

# Tables of codes.
ids = rng.integers(0, 32, (BATCH, TOKENS))
for name, bits, asymmetric in (("rows4", 4, False), ("rows4_zero", 4, True), ("rows8", 8, False)):
    codes = rng.integers(0, 1 << bits, (32, 48))
    scale = rng.standard_normal((32, 3)).astype(np.float32)
    zero = rng.integers(0, 1 << bits, (32, 3)) if asymmetric else np.full((32, 3), 1 << (bits - 1))
    inputs = [init(name + "_c", pack(codes, bits)), "ids", init(name + "_s", scale)]
    if asymmetric:
        inputs.append(init(name + "_z", pack(zero, bits)))
    table = (codes - np.repeat(zero, 16, 1)) * np.repeat(scale, 16, 1)
    result(node("GatherBlockQuantized", inputs, name, "com.microsoft", bits=bits, block_size=16, gather_axis=0,
                quantize_axis=1), table[ids])

graph = helper.make_graph(
    nodes, "weights",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "s", K]),
     helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "s"])], outputs, initializers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])
model.ir_version = 10
folder = os.path.join(sys.argv[1], "test_data_set_0")
os.makedirs(folder, exist_ok=True)
onnx.save(model, os.path.join(sys.argv[1], "model.onnx"))
for i, (name, value) in enumerate((("x", x), ("ids", ids))):
    with open(f"{folder}/input_{i}.pb", "wb") as file:
        file.write(numpy_helper.from_array(value, name).SerializeToString())
for i, (name, value) in enumerate(expected):
    with open(f"{folder}/output_{i}.pb", "wb") as file:
        file.write(numpy_helper.from_array(np.ascontiguousarray(value), name).SerializeToString())
