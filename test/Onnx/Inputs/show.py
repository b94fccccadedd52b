"""Prints what matters of a model after checking it with the ONNX checker: python show.py MODEL.onnx"""

import sys

import onnx


def sizes(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims]


def show_nodes(nodes):
    for node in nodes:
        print(node.op_type, list(node.input), "->", list(node.output))


onnx.checker.check_model(sys.argv[1], full_check=True)
model = onnx.load(sys.argv[1], load_external_data=False)
print("ir", model.ir_version, "producer", model.producer_name, "opsets",
      [(opset.domain, opset.version) for opset in model.opset_import],
      "metadata", {entry.key: entry.value for entry in model.metadata_props})
for tensor in model.graph.initializer:
    where = f"inline {len(tensor.raw_data)}"
    if tensor.external_data:
        where = f"external { {entry.key: entry.value for entry in tensor.external_data} }".replace("{ ", "{").replace(" }", "}")
    print("initializer", tensor.name, list(tensor.dims), onnx.TensorProto.DataType.Name(tensor.data_type), where)
for value in model.graph.input:
    print("input", value.name, sizes(value))
for value in model.graph.output:
    print("output", value.name, sizes(value))
show_nodes(model.graph.node)
for function in model.functions:
    print(f"function {function.domain}::{function.name}", list(function.input), "->", list(function.output))
    show_nodes(function.node)
