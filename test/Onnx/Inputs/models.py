"""Writes small ONNX models: python models.py NAME FOLDER makes FOLDER/model.onnx (and data files)."""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def value(name, element_type=TensorProto.FLOAT, shape=("batch", 4)):
    return helper.make_tensor_value_info(name, element_type, shape)


def model(nodes, initializers=(), inputs=None, outputs=None, opset=21, ir_version=10, functions=(), opsets=()):
    graph = helper.make_graph(nodes, "graph", inputs or [value("x")], outputs or [value("y")], list(initializers))
    imports = [helper.make_opsetid("", opset), *opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, functions=list(functions))


def external(name, shape, offset, length, location="model.onnx.data"):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, entry in (("location", location), ("offset", offset), ("length", length)):
        if entry is not None:
            tensor.external_data.add(key=key, value=str(entry))
    return tensor


def mlp(folder):
    """A linear, a bias and an activation; weights inline and external, a scalar, axes, all documented."""
    (folder / "model.onnx.data").write_bytes(np.arange(1040, dtype=np.float32).tobytes())
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "/mlp/MatMul", doc_string="the linear"),
        helper.make_node("Add", ["b", "h"], ["hb"], "/mlp/Add"),
        helper.make_node("QuickGelu", ["hb"], ["g"], "/mlp/act/QuickGelu", domain="com.microsoft", alpha=1.0),
        helper.make_node("ReduceMean", ["g", "axes"], ["m"], "/mlp/ReduceMean", keepdims=1),
        helper.make_node("Clip", ["m", "", "limit"], ["y"]),
    ]
    initializers = [
        external("w", [4, 256], 64, 4096),
        numpy_helper.from_array(np.linspace(0, 1, 256, dtype=np.float32), "b"),
        numpy_helper.from_array(np.array([-1]), "axes"),
        numpy_helper.from_array(np.float32(6.0), "limit"),
    ]
    result = model(nodes, initializers, outputs=[value("y", shape=("batch", 1))],
                   opsets=[helper.make_opsetid("com.microsoft", 1)])
    result.producer_name = "models.py"
    helper.set_model_props(result, {"origin": "a test"})
    result.graph.node[1].metadata_props.add(key="scope", value="mlp")
    result.graph.value_info.append(value("h", shape=("batch", 256)))
    return result


def odd(folder):
    """What import keeps as it is: a subgraph, strings, sparse and typed tensors, a function, unknown fields, a large constant."""
    branch = helper.make_graph([helper.make_node("Add", ["outer", "c"], ["s"])], "then", [], [value("s")])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["t"])], "else", [], [value("t")])
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("", TensorProto.FLOAT, [1], [2.0]), helper.make_tensor("", TensorProto.INT64, [1], [3]), [5])
    large = np.arange(8192, dtype=np.float32)
    nodes = [
        helper.make_node("Neg", ["x"], ["outer"], "neg"),
        helper.make_node("Constant", [], ["flag"], value=helper.make_tensor("", TensorProto.BOOL, [], [True])),
        helper.make_node("If", ["flag"], ["u"], "branch", then_branch=branch, else_branch=other),
        helper.make_node("Constant", [], ["text"], value_strings=["a", "\u00fc"]),
        helper.make_node("Constant", [], ["sparse"], sparse_value=sparse),
        helper.make_node("Constant", [], ["large"], value=numpy_helper.from_array(large)),
        helper.make_node("Twice", ["u"], ["v"], domain="own"),
        helper.make_node("LayerNormalization", ["v", "scale", ""], ["n", "", "deviation"], epsilon=1e-5),
        helper.make_node("Cast", ["packed"], ["p"], to=TensorProto.FLOAT),
        helper.make_node("Mystery", ["n", "words"], ["y"], domain="unknown.domain", levels=[1.5, 2.5], modes=["a", "b"]),
    ]
    initializers = [
        numpy_helper.from_array(np.ones(4, np.float32), "c"),
        helper.make_tensor("scale", TensorProto.FLOAT, [4], [1, 2, 3, 4]),
        helper.make_tensor("packed", TensorProto.INT8, [3], [-1, 2, -3]),
        helper.make_tensor("words", TensorProto.STRING, [2], [b"one", b"two"]),
        numpy_helper.from_array(np.ones(2, np.float32), "unused"),
    ]
    twice = helper.make_function("own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                 [helper.make_opsetid("", 21)])
    result = model(nodes, initializers, functions=[twice],
                   opsets=[helper.make_opsetid("own", 1), helper.make_opsetid("unknown.domain", 7)])
    # Field 60 of the model is none that ONNX knows.
    (folder / "model.onnx").write_bytes(result.SerializeToString() + b"\xe2\x03\x05later")


def untyped(folder):
    return model([helper.make_node("Abs", ["x"], ["y"])], outputs=[onnx.ValueInfoProto(name="y")])


def unsorted(folder):
    return model([helper.make_node("Neg", ["h"], ["y"], "second"), helper.make_node("Abs", ["x"], ["h"], "first")])


def single(initializer):
    return model([helper.make_node("Mul", ["x", "w"], ["y"], "scale")], [initializer])


def short_raw(folder):
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.raw_data = tensor.raw_data[:-4]
    return single(tensor)


def bad_type(folder):
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.data_type = 99
    return single(tensor)


def wrong_type(folder):
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.data_type = TensorProto.INT64
    return single(tensor)


def negative_dim(folder):
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.dims[0] = -4
    return single(tensor)


def many_elements(folder):
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.dims[:] = [2**40, 2**40]
    return single(tensor)


def missing_file(folder):
    return single(external("w", [4], 0, 16, "weights.bin"))


def past_end(folder):
    (folder / "model.onnx.data").write_bytes(bytes(24))
    return single(external("w", [4], 16, 16))


def wrong_length(folder):
    (folder / "model.onnx.data").write_bytes(bytes(64))
    return single(external("w", [4], 0, 12))


def huge_offset(folder):
    (folder / "model.onnx.data").write_bytes(bytes(64))
    return single(external("w", [4], 2**64 - 8, 16))


def absolute(folder):
    return single(external("w", [4], 0, 16, "/etc/passwd"))


def climbing(folder):
    return single(external("w", [4], 0, 16, "sub/../../secret"))


def link(folder):
    (folder.parent / "outside.data").write_bytes(bytes(16))
    (folder / "model.onnx.data").unlink(missing_ok=True)
    (folder / "model.onnx.data").symlink_to(folder.parent / "outside.data")
    return single(external("w", [4], 0, 16))


def folder_as_data(folder):
    (folder / "model.onnx.data").mkdir(exist_ok=True)
    return single(external("w", [4], 0, 16))


def undefined(folder):
    return model([helper.make_node("Add", ["x", "nowhere"], ["y"], "sum")])


def cyclic(folder):
    return model([helper.make_node("Add", ["x", "b"], ["a"], "one"), helper.make_node("Add", ["a", "x"], ["b"], "two"),
                  helper.make_node("Identity", ["a"], ["y"])])


def twice_defined(folder):
    return model([helper.make_node("Abs", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])])


def few_inputs(folder):
    return model([helper.make_node("MatMul", ["x"], ["y"], "/mlp/MatMul")])


def tiny(folder):
    return model([helper.make_node("Abs", ["x"], ["y"], "abs")])


def branches(folder):
    """A branch that reads a cache and one that does not, and in the first a branch that a constant chooses."""
    rows = value("y", shape=("batch", 1, "rows", 4))

    def graph(name, *nodes):
        return helper.make_graph(nodes, name, [], [rows])

    inner = helper.make_node("If", ["yes"], ["y"], "inner", then_branch=graph("kept", helper.make_node("Neg", ["joined"], ["y"])),
                             else_branch=graph("dropped", helper.make_node("Abs", ["joined"], ["y"])))
    truth = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("", TensorProto.BOOL, [], [True]))
    cached = graph("cached", truth, helper.make_node("Concat", ["past", "new"], ["joined"], axis=2), inner)
    plain = graph("plain", helper.make_node("Neg", ["new"], ["y"]))
    nodes = [helper.make_node("Gather", ["table", "ids"], ["gathered"]), helper.make_node("Unsqueeze", ["gathered", "one"], ["new"]),
             helper.make_node("If", ["use"], ["y"], "outer", then_branch=cached, else_branch=plain)]
    inputs = [value("ids", TensorProto.INT64, ("batch", "new")), value("past", shape=("batch", 1, "old", 4)), value("use", TensorProto.BOOL, (1,))]
    table = numpy_helper.from_array(np.arange(32, dtype=np.float32).reshape(8, 4), "table")
    return model(nodes, [table, numpy_helper.from_array(np.array([1]), "one")], inputs, [rows])


def main():
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    made = globals()[sys.argv[1]](folder)
    if made is not None:
        (folder / "model.onnx").write_bytes(made.SerializeToString())


if __name__ == "__main__":
    main()
