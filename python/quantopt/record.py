"""Records what onnxruntime computes at every node of a model, for quant-check --replay.

    python -m quantopt.record MODEL.onnx FEEDS.npz OUTDIR [--nodes BEGIN:END]

A test copy of the model makes an output of every tensor that the nodes read or write; graph optimisations are off, so
onnxruntime computes each of them. OUTDIR/index.json maps the names of the tensors to .npy files. --nodes records a range
of the nodes alone, so that a recording of a large model takes little space. Model-local functions are inlined in the
copy: a call is recorded by its inputs and outputs.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
from onnx import TensorProto, helper

WIDE = {TensorProto.INT4: TensorProto.INT8, TensorProto.UINT4: TensorProto.UINT8}
SUFFIX = ".widened"


def attribute(node, name, absent=None):
    """The value of an attribute of a node."""
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), absent)


def four_bit_types(graph):
    """The element types of tensors that hold 4-bit codes, which numpy cannot."""
    types = {tensor.name: tensor.data_type for tensor in graph.initializer if tensor.data_type in WIDE}
    for node in graph.node:
        kind = None
        if node.op_type == "Cast":
            kind = attribute(node, "to")
        elif node.op_type == "QuantizeLinear":
            zero = types.get(node.input[2]) if len(node.input) > 2 else None
            kind = zero or attribute(node, "output_dtype")
        if kind in WIDE:
            types[node.output[0]] = kind
    return types


def constants_of(graph):
    """Names of the tensors that nodes compute from initializers alone."""
    known = {tensor.name for tensor in graph.initializer} | {""}
    computed = set()
    for node in graph.node:
        if known.issuperset(node.input):
            known.update(node.output)
            computed.update(node.output)
    return computed


def tensors_of(graph, nodes, leave_out=()):
    """Names that nodes read or write, without initializers and those to leave out, in order of first use."""
    unwanted = {"", *leave_out, *(tensor.name for tensor in graph.initializer)}
    names = (name for node in nodes for name in (*node.input, *node.output))
    return list(dict.fromkeys(name for name in names if name not in unwanted))


def exposing_copy(path, names):
    """A copy of the model, without its weights, that has these tensors as outputs."""
    model = onnx.load(path, load_external_data=False)
    inlined = onnx.inliner.inline_local_functions(model)
    graph, types = inlined.graph, four_bit_types(model.graph)
    inputs = {value.name for value in graph.input}
    del graph.output[:]
    for name in names:
        if name in inputs:
            continue
        output = name
        if name in types:
            output = name + SUFFIX
            graph.node.append(helper.make_node("Cast", [name], [output], to=WIDE[types[name]]))
        graph.output.append(onnx.ValueInfoProto(name=output))
    return inlined


def open_copy(path, names):
    """A session of the copy. It is saved beside the model for a moment, since its weights lie there."""
    copy = Path(path).with_suffix(".recorded.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        onnx.save(exposing_copy(path, names), copy)
        return onnxruntime.InferenceSession(str(copy), options, providers=["CPUExecutionProvider"])
    finally:
        copy.unlink(missing_ok=True)


class Recorder:
    """Records runs of a range of a model's nodes, with or without the tensors that depend on no input."""

    def __init__(self, path, begin=0, end=None, without_constants=False):
        graph = onnx.load(path, load_external_data=False).graph
        self.constants = constants_of(graph)
        self.names = tensors_of(graph, graph.node[begin:end], self.constants if without_constants else ())
        self.session = open_copy(path, self.names)
        self.outputs = [output.name for output in self.session.get_outputs()]

    def record(self, feeds, folder):
        """Runs the model and writes inputs and recorded tensors to a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        values = dict(feeds)
        for name, value in zip(self.outputs, self.session.run(self.outputs, feeds)):
            values[name.removesuffix(SUFFIX)] = value
        index = {}
        for number, name in enumerate(name for name in self.names if name in values):
            index[name] = f"{number}.npy"
            np.save(folder / index[name], values[name])
        (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.record", description=__doc__.split("\n")[0])
    parser.add_argument("model", metavar="MODEL.onnx")
    parser.add_argument("feeds", metavar="FEEDS.npz", help="the model's inputs by name")
    parser.add_argument("folder", metavar="OUTDIR")
    parser.add_argument("--nodes", default=":", metavar="BEGIN:END", help="range of nodes to record (default: all)")
    options = parser.parse_args(arguments)
    begin, end = (int(part) if part else None for part in options.nodes.split(":"))
    with np.load(options.feeds) as feeds:
        Recorder(options.model, begin or 0, end).record(dict(feeds), options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
