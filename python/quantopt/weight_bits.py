"""Counts what the 4-bit weights of an ONNX model cost, scales and zero points included.

Understood are the three forms in which quantized linears are written: MatMulNBits; DequantizeLinear on a 4-bit
initializer; and a 4-bit initializer that is cast, multiplied, and scaled afterwards.
"""

import math

import onnx
from onnx import TensorProto

BITS = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.INT8: 8,
    TensorProto.UINT8: 8,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.FLOAT: 32,
}
FOUR_BIT = (TensorProto.INT4, TensorProto.UINT4)
UNSCALED = ("Cast", "MatMul", "Mul", "Transpose")  # nodes between a 4-bit weight and the scale that it awaits


def tensor_bits(tensor):
    return math.prod(tensor.dims) * BITS[tensor.data_type]


def scale_behind(name, consumers, initializers):
    """The initializer that scales the product of a weight, found by following its consumers; None if there is none."""
    for node in consumers.get(name, ()):
        if node.op_type not in UNSCALED:
            continue
        for other in node.input:
            if node.op_type == "Mul" and other != name and other in initializers:
                return initializers[other]
        found = scale_behind(node.output[0], consumers, initializers)
        if found is not None:
            return found
    return None


def parts_of_linears(graph):
    """For each quantized linear (number of weights, the initializers that make them up); a shared weight counts once."""
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    consumers = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    for name, tensor in initializers.items():
        for node in consumers.get(name, ())[:1]:
            if node.op_type == "MatMulNBits" and node.input[1] == name:
                sizes = {attribute.name: attribute.i for attribute in node.attribute}
                parts = [initializers[part] for part in node.input[1:4] if part in initializers]
                yield sizes["K"] * sizes["N"], parts
            elif tensor.data_type in FOUR_BIT and node.op_type == "DequantizeLinear" and node.input[0] == name:
                yield math.prod(tensor.dims), [initializers[part] for part in node.input if part in initializers]
            elif tensor.data_type in FOUR_BIT and node.op_type in UNSCALED:
                scale = scale_behind(name, consumers, initializers)
                yield math.prod(tensor.dims), [tensor] if scale is None else [tensor, scale]


def bits_per_weight(path):
    """Bits per weight over all quantized linears of a model; None where it has none."""
    graph = onnx.load(path, load_external_data=False).graph
    linears = list(parts_of_linears(graph))
    if not linears:
        return None
    return sum(tensor_bits(part) for _, parts in linears for part in parts) / sum(count for count, _ in linears)
