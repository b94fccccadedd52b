"""Opsets 7 to 24: every operator at each version that changed what it means or how it is written, and a decoder in all of them.

Expected outputs come from onnxruntime, or from ONNX's reference where onnxruntime lacks a version.
"""

import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(5)
OLDEST, NEWEST = 7, 24
FLOAT = TensorProto.FLOAT


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def versions(operator, since=OLDEST):
    """Opsets at which the operator changed, from `since` on, and the two ends."""
    changes = {schema.since_version for schema in defs.get_all_schemas_with_history() if (schema.domain, schema.name) == ("", operator)}
    first = max(min(changes), since)
    return sorted({first, NEWEST} | {version for version in changes if first < version <= NEWEST})


class Case:
    """One node: inputs (None: omitted) and attributes."""

    def __init__(self, operator, opset, inputs, outputs=1, **attributes):
        self.operator, self.opset, self.inputs, self.attributes = operator, opset, inputs, attributes
        self.outputs = [f"y{i}" for i in range(outputs)]

    def model(self):
        given = {f"x{i}": value for i, value in enumerate(self.inputs) if value is not None}
        names = [f"x{i}" if value is not None else "" for i, value in enumerate(self.inputs)]
        node = helper.make_node(self.operator, names, self.outputs, **self.attributes)
        infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in given.items()]
        graph = helper.make_graph([node], "node", infos, [helper.make_empty_tensor_value_info(name) for name in self.outputs])
        return model_of(graph, self.opset), given


def model_of(graph, opset):
    ir_version = 3 if opset < 8 else 4 if opset < 11 else 8 if opset < 19 else 10
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def compute(model, given):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, given)
    except Exception:  # pylint: disable=broad-except  # it has many for what it lacks
        return ReferenceEvaluator(model).run(None, given)


def record(folder, model, datas):
    """A folder in the layout of ONNX's backend tests."""
    for i, given in enumerate(datas):
        results = compute(model, given)
        data = folder / f"test_data_set_{i}"
        data.mkdir(parents=True)
        for side, values in (("input", given.values()), ("output", results)):
            for k, value in enumerate(values):
                (data / f"{side}_{k}.pb").write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())
    for info, value in zip(model.graph.output, results):
        if not info.type.HasField("tensor_type"):
            info.type.CopyFrom(helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), None))
    onnx.save(model, folder / "model.onnx")


def with_axes(operator, opset, x, axes, input_since, **attributes):
    """Axes are an attribute, an input later."""
    if axes is None:
        return Case(operator, opset, [x], **attributes)
    if opset >= input_since:
        return Case(operator, opset, [x, ints(*axes)], **attributes)
    return Case(operator, opset, [x], axes=list(axes), **attributes)


def reductions():
    names = ("Max", "Min", "Mean", "Sum", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
    for operator in (f"Reduce{name}" for name in names):
        since = 13 if operator == "ReduceSum" else 18
        for opset in sorted({*versions(operator), 13, 17, 18}):
            x = np.abs(floats(2, 3, 4)) + 0.5
            yield with_axes(operator, opset, x, [0, 2], since, keepdims=0)
            yield with_axes(operator, opset, x, None, since)
            if opset >= 11:
                yield with_axes(operator, opset, x, [-1], since)
            if opset >= since:
                yield Case(operator, opset, [x], noop_with_empty_axes=1)
    for operator in ("ArgMax", "ArgMin"):
        for opset in versions(operator):
            x = RNG.integers(0, 3, (3, 7)).astype(np.float32)
            yield Case(operator, opset, [x], axis=1 if opset < 11 else -1, keepdims=0)
            if opset >= 12:
                yield Case(operator, opset, [x], axis=1, select_last_index=1)


def along_rows():
    for operator in ("Softmax", "LogSoftmax", "Hardmax"):
        for opset in [*versions(operator), 12]:
            x = floats(2, 3, 4)
            yield Case(operator, opset, [x])
            for axis in (0, 1, 2) if opset < 11 else (0, 1, -1):
                yield Case(operator, opset, [x], axis=axis)


def views():
    x = floats(1, 3, 1, 4)
    for opset in versions("Squeeze"):
        yield with_axes("Squeeze", opset, x, [0, 2], 13)
        yield with_axes("Squeeze", opset, x, None, 13)
        if opset >= 11:
            yield with_axes("Squeeze", opset, x, [-2], 13)
    for opset in versions("Unsqueeze"):
        yield with_axes("Unsqueeze", opset, x, [0, 3], 13)
        if opset >= 11:
            yield with_axes("Unsqueeze", opset, x, [-1], 13)
    for opset in versions("Reshape"):
        yield Case("Reshape", opset, [x, ints(0, -1)])
        if opset >= 14:
            yield Case("Reshape", opset, [floats(0, 3), ints(3, 0)], allowzero=1)
    for opset in versions("Flatten"):
        for axis in (0, 1, 2) if opset < 11 else (-1, 3):
            yield Case("Flatten", opset, [x], axis=axis)
    for opset in versions("Shape"):
        yield Case("Shape", opset, [x])
        if opset >= 15:
            yield Case("Shape", opset, [x], start=-3, end=3)
    for operator, given in (("Transpose", [x]), ("Identity", [x]), ("Size", [x]), ("Expand", [x, ints(2, 1, 5, 1)]), ("Tile", [x, ints(2, 1, 3, 1)])):
        for opset in versions(operator):
            yield Case(operator, opset, given)


def cuts():
    x = floats(4, 6)
    for opset in versions("Slice"):
        if opset < 10:
            yield Case("Slice", opset, [x], starts=[1, 2], ends=[3, 9])
            yield Case("Slice", opset, [x], starts=[-3], ends=[-1], axes=[1])
            continue
        yield Case("Slice", opset, [x, ints(1, 2), ints(3, 9)])
        yield Case("Slice", opset, [x, ints(5), ints(-7), ints(1), ints(-2)])
        yield Case("Slice", opset, [x, ints(0), ints(3), None, ints(2)])
    for opset in versions("Split"):
        yield Case("Split", opset, [x], 2, axis=0, **({"num_outputs": 2} if opset >= 18 else {}))
        if opset < 13:
            yield Case("Split", opset, [x], 3, axis=1, split=[1, 2, 3])
        else:
            yield Case("Split", opset, [x, ints(1, 2, 3)], 3, axis=-1)
        if opset >= 18:
            yield Case("Split", opset, [x], 4, axis=1, num_outputs=4)
    for opset in versions("Concat"):
        yield Case("Concat", opset, [x, floats(4, 2)], axis=1 if opset < 11 else -1)
    for opset in versions("Pad"):
        for mode in ("constant", "edge", "reflect"):
            if opset < 11:
                yield Case("Pad", opset, [x], pads=[1, 2, 0, 3], mode=mode, value=0.5)
            else:
                yield Case("Pad", opset, [x, ints(1, 2, 0, 3), np.array(0.5, np.float32)], mode=mode)
        if opset >= 18:
            yield Case("Pad", opset, [x, ints(1, 2), None, ints(-1)])
        if opset >= 19:
            yield Case("Pad", opset, [x, ints(1, 2, 0, 3)], mode="wrap")


def choices():
    x = floats(4, 6)
    for opset in versions("TopK"):
        if opset < 10:
            yield Case("TopK", opset, [x], 2, k=3, axis=1)
            continue
        yield Case("TopK", opset, [x, ints(3)], 2)
        if opset >= 11:
            yield Case("TopK", opset, [x, ints(2)], 2, axis=0, largest=0)
    for operator in ("Gather", "GatherElements", "GatherND"):
        for opset in versions(operator):
            indices = {"Gather": ints(2, 0), "GatherElements": RNG.integers(0, 4, (2, 6)), "GatherND": ints(2, 0).reshape(2, 1)}[operator]
            yield Case(operator, opset, [x, indices])
            if opset >= 11:
                yield Case(operator, opset, [x, indices - 1])
    for opset in versions("GatherND", 12):
        yield Case("GatherND", opset, [floats(2, 3, 4), ints(2, 0).reshape(2, 1)], batch_dims=1)
    yield Case("Scatter", 9, [x, RNG.integers(0, 4, (1, 6)), floats(1, 6)])
    for opset in versions("ScatterElements"):
        yield Case("ScatterElements", opset, [x, ints(*range(4)).reshape(4, 1) - 2, floats(4, 1)], axis=-1)
        for reduction in ("add", "mul") * (opset >= 16) + ("max", "min") * (opset >= 18):
            yield Case("ScatterElements", opset, [x, ints(1, 1, 0, 2, 3, 3).reshape(1, 6), floats(1, 6)], reduction=reduction)
    for opset in versions("ScatterND"):
        yield Case("ScatterND", opset, [x, ints(2, 0).reshape(2, 1), floats(2, 6)])
        for reduction in ("add", "mul") * (opset >= 16) + ("max", "min") * (opset >= 18):
            yield Case("ScatterND", opset, [x, ints(2, 2).reshape(2, 1), floats(2, 6)], reduction=reduction)
    for opset in versions("OneHot"):
        yield Case("OneHot", opset, [ints(0, 2, 1), ints(4), np.array([0.5, 2], np.float32)], axis=0 if opset < 11 else -1)
    for opset in versions("Where"):
        yield Case("Where", opset, [x > 0, x, floats(6)])
    for opset in versions("NonZero"):
        yield Case("NonZero", opset, [(x > 0).astype(np.float32)])
    for opset in versions("Compress"):
        yield Case("Compress", opset, [x, np.array([True, False, True])], axis=1 if opset < 11 else -1)


def elementwise():
    x, y = floats(3, 4), np.abs(floats(4)) + 0.5
    for opset in versions("Clip"):
        if opset < 11:
            yield Case("Clip", opset, [x], min=-0.5, max=0.7)
            yield Case("Clip", opset, [x], max=0.1)
        else:
            yield Case("Clip", opset, [x, None, np.array(0.2, np.float32)])
            yield Case("Clip", opset, [x, np.array(-0.1, np.float32)])
        if opset >= 12:
            yield Case("Clip", opset, [ints(-5, 3, 9), ints(-2)[0], ints(4)[0]])
    for operator in ("Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"):
        for opset in versions(operator):
            if operator == "Equal" and opset < 11:
                yield Case(operator, opset, [ints(1, 2, 3), ints(1, 0, 3)])
            else:
                yield Case(operator, opset, [np.abs(x) if operator == "Pow" else x, y])
    for opset in versions("Pow", 12):
        yield Case("Pow", opset, [x, ints(2)])
    for operator in ("Max", "Min", "Sum", "Mean"):
        for opset in versions(operator, 8):
            yield Case(operator, opset, [x, y, floats(3, 1)])
    for opset in versions("Mod"):
        yield Case("Mod", opset, [ints(-7, 8, -9), ints(3, -5, 4)])
        yield Case("Mod", opset, [x, y], fmod=1)
    unary = ("Abs", "Neg", "Sqrt", "Exp", "Log", "Sigmoid", "Tanh", "Relu", "Erf", "Reciprocal", "Floor", "Ceil", "Sign", "Sin", "Cos")
    for operator in (*unary, "Round", "IsNaN", "Elu", "Selu", "LeakyRelu", "HardSigmoid", "Softplus", "Softsign", "Celu", "HardSwish", "Mish", "Gelu", "Swish"):
        for opset in versions(operator):
            yield Case(operator, opset, [np.abs(x) + 0.1])
    for opset in versions("Gelu"):
        yield Case("Gelu", opset, [x], approximate="tanh")
    for opset in versions("Swish"):
        yield Case("Swish", opset, [x], alpha=1.4)
    for opset in versions("Cast"):
        for target in (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8):
            yield Case("Cast", opset, [np.abs(3 * x)], to=target)
    for opset in versions("CastLike"):
        yield Case("CastLike", opset, [3 * x, ints(1)])
    for opset in versions("Dropout"):
        if opset < 12:
            yield Case("Dropout", opset, [x], ratio=0.3)
        else:
            yield Case("Dropout", opset, [x, np.array(0.3, np.float32), np.array(False)], 2)
            yield Case("Dropout", opset, [x])


def creations():
    for opset in versions("Constant"):
        tensor = numpy_helper.from_array(floats(2, 3), "t")
        yield Case("Constant", opset, [], value=tensor)
        if opset >= 12:
            for name, value in (("value_float", 1.5), ("value_int", 3), ("value_floats", [1.0, 2.0]), ("value_ints", [4, 5])):
                yield Case("Constant", opset, [], **{name: value})
    for opset in versions("ConstantOfShape"):
        yield Case("ConstantOfShape", opset, [ints(2, 3)], value=numpy_helper.from_array(ints(7), "t"))
        yield Case("ConstantOfShape", opset, [ints(2)])
    for opset in versions("Range"):
        yield Case("Range", opset, [ints(2)[0], ints(9)[0], ints(3)[0]])
    for opset in versions("CumSum"):
        yield Case("CumSum", opset, [floats(3, 4), np.array(1, np.int64)], reverse=1, exclusive=1)
    for opset in versions("Trilu"):
        yield Case("Trilu", opset, [floats(4, 4), ints(1)[0]], upper=0)
    for opset in versions("EyeLike"):
        yield Case("EyeLike", opset, [floats(3, 4)], k=1)


def norms():
    x, scale, bias = floats(2, 3, 8), floats(8), floats(8)
    for opset in versions("LayerNormalization"):
        yield Case("LayerNormalization", opset, [x, scale, bias], 3)
        yield Case("LayerNormalization", opset, [x, floats(3, 8)], axis=1, epsilon=0.01)
    for opset in versions("RMSNormalization"):
        yield Case("RMSNormalization", opset, [x, scale], epsilon=0.01)
        yield Case("RMSNormalization", opset, [x, floats(3, 8)], axis=1)
    for opset in versions("LpNormalization"):
        yield Case("LpNormalization", opset, [x], axis=1, p=1)
    for opset in versions("BatchNormalization"):
        yield Case("BatchNormalization", opset, [x, floats(3), floats(3), floats(3), np.abs(floats(3))], epsilon=0.01)


def products():
    a, b = floats(3, 4), floats(4, 5)
    for opset in versions("MatMul"):
        yield Case("MatMul", opset, [floats(2, 3, 4), b])
    for opset in versions("Gemm"):
        yield Case("Gemm", opset, [a, floats(5, 4), floats(5)], transB=1, alpha=0.5, beta=2.0)
        if opset >= 11:
            yield Case("Gemm", opset, [a, b])
    for opset in versions("Einsum"):
        yield Case("Einsum", opset, [a, b], equation="ij,jk->ik")


def quantization():
    x, scale = floats(4, 6), np.array(0.05, np.float32)
    zero, codes = np.array(100, np.uint8), RNG.integers(0, 255, (4, 6)).astype(np.uint8)
    per_row, zeros = np.abs(floats(4)) + 0.1, np.array([0, 10, 20, 30], np.uint8)
    for opset in versions("QuantizeLinear"):
        yield Case("QuantizeLinear", opset, [x, scale, zero])
        if opset >= 13:
            yield Case("QuantizeLinear", opset, [x, per_row, zeros], axis=0)
        if opset >= 21:
            yield Case("QuantizeLinear", opset, [x, np.abs(floats(4, 3)) + 0.1], axis=1, block_size=2)
    for opset in versions("DequantizeLinear"):
        yield Case("DequantizeLinear", opset, [codes, scale, zero])
        if opset >= 13:
            yield Case("DequantizeLinear", opset, [codes, per_row, zeros], axis=0)
        if opset >= 21:
            yield Case("DequantizeLinear", opset, [codes, np.abs(floats(4, 3))], axis=1, block_size=2)
    for opset in versions("DynamicQuantizeLinear"):
        yield Case("DynamicQuantizeLinear", opset, [x], 3)


def attention():
    q, k, v = floats(2, 4, 3, 8), floats(2, 2, 5, 8), floats(2, 2, 5, 8)
    for opset in versions("Attention"):
        yield Case("Attention", opset, [q, k, v])
        yield Case("Attention", opset, [q, k, v, floats(3, 5)], scale=0.3, softcap=2.0)
        yield Case("Attention", opset, [q, floats(2, 2, 3, 8), floats(2, 2, 3, 8), None, floats(2, 2, 4, 8), floats(2, 2, 4, 8)], 3, is_causal=1)
        yield Case("Attention", opset, [floats(2, 3, 32), floats(2, 5, 16), floats(2, 5, 16)], q_num_heads=4, kv_num_heads=2)
    for opset in versions("RotaryEmbedding"):
        cos, sin = floats(10, 4), floats(10, 4)
        positions = ints(0, 1, 2, 4, 5, 6).reshape(2, 3)
        yield Case("RotaryEmbedding", opset, [q, cos, sin, positions])
        yield Case("RotaryEmbedding", opset, [q, cos, sin, positions], interleaved=1)
        yield Case("RotaryEmbedding", opset, [floats(2, 3, 32), cos, sin, positions], num_heads=4)
        yield Case("RotaryEmbedding", opset, [q, floats(2, 3, 2), floats(2, 3, 2)], rotary_embedding_dim=4)
    for opset in versions("TensorScatter"):
        yield Case("TensorScatter", opset, [floats(2, 2, 6, 4), floats(2, 2, 3, 4), ints(0, 2)])


GROUPS = [reductions, along_rows, views, cuts, choices, elementwise, creations, norms, products, quantization, attention]


def run_check(folder, *arguments):
    done = subprocess.run([ROOT / "build/bin/quant-check", "--quiet", *arguments, folder], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.stdout


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_operators(group, tmp_path):
    cases = list(group())
    for i, case in enumerate(cases):
        model, given = case.model()
        record(tmp_path / f"{case.operator}-{case.opset}-{i}", model, [given])
    assert f"{len(cases)} passed, 0 failed, 0 unsupported" in run_check(tmp_path)


# ---------------------------------------------------------------------------------------------------------------------------
# A decoder
# ---------------------------------------------------------------------------------------------------------------------------

LAYERS, WIDTH, HEADS, CACHE_HEADS, DEPTH, INNER, WORDS, LENGTH = 2, 32, 4, 2, 8, 48, 50, 64


class Decoder:
    """LLaMA in the operators of an opset. Before opset 9 there is no way to make a range, and so there are no caches."""

    def __init__(self, opset, flattens=False):
        self.opset, self.flattens, self.has_cache = opset, flattens, opset >= 9
        self.nodes, self.weights, self.count = [], {}, 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def node(self, operator, *inputs, outputs=None, **attributes):
        outputs = outputs or [self.name()]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, f"n{self.count}", **attributes))
        return outputs[0] if len(outputs) == 1 else outputs

    def constant(self, value):
        return self.node("Constant", value=numpy_helper.from_array(np.asarray(value), "c"))

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        self.weights[name] = (floats(*shape) / np.sqrt(shape[0])).astype(np.float32)
        return name

    def with_axes(self, operator, x, axes, since, **attributes):
        if self.opset >= since:
            return self.node(operator, x, self.constant(ints(*axes)), **attributes)
        return self.node(operator, x, axes=axes, **attributes)

    def unsqueeze(self, x, axis):
        return self.with_axes("Unsqueeze", x, [axis], 13)

    def squeeze(self, x, axis):
        return self.with_axes("Squeeze", x, [axis], 13)

    def slice(self, x, begin, end, axis):
        if self.opset >= 10:
            return self.node("Slice", x, *(self.constant(ints(bound)) for bound in (begin, end, axis)))
        return self.node("Slice", x, starts=[begin], ends=[end], axes=[axis])

    def linear(self, x, inputs, outputs):
        return self.node("MatMul", x, self.weight(inputs, outputs))

    def size(self, x, axis):
        """A dimension as a vector of one."""
        return self.unsqueeze(self.node("Gather", self.node("Shape", x), self.constant(np.int64(axis)), axis=0), 0)

    def norm(self, x):
        square = self.node("Pow", x, self.constant(np.float32(2)))
        mean = self.with_axes("ReduceMean", square, [2], 18)
        root = self.node("Sqrt", self.node("Add", mean, self.constant(np.float32(1e-5))))
        return self.node("Mul", self.node("Div", x, root), self.weight(WIDTH))

    def heads(self, x, heads):
        return self.node("Transpose", self.node("Reshape", x, self.constant(ints(0, 0, heads, DEPTH))), perm=[0, 2, 1, 3])

    def rope(self, x, cos, sin):
        turned = self.node("Concat", self.node("Neg", self.slice(x, DEPTH // 2, DEPTH, 3)), self.slice(x, 0, DEPTH // 2, 3), axis=3)
        return self.node("Add", self.node("Mul", x, cos), self.node("Mul", turned, sin))

    def repeat(self, x):
        """[B, kv_heads, T, d] to [B, heads, T, d]."""
        groups = HEADS // CACHE_HEADS
        wide = self.unsqueeze(x, 2)
        sizes = [self.size(x, 0), self.constant(ints(CACHE_HEADS)), self.constant(ints(groups)), self.size(x, 2), self.constant(ints(DEPTH))]
        if self.opset >= 8:
            wide = self.node("Expand", wide, self.node("Concat", *sizes, axis=0))
        else:
            wide = self.node("Concat", *[wide] * groups, axis=2)
        shape = self.node("Concat", sizes[0], self.constant(ints(HEADS)), sizes[3], sizes[4], axis=0)
        return self.node("Reshape", wide, shape)

    def softmax(self, x):
        if self.flattens: # over everything from dimension 1 on, as it was before opset 13
            rows = self.node("Softmax", self.node("Flatten", x, axis=3))
            return self.node("Reshape", rows, self.node("Shape", x))
        return self.node("Softmax", x, axis=3 if self.opset < 11 else -1)

    def range(self, size):
        """0, 1, ... up to a vector of one."""
        if self.opset >= 11:
            return self.node("Range", self.constant(np.int64(0)), self.squeeze(size, 0), self.constant(np.int64(1)))
        ones = self.node("ConstantOfShape", size, value=numpy_helper.from_array(ints(1), "one"))
        return self.squeeze(self.node("NonZero", ones), 0)

    def mask(self, rows, columns):
        """Positions [B, S] and [T] or [B, T]; added to scores."""
        queries = self.node("Cast", self.unsqueeze(rows, 2), to=FLOAT)
        keys = self.node("Cast", self.unsqueeze(self.unsqueeze(columns, 0), 0) if self.has_cache else self.unsqueeze(columns, 1), to=FLOAT)
        later = self.node("Cast", self.node("Less", queries, keys), to=FLOAT)
        return self.unsqueeze(self.node("Mul", later, self.constant(np.float32(-3e38))), 1)

    def layer(self, x, number, cos, sin, mask, outputs):
        h = self.norm(x)
        q = self.rope(self.heads(self.linear(h, WIDTH, WIDTH), HEADS), cos, sin)
        k = self.rope(self.heads(self.linear(h, WIDTH, CACHE_HEADS * DEPTH), CACHE_HEADS), cos, sin)
        v = self.heads(self.linear(h, WIDTH, CACHE_HEADS * DEPTH), CACHE_HEADS)
        if self.has_cache:
            k, v = (self.node("Concat", f"past.{number}.{side}", value, outputs=[f"present.{number}.{side}"], axis=2)
                    for side, value in (("key", k), ("value", v)))  # fmt: skip
            outputs += [k, v]
        scores = self.node("MatMul", q, self.node("Transpose", self.repeat(k), perm=[0, 1, 3, 2]))
        scores = self.node("Add", self.node("Div", scores, self.constant(np.float32(np.sqrt(DEPTH)))), mask)
        mixed = self.node("Transpose", self.node("MatMul", self.softmax(scores), self.repeat(v)), perm=[0, 2, 1, 3])
        merged = self.node("Reshape", mixed, self.constant(ints(0, 0, WIDTH)))
        ratio = {"ratio": 0.1} if self.opset < 12 else {}
        x = self.node("Add", x, self.node("Dropout", self.linear(merged, WIDTH, WIDTH), **ratio))
        h = self.norm(x)
        gate = self.linear(h, WIDTH, INNER)
        product = self.node("Mul", self.node("Mul", gate, self.node("Sigmoid", gate)), self.linear(h, WIDTH, INNER))
        return self.node("Add", x, self.linear(product, INNER, WIDTH))

    def build(self):
        x = self.node("Gather", self.weight(WORDS, WIDTH), "input_ids")
        positions, columns = "position_ids", "position_ids"
        if self.has_cache:
            past, rows = self.size("past.0.key", 2), self.size("input_ids", 1)
            columns = self.range(self.node("Add", past, rows))
        angles = np.arange(LENGTH)[:, None] / 100 ** (np.arange(DEPTH // 2) / (DEPTH // 2))
        tables = []
        for function in (np.cos, np.sin):
            name = f"table{len(tables)}"
            self.weights[name] = np.tile(function(angles), 2).astype(np.float32)
            tables.append(self.unsqueeze(self.node("Gather", name, positions), 1))
        mask = self.mask(positions, columns)
        outputs = []
        for number in range(LAYERS):
            x = self.layer(x, number, *tables, mask, outputs)
        self.node("MatMul", self.norm(x), self.weight(WIDTH, WORDS), outputs=["logits"])
        value = helper.make_tensor_value_info
        inputs = [value("input_ids", TensorProto.INT64, ["batch", "sequence"]), value("position_ids", TensorProto.INT64, ["batch", "sequence"])]
        results = [value("logits", FLOAT, ["batch", "sequence", WORDS])]
        for name in outputs:
            cache = ["batch", CACHE_HEADS]
            inputs.append(value(name.replace("present", "past"), FLOAT, [*cache, "past", DEPTH]))
            results.append(value(name, FLOAT, [*cache, "total", DEPTH]))
        tensors = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        if self.opset < 9: # IR version 3 lists initializers as inputs
            inputs += [value(tensor.name, FLOAT, tensor.dims) for tensor in tensors]
        return model_of(helper.make_graph(self.nodes, "decoder", inputs, results, tensors), self.opset)

    def inputs(self, batch, rows, past):
        given = {"input_ids": RNG.integers(0, WORDS, (batch, rows)), "position_ids": np.tile(np.arange(past, past + rows), (batch, 1))}
        for number in range(LAYERS if self.has_cache else 0):
            for side in ("key", "value"):
                given[f"past.{number}.{side}"] = floats(batch, CACHE_HEADS, past, DEPTH)
        return given


# Before opset 13, Softmax is over all dimensions from its axis on.
DECODERS = [(opset, flattens) for opset in range(OLDEST, NEWEST + 1) for flattens in (False, True) if opset < 13 or not flattens]


@pytest.mark.parametrize("opset, flattens", DECODERS)
def test_decoder(opset, flattens, tmp_path):
    decoder = Decoder(opset, flattens)
    steps = [(2, 5, 0), (1, 1, 7)] if decoder.has_cache else [(2, 5, 0)]
    model = decoder.build()
    onnx.checker.check_model(model)
    record(tmp_path, model, [decoder.inputs(*step) for step in steps])
    report = run_check(tmp_path, "--form=onnx,llm,rotated")
    for form in ("onnx", "llm", "rotated"):
        assert f"{form}: 1 passed, 0 failed, 0 unsupported" in report
    command = [ROOT / "build/bin/quant-opt", tmp_path / "model.onnx", "--llm-recognize=summary=true verify=true", "-o", tmp_path / "llm.mlir"]
    remarks = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "llm-recognize is verified: " in remarks
    for layer, count in {"attention": LAYERS, "rms_norm": 2 * LAYERS + 1, "linear": 7 * LAYERS + 1, "rope": 2 * LAYERS, "swiglu": LAYERS,
                         "residual_add": 2 * LAYERS, "split_heads": 3 * LAYERS, "merge_heads": LAYERS}.items():  # fmt: skip
        assert f" {count} {layer}" in remarks, remarks


@pytest.mark.parametrize("opset", [7, 9, 10, 12, 17])
def test_emission(opset, tmp_path):
    """What is compiled from an old model is one of a later opset, and computes the same."""
    decoder = Decoder(opset)
    model = decoder.build()
    onnx.save(model, tmp_path / "model.onnx")
    given = decoder.inputs(1, 4, 0)  # what caches hold is rotated
    command = [ROOT / "build/bin/quant-opt", tmp_path / "model.onnx", "--quarot=weight-bits=16 act-bits=16 kv-bits=16",
               f"--emit-onnx=output={tmp_path / 'emitted.onnx'}", "-o", tmp_path / "emitted.mlir"]  # fmt: skip
    subprocess.run(command, check=True)
    emitted = onnx.load(tmp_path / "emitted.onnx")
    assert next(entry.version for entry in emitted.opset_import if entry.domain == "") == 21
    session = onnxruntime.InferenceSession(str(tmp_path / "emitted.onnx"))
    np.testing.assert_allclose(session.run(["logits"], given)[0], compute(model, given)[0], rtol=0, atol=1e-4)
