"""Operators in graphs of one node: lib/Interp and onnxruntime on random tensors.

Each case is a folder in the layout of ONNX's backend tests, whose outputs come from onnxruntime without graph optimisations; one
run of quant-check takes all of them.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(7)
MICROSOFT = "com.microsoft"
FLOAT = TensorProto.FLOAT


def floats(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def codes(dtype, *shape):
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max + 1, shape).astype(dtype)


class Case:
    """A node, its inputs (None: omitted), how many outputs it has ("": omitted), and what its subgraphs read around it."""

    def __init__(self, name, operator, inputs, outputs=1, domain=MICROSOFT, opset=21, tolerance=1e-5, outer=None, **attributes):
        self.name, self.operator, self.inputs, self.domain, self.opset = name, operator, inputs, domain, opset
        self.outputs = [f"y{i}" for i in range(outputs)] if isinstance(outputs, int) else outputs
        self.attributes, self.tolerance, self.outer = attributes, tolerance, outer or {}

    def model(self):
        given = {f"x{i}": value for i, value in enumerate(self.inputs) if value is not None} | self.outer
        names = [f"x{i}" if value is not None else "" for i, value in enumerate(self.inputs)]
        node = helper.make_node(self.operator, names, self.outputs, name=self.name, domain=self.domain, **self.attributes)
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in given.items()
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in self.outputs if name]
        graph = helper.make_graph([node], "operator", infos, results)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10), given


def with_declared_outputs(model, results):
    """The model, whose outputs say the types that onnxruntime found."""
    for info, value in zip(model.graph.output, results):
        value_type = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), None)
        info.type.CopyFrom(value_type)
    return model


def activations():
    x = floats(3, 5, scale=3)
    for name in ("FastGelu", "BiasGelu"):
        yield Case(name, name, [x, floats(5)])
    yield Case("FastGelu without bias", "FastGelu", [x])
    yield Case("QuickGelu", "QuickGelu", [x], alpha=1.3)
    for name in ("HardSwish", "HardSigmoid", "Mish", "Softplus", "Softsign", "Elu", "Selu", "Celu", "Tan", "Atan", "Sinh", "Cosh"):
        yield Case(name, name, [x], domain="")
    yield Case("ThresholdedRelu", "ThresholdedRelu", [x], domain="", alpha=0.7)
    yield Case("Shrink", "Shrink", [x], domain="", lambd=0.4, bias=0.1)
    yield Case("PRelu", "PRelu", [x, floats(5)], domain="")
    for opset in (11, 17):
        for name in ("LogSoftmax", "Softmax", "Hardmax"):
            yield Case(f"{name} of opset {opset}", name, [floats(2, 3, 4)], domain="", opset=opset)
    for name in ("ReduceLogSum", "ReduceLogSumExp", "ReduceL2", "ReduceProd"):
        yield Case(name, name, [np.abs(floats(2, 3, 4)), np.array([1, -1])], domain="", opset=18, keepdims=0)


def selection():
    x = floats(4, 6)
    for largest in (0, 1):
        yield Case(f"TopK largest={largest}", "TopK", [x, np.array([3])], 2, "", axis=0, largest=largest)
    yield Case("TopK of integers", "TopK", [RNG.integers(0, 4, (3, 9)), np.array([5])], 2, "")
    yield Case("NonZero", "NonZero", [(x > 0).astype(np.float32)], domain="")
    yield Case("Compress", "Compress", [x, np.array([True, False, True])], domain="", axis=1)
    yield Case("ArgMax", "ArgMax", [RNG.integers(0, 3, (4, 7)).astype(np.float32)], domain="", axis=1, select_last_index=1)
    yield Case("EyeLike", "EyeLike", [x], domain="", k=1)
    yield Case("IsInf", "IsInf", [np.array([1, np.inf, -np.inf, np.nan], np.float32)], domain="", detect_negative=0)
    for mode in ("reflect", "edge", "wrap"):
        yield Case(f"Pad {mode}", "Pad", [x, np.array([1, 2, 3, 0])], domain="", mode=mode)
    for equation, shapes in {
        "bhqd,bhkd->bhqk": [(2, 3, 4, 5), (2, 3, 6, 5)],
        "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
        "...ij,...jk->...ik": [(2, 3, 4), (2, 4, 5)],
        "bi,bi->b": [(3, 4), (3, 4)],
        "ijk->kj": [(2, 3, 4)],
        "ii->i": [(3, 3)],
    }.items():
        yield Case(f"Einsum {equation}", "Einsum", [floats(*shape) for shape in shapes], domain="", equation=equation)


def bits():
    a, b = codes(np.uint8, 3, 4), RNG.integers(0, 8, (3, 4)).astype(np.uint8)
    for direction in ("LEFT", "RIGHT"):
        yield Case(f"BitShift {direction}", "BitShift", [a, b], domain="", direction=direction)
    for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        yield Case(name, name, [codes(np.int32, 3, 4), codes(np.int32, 4)], domain="", opset=18)
    yield Case("BitwiseNot", "BitwiseNot", [codes(np.int16, 5)], domain="", opset=18)


def norms():
    x, skip, gain = floats(2, 3, 8), floats(2, 3, 8), floats(8)
    yield Case("SkipLayerNormalization", "SkipLayerNormalization", [x, skip, gain, floats(8), floats(8)], ["y", "", "", "sum"])
    yield Case("SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", [x, skip, gain], ["y", "", "", "sum"])


def products():
    a, b = codes(np.uint8, 3, 8), codes(np.int8, 8, 5)
    scale = np.array(0.02, np.float32)
    yield Case("MatMulInteger", "MatMulInteger", [a, b, np.array(3, np.uint8), np.array(-2, np.int8)], domain="")
    yield Case(
        "MatMulIntegerToFloat",
        "MatMulIntegerToFloat",
        [a, b, scale, np.abs(floats(5)), np.array(7, np.uint8), np.zeros(5, np.int8), floats(5)],
    )
    yield Case("DynamicQuantizeLinear", "DynamicQuantizeLinear", [floats(3, 4)], 3, "")
    yield Case("DynamicQuantizeMatMul", "DynamicQuantizeMatMul", [floats(3, 8), b, scale, np.array(0, np.int8), floats(5)])
    zero, step = np.array(100, np.uint8), np.array(0.7, np.float32)
    operands = [a, scale, np.array(3, np.uint8), b, scale, np.array(0, np.int8), step, zero]
    yield Case("QLinearMatMul", "QLinearMatMul", operands, domain="")
    same = [codes(np.uint8, 3, 4), scale, zero, codes(np.uint8, 3, 4), step, zero, step, zero]
    for name in ("QLinearAdd", "QLinearMul"):
        yield Case(name, name, same)
    yield Case("QLinearSigmoid", "QLinearSigmoid", [*same[:3], np.array(1 / 256, np.float32), np.array(0, np.uint8)])
    yield Case("FusedMatMul", "FusedMatMul", [floats(2, 4, 3), floats(2, 5, 4)], transA=1, transB=1, alpha=0.3)


def blocked_weights():
    for bit_width in (2, 4, 8):
        n, k, block = 6, 40, 16
        blocks = -(-k // block)
        packed = codes(np.uint8, n, blocks, block * bit_width // 8)
        scales = floats(n, blocks)
        zeros = codes(np.uint8, n, -(-blocks * bit_width // 8))
        common = {"N": n, "K": k, "bits": bit_width, "block_size": block, "accuracy_level": 1}
        x = floats(2, 3, k)
        yield Case(f"MatMulNBits {bit_width}", "MatMulNBits", [x, packed, scales], **common)
        yield Case(f"MatMulNBits {bit_width} zeros and bias", "MatMulNBits", [x, packed, scales, zeros, None, floats(n)], **common)
        if bit_width == 4:
            yield Case("MatMulNBits float zeros", "MatMulNBits", [x, packed, scales, floats(n, blocks, scale=4)], **common)
    for bit_width in (4, 8):
        rows, columns, block = 7, 32, 16
        packed = codes(np.uint8, rows, columns * bit_width // 8)
        table = [packed, RNG.integers(-rows, rows, (2, 3)), floats(rows, columns // block)]
        common = {"bits": bit_width, "block_size": block, "gather_axis": 0, "quantize_axis": 1}
        yield Case(f"GatherBlockQuantized {bit_width}", "GatherBlockQuantized", table, **common)
        zeros = codes(np.uint8, rows, columns // block * bit_width // 8)
        yield Case(f"GatherBlockQuantized {bit_width} zeros", "GatherBlockQuantized", [*table, zeros], **common)
    for kind in (0, 1):
        n, k, block = 6, 32, 16
        operands = [floats(3, k), codes(np.uint8, n * k // 2), np.abs(floats(n * k // block))]
        yield Case(f"MatMulBnb4 {kind}", "MatMulBnb4", operands, N=n, K=k, block_size=block, quant_type=kind)


def multi_head():
    batch, tokens, past, heads, depth = 2, 3, 4, 2, 8
    hidden = heads * depth
    q, k, v = (floats(batch, tokens, hidden) for _ in range(3))
    caches = [floats(batch, heads, past, depth) for _ in range(2)]
    bias = floats(3 * hidden)
    scores = floats(1, heads, tokens, past + tokens)
    name = "MultiHeadAttention"
    yield Case("MHA", name, [q, k, v], num_heads=heads)
    yield Case("MHA bias", name, [q, k, v, bias], num_heads=heads, scale=0.2)
    yield Case("MHA past", name, [q, k, v, None, None, scores, *caches], 3, num_heads=heads)
    yield Case("MHA causal", name, [q, k, v, None, None, None, *caches], 3, num_heads=heads, unidirectional=1)
    mask = np.ones((batch, tokens), np.int32)
    mask[0, 2:] = 0
    yield Case("MHA mask", name, [q, k, v, None, mask], num_heads=heads)
    crossed = [floats(batch, heads, 5, depth) for _ in range(2)]
    yield Case("MHA crossed", name, [q, *crossed], num_heads=heads)
    weights = [floats(batch, tokens, hidden), floats(hidden, 3 * hidden, scale=0.3), bias]
    yield Case("Attention", "Attention", weights, num_heads=heads)
    total = np.ones((batch, past + tokens), np.int32)
    total[1, :2] = 0
    state = floats(2, batch, heads, past, depth)
    yield Case("Attention past", "Attention", [*weights, total, state], 2, num_heads=heads, unidirectional=1)


def group_query():
    heads, kv_heads, depth, longest = 4, 2, 16, 32
    tables = [floats(longest, depth // 2) for _ in range(2)]

    def case(name, batch, tokens, past, outputs=3, bias=None, sink=None, rotary=True, shared=None, lengths=None, **attributes):
        rows = past if shared is None else shared
        q = floats(batch, tokens, heads * depth)
        k, v = (floats(batch, tokens, kv_heads * depth) for _ in range(2))
        caches = [floats(batch, kv_heads, rows, depth) for _ in range(2)]
        last = np.full(batch, past + tokens - 1, np.int32) if lengths is None else np.array(lengths, np.int32)
        inputs = [q, k, v, *caches, last, np.array(past + tokens, np.int32)]
        inputs += tables if rotary else [None, None]
        inputs += [None, bias, sink]
        while inputs[-1] is None:
            inputs.pop()
        attributes |= {"num_heads": heads, "kv_num_heads": kv_heads, "do_rotary": int(rotary)}
        return Case(f"GQA {name}", "GroupQueryAttention", inputs, outputs, **attributes)

    yield case("prefill", 2, 5, 0)
    yield case("decode", 2, 1, 6)
    yield case("ragged decode", 2, 1, 6, lengths=[6, 3])
    yield case("chunk", 1, 3, 6)
    yield case("interleaved", 2, 1, 6, rotary_interleaved=1)
    yield case("soft cap", 2, 5, 0, softcap=2.0, scale=0.4)
    yield case("window prefill", 1, 9, 0, local_window_size=3)
    yield case("window decode", 2, 1, 8, local_window_size=3)
    yield case("smooth softmax", 2, 5, 0, smooth_softmax=1)
    yield case("sinks", 2, 1, 6, sink=floats(heads))
    yield case("bias", 2, 3, 0, rotary=False, bias=floats(2, 1, 3, 3))
    yield case("evicting cache", 1, 1, 9, shared=4, local_window_size=4, sliding_window_cache=1)
    yield case("evicting chunk", 1, 3, 9, shared=4, local_window_size=4, sliding_window_cache=1)


def rotary():
    table = [floats(16, 4) for _ in range(2)]
    positions = RNG.integers(0, 16, (2, 3))
    for interleaved in (0, 1):
        yield Case(f"RotaryEmbedding {interleaved}", "RotaryEmbedding", [floats(2, 2, 3, 8), positions, *table], interleaved=interleaved)
    yield Case("RotaryEmbedding from an offset", "RotaryEmbedding", [floats(2, 3, 16), np.array([5]), *table])


def subgraph(nodes, outputs, inputs=()):
    """A graph of (operator, inputs, outputs, attributes); inputs and outputs as name, type and shape."""
    made = [helper.make_node(operator, ins, outs, **attributes) for operator, ins, outs, attributes in nodes]
    infos = [[helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in side] for side in (inputs, outputs)]
    return helper.make_graph(made, "subgraph", *infos)


def branches():
    """If, whose branches read values around them, in a nested one too."""
    taken = [("MatMul", ["x", "w"], ["t"], {})]
    inner = subgraph([("Neg", ["t"], ["n"], {})], [("n", FLOAT, [None, None])])
    other = subgraph([("Add", ["t", "t"], ["a"], {})], [("a", FLOAT, [None, None])])
    nested = [*taken, ("If", ["second"], ["i"], {"then_branch": inner, "else_branch": other})]
    graphs = {
        "then_branch": subgraph(nested, [("i", FLOAT, [None, None]), ("t", FLOAT, [None, None])]),
        "else_branch": subgraph([("Identity", ["x"], ["e"], {}), ("Abs", ["w"], ["f"], {})], [("e", FLOAT, [None, None]), ("f", FLOAT, [None, None])]),
    }
    for first in (True, False):
        for second in (True, False):
            outer = {"x": floats(3, 4), "w": floats(4, 5), "second": np.array([second])}
            yield Case(f"If {first} {second}", "If", [np.array([first])], 2, "", outer=outer, **graphs)


ITERATION = [("i", TensorProto.INT64, []), ("c", TensorProto.BOOL, [])]


def loops():
    step = [
        ("Add", ["s", "d"], ["n"], {}),
        ("ReduceSum", ["n"], ["total"], {"keepdims": 0}),
        ("Less", ["total", "limit"], ["on"], {}),
        ("Cast", ["i"], ["f"], {"to": FLOAT}),
        ("Mul", ["n", "f"], ["m"], {}),
    ]
    results = [("on", TensorProto.BOOL, []), ("n", FLOAT, [None]), ("m", FLOAT, [3])]
    body = subgraph(step, results, [*ITERATION, ("s", FLOAT, [None])])
    start, enough = np.zeros(3, np.float32), np.array(9, np.int64)
    for name, trips, limit in (("counted", enough, 1e9), ("left early", enough, 10), ("endless", None, 20), ("empty", np.array(0), 1)):
        outer = {"d": np.array([1, 2, 0.5], np.float32), "limit": np.array(limit, np.float32)}
        condition = None if name == "counted" else np.array(True)
        yield Case(f"Loop {name}", "Loop", [trips, condition, start], 2, "", outer=outer, body=body)
    nested = [("Loop", ["i", "", "s"], ["n", "m"], {"body": body}), ("Identity", ["c"], ["c1"], {})]
    whole = subgraph(nested, [("c1", TensorProto.BOOL, []), ("n", FLOAT, [None])], [*ITERATION, ("s", FLOAT, [None])])
    outer = {"d": floats(3), "limit": np.array(1e9, np.float32)}
    yield Case("Loop in a loop", "Loop", [np.array(4), np.array(True), start], 1, "", outer=outer, body=whole)
    counted = subgraph(
        [("Add", ["s", "one"], ["n"], {}), ("Identity", ["c"], ["c1"], {})],
        [("c1", TensorProto.BOOL, []), ("n", FLOAT, [])],
        [*ITERATION, ("s", FLOAT, [])],
    )
    one = np.array(1, np.float32)
    yield Case("Loop of many iterations", "Loop", [np.array(20000), np.array(True), one], 1, "", outer={"one": one}, body=counted)


def scans():
    step = [("Add", ["s", "x"], ["n"], {}), ("Mul", ["x", "w"], ["y"], {})]
    body = subgraph(step, [("n", FLOAT, [None]), ("y", FLOAT, [None])], [("s", FLOAT, [None]), ("x", FLOAT, [None])])
    outer = {"w": floats(4)}
    state = np.zeros(4, np.float32)
    yield Case("Scan", "Scan", [state, floats(6, 4)], 2, "", outer=outer, body=body, num_scan_inputs=1)
    turned = {"scan_input_axes": [1], "scan_input_directions": [1], "scan_output_axes": [1], "scan_output_directions": [1]}
    yield Case("Scan turned", "Scan", [state, floats(4, 6)], 2, "", outer=outer, body=body, num_scan_inputs=1, **turned)


GROUPS = (branches, loops, scans, activations, selection, bits, norms, products, blocked_weights, multi_head, group_query, rotary)


def onnxruntime_results(model, given):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def record(folder, case):
    model, given = case.model()
    results = onnxruntime_results(model, given)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(with_declared_outputs(model, results), folder / "model.onnx")
    (folder / "fixture.json").write_text(f'{{"tolerance": {case.tolerance}}}', encoding="utf-8")
    named = {"input": given.items(), "output": zip((info.name for info in model.graph.output), results)}
    for side, values in named.items():
        for i, (name, array) in enumerate(values):
            tensor = numpy_helper.from_array(np.asarray(array, order="C"), name)
            (data / f"{side}_{i}.pb").write_bytes(tensor.SerializeToString())


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_operators(group, tmp_path):
    cases = list(group())
    for case in cases:
        record(tmp_path / case.name.replace("/", "_"), case)
    done = subprocess.run([ROOT / "build/bin/quant-check", tmp_path], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert f"{len(cases)} passed, 0 failed, 0 unsupported" in done.stdout


def merged_decoder(folder):
    """A decoder as optimum merges two: one If whose branches hold all nodes and capture weights and inputs."""
    model = onnx.load(folder / "model.onnx")
    names = {}

    def branch(suffix):
        """The nodes with values of their own."""
        nodes = []
        for node in model.graph.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            names.update({name: name + suffix for name in node.output if name})
            copied.ClearField("input")
            copied.input.extend(names.get(name, name) for name in node.input)
            copied.ClearField("output")
            copied.output.extend(names.get(name, name) for name in node.output)
            nodes.append(copied)
        infos = []
        for info in model.graph.output:
            infos.append(onnx.ValueInfoProto())
            infos[-1].CopyFrom(info)
            infos[-1].name = info.name + suffix
        return helper.make_graph(nodes, "branch", [], infos)

    branches = {"then_branch": branch("/then"), "else_branch": branch("/else")}
    choice = helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])
    node = helper.make_node("If", [choice.name], [info.name for info in model.graph.output], name="optimum::if", **branches)
    graph = helper.make_graph([node], "merged", [choice, *model.graph.input], model.graph.output, model.graph.initializer)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


@pytest.mark.parametrize("name", ["llama-optimum", "llama-torchscript-op17"])
def test_merged_decoder(shared, name, tmp_path):
    """Both branches give what the decoder alone gives."""
    folder = shared / "fixtures" / name
    onnx.save(merged_decoder(folder), tmp_path / "model.onnx")
    for number, data in enumerate(sorted(folder.glob("test_data_set_*"))):
        for choice in (False, True):
            merged = tmp_path / f"test_data_set_{2 * number + choice}"
            merged.mkdir()
            tensor = numpy_helper.from_array(np.array([choice]), "use_cache_branch")
            (merged / "input_0.pb").write_bytes(tensor.SerializeToString())
            for path in data.glob("*.pb"):
                side, position = path.stem.split("_")
                shift = side == "input"
                shutil.copy(path, merged / f"{side}_{int(position) + shift}.pb")
    done = subprocess.run([ROOT / "build/bin/quant-check", tmp_path], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert "1 passed, 0 failed, 0 unsupported" in done.stdout
