"""Writes a large LLaMA whose weights take no space on disk: all zeros, in a sparse file.   skeleton.py OUT.onnx

The graph is that of tiny_llama.py, by default with the sizes of a model of 70 billion parameters. Weights are external
data in OUT.onnx.data, or with --inline payload of the one protobuf, which may be larger than 2 GiB: such a file keeps to
the wire format, though protobuf's own libraries refuse it.
"""

import argparse
import math
from pathlib import Path

import tiny_llama
from onnx import TensorProto
from tiny_llama import Graph

ITEM = 4  # bytes of an element, float32
# Fields of ModelProto, GraphProto and TensorProto in onnx.proto3; all of them have length-delimited wire type 2.
MODEL_GRAPH, GRAPH_INITIALIZER, TENSOR_RAW_DATA = 7, 5, 9


class SparseGraph(Graph):
    """Knows weights by their shapes only."""

    def __init__(self):
        super().__init__()
        self.shapes = {}

    def weight(self, name, *shape):
        self.shapes[name] = shape
        return name


def size_of(shape):
    return ITEM * math.prod(shape)


def tensor(name, shape):
    return TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)


def write_external(model, shapes, path):
    """One tensor after the other, each from a multiple of 4 KiB on."""
    offset = 0
    for name, shape in shapes.items():
        weight = model.graph.initializer.add()
        weight.CopyFrom(tensor(name, shape))
        weight.data_location = TensorProto.EXTERNAL
        length = size_of(shape)
        for key, value in (("location", path.name + ".data"), ("offset", offset), ("length", length)):
            weight.external_data.add(key=key, value=str(value))
        offset += -(-length // 4096) * 4096
    path.write_bytes(model.SerializeToString())
    with open(f"{path}.data", "wb") as file:
        file.truncate(offset)


def varint(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def header(field, length):
    return varint(field << 3 | 2) + varint(length)


def write_inline(model, shapes, path):
    """The message by hand: everything but payloads is written, payloads are holes."""
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    pieces = []  # what stands before a payload, and how long that is
    for name, shape in shapes.items():
        fields, length = tensor(name, shape).SerializeToString(), size_of(shape)
        payload = header(TENSOR_RAW_DATA, length)
        size = len(fields) + len(payload) + length
        pieces.append((header(GRAPH_INITIALIZER, size) + fields + payload, length))
    total = len(graph) + sum(len(piece) + length for piece, length in pieces)
    with open(path, "wb") as file:
        file.write(model.SerializeToString() + header(MODEL_GRAPH, total) + graph)
        for piece, length in pieces:
            file.write(piece)
            file.seek(length, 1)
        file.truncate(file.tell())


def build(options):
    """The model without its weights, and the shapes of these."""
    for name in ("layers", "hidden", "heads", "kv_heads", "size", "intermediate", "tokens"):
        setattr(tiny_llama, name.upper(), getattr(options, name))
    graph = SparseGraph()
    model = tiny_llama.build(graph, check=False)
    return model, graph.shapes


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    sizes = {"layers": 80, "hidden": 8192, "heads": 64, "kv-heads": 8, "size": 128, "intermediate": 28672,
             "tokens": 128256}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--inline", action="store_true", help="payload in the protobuf")
    return parser.parse_args()


def main():
    options = parse()
    model, shapes = build(options)
    (write_inline if options.inline else write_external)(model, shapes, options.output)


if __name__ == "__main__":
    main()
