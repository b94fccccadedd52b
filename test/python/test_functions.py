"""Model-local functions: calls are the nodes of their bodies.

Small models are compared with onnxruntime. Decoders of which every few nodes have been made a function, with attributes, defaults,
overloads and functions inside of functions, are recognised and executed as they were.
"""

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(3)
X = RNG.standard_normal((3, 4)).astype(np.float32)
HEADER = '<ir_version: 10, opset_import: ["" : 18, "own" : 1, "com.microsoft" : 1]>\n'


def quant_check(folder, *arguments):
    command = [ROOT / "build/bin/quant-check", *arguments, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.stdout


def assert_passed(folder, *forms):
    report = quant_check(folder, f"--form={','.join(forms)}")
    for form in forms:
        assert f"{form}: 1 passed, 0 failed, 0 unsupported" in report


def assert_reemitted(folder):
    """The model comes out byte for byte, directly and through text."""
    quant_opt = ROOT / "build/bin/quant-opt"
    subprocess.run([quant_opt, "model.onnx", "--emit-onnx=output=direct.onnx"], cwd=folder, check=True)
    subprocess.run([quant_opt, "model.onnx", "-o", "text.mlir"], cwd=folder, check=True)
    subprocess.run([quant_opt, "text.mlir", "--emit-onnx=output=through-text.onnx"], cwd=folder, check=True)
    stated = (folder / "model.onnx").read_bytes()
    assert (folder / "direct.onnx").read_bytes() == stated
    assert (folder / "through-text.onnx").read_bytes() == stated


def record(folder, model, inputs, results=None):
    """A folder in the layout of ONNX's backend tests; results are onnxruntime's, or those of ONNX's reference, where none are given."""
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    if results is None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            results = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)
        except Exception:  # pylint: disable=broad-except  # functions of other opsets, parameters that are results
            results = ReferenceEvaluator(model).run(None, inputs)
    for side, values in (("input", inputs.values()), ("output", results)):
        for i, value in enumerate(values):
            (data / f"{side}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())


SMALL = {
    "required attribute": """
        graph (float[a, 4] x) => (float[a, 4] y) { y = own.Leaky <slope = 0.25> (x) }
        <domain: "own", opset_import: ["" : 18]>
        Leaky <slope> (a) => (b) { b = LeakyRelu <alpha: float = @slope> (a) }""",
    "default of an attribute": """
        graph (float[a, 4] x) => (float[a, 4] y) { t = own.Leaky (x)  y = own.Leaky <slope = -2.0> (t) }
        <domain: "own", opset_import: ["" : 18]>
        Leaky <slope: float = 0.3> (a) => (b) { b = LeakyRelu <alpha: float = @slope> (a) }""",
    "attribute that is not given": """
        graph (float[a, 4] x) => (float[a, 4] y) { y = own.Leaky (x) }
        <domain: "own", opset_import: ["" : 18]>
        Leaky <slope> (a) => (b) { b = LeakyRelu <alpha: float = @slope> (a) }""",
    "calls inside of calls": """
        graph (float[a, 4] x) => (float[a, 4] y, float[a, 4] z) { y, z = own.Both <k = 2, slope = 0.5> (x) }
        <domain: "own", opset_import: ["" : 18, "own" : 1]>
        Both <k, slope> (x) => (y, z) { t = own.Leaky <slope: float = @slope> (x)  y = own.Leaky (t)  z = own.Scaled <k: int = @k> (t) }
        <domain: "own", opset_import: ["" : 18]>
        Leaky <slope: float = 0.1> (a) => (t) { t = LeakyRelu <alpha: float = @slope> (a) }
        <domain: "own", opset_import: ["" : 18]>
        Scaled <k> (a) => (y) { c = Constant <value_int: int = @k> () t = CastLike (c, a) y = Mul (a, t) }""",
    "outputs that are not read": """
        graph (float[a, 4] x) => (float[a, 4] y) { , y = own.Two (x) }
        <domain: "own", opset_import: ["" : 18]>
        Two (a) => (b, c) { b = Exp (a) c = Neg (a) }""",
    "outputs that are inputs or the same": """
        graph (float[a, 4] x) => (float[a, 4] y, float[a, 4] z, float[a, 4] w) { y, z, w = own.Three (x) }
        <domain: "own", opset_import: ["" : 18]>
        Three (a) => (a, b, c) { b = Exp (a) c = Identity (b) }""",
    "names that the caller has, too": """
        graph (float[a, 4] x) => (float[a, 4] y) { b = Neg (x) c = own.Twice (b) y = own.Twice (c) }
        <domain: "own", opset_import: ["" : 18]>
        Twice (x) => (b) { c = Exp (x) y = Abs (c) b = Sqrt (y) }""",
    "operators of a training runtime": """
        graph (float[a, 4] x) => (float[a, 4] y) { t = com.microsoft.SoftmaxGrad_13 <axis = -1> (x, x) y = com.microsoft.SoftmaxGrad_13 (t, x) }
        <domain: "com.microsoft", opset_import: ["" : 18]>
        SoftmaxGrad_13 <axis: int = 0> (d, p) => (g) { a = Constant <value_ints: ints = [-1]> () m = Mul (d, p) s = ReduceSum <keepdims = 1> (m, a)
          f = Mul (s, p) h = Hardmax <axis: int = @axis> (f) k = Sub (m, f) g = Add (k, h) }""",
    "calls in branches": """
        graph (float[a, 4] x) => (float[a, 4] y) {
          zero = Constant <value_float: float = 0.0> ()
          sum = ReduceSum <keepdims = 0> (x)
          positive = Greater (sum, zero)
          y = If (positive) <
            then_branch = one () => (float[a, 4] r) { t = own.Leaky <slope = 0.7> (x) r = own.Leaky (t) },
            else_branch = two () => (float[a, 4] r) { t = own.Leaky <slope = 0.2> (x) r = Neg (t) }>
        }
        <domain: "own", opset_import: ["" : 18]>
        Leaky <slope: float = 0.1> (a) => (t) { t = LeakyRelu <alpha: float = @slope> (a) }""",
    "branches in functions": """
        graph (float[a, 4] x) => (float[a, 4] y) { t = Neg (x) y = own.Choose <slope = 0.4> (t, x) }
        <domain: "own", opset_import: ["" : 18]>
        Choose <slope> (a, b) => (r) {
          zero = Constant <value_float: float = 0.0> ()
          sum = ReduceSum <keepdims = 0> (a)
          positive = Greater (sum, zero)
          r = If (positive) <
            then_branch = one () => (float[n, 4] r1) { t = LeakyRelu <alpha: float = @slope> (a) r1 = Add (t, b) },
            else_branch = two () => (float[n, 4] r2) { t = LeakyRelu <alpha: float = @slope> (b) r2 = Sub (t, a) }>
        }""",
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_small(name, tmp_path):
    model = parser.parse_model(HEADER + SMALL[name])
    record(tmp_path, model, {"x": X})
    assert_passed(tmp_path, "onnx", "llm")
    printed = subprocess.run([ROOT / "build/bin/quant-opt", tmp_path / "model.onnx"], capture_output=True, text=True, check=True)
    assert 'onnx.node "own::' not in printed.stdout and "func.func private" not in printed.stdout
    assert_reemitted(tmp_path)


def function(name, nodes, inputs, outputs, opset=18, **options):
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, inputs, outputs, nodes, opsets, **options)


def model_of(nodes, functions, opset=18):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(helper.make_graph(nodes, "graph", [x], [y]), opset_imports=opsets, ir_version=10, functions=functions)


def loop_model():
    """A Loop and a Scan in the body of a function, which call another one; the trip count is an attribute."""
    step = function("Step", [helper.make_node("Mul", ["a", "b"], ["t"]), helper.make_node("Tanh", ["t"], ["c"])], ["a", "b"], ["c"])
    scalar = [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, [])]
    state = helper.make_tensor_value_info("s", TensorProto.FLOAT, None)
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Step", ["s", "b"], ["t"], domain="own")],
        "body", [*scalar, state],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), helper.make_tensor_value_info("t", TensorProto.FLOAT, None)],
    )  # fmt: skip
    row = helper.make_graph(
        [helper.make_node("Step", ["s", "r"], ["t"], domain="own"), helper.make_node("Identity", ["t"], ["u"])],
        "row", [helper.make_tensor_value_info("s", TensorProto.FLOAT, [4]), helper.make_tensor_value_info("r", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, [4]), helper.make_tensor_value_info("u", TensorProto.FLOAT, [4])],
    )  # fmt: skip
    count = helper.make_node("Constant", [], ["n"])
    count.attribute.append(AttributeProto(name="value_int", ref_attr_name="trips", type=AttributeProto.INT))
    repeat = function(
        "Repeat",
        [
            count,
            helper.make_node("Loop", ["n", "", "a"], ["l"], body=body),
            helper.make_node("ReduceSum", ["l"], ["whole"], keepdims=0),
            helper.make_node("Shape", ["l"], ["shape"], start=1),
            helper.make_node("Expand", ["whole", "shape"], ["start"]),
            helper.make_node("Scan", ["start", "l"], ["last", "c"], body=row, num_scan_inputs=1),
        ],
        ["a", "b"], ["c"], attributes=["trips"],
    )  # fmt: skip
    nodes = [helper.make_node("Neg", ["x"], ["t"]), helper.make_node("Repeat", ["x", "t"], ["y"], domain="own", trips=3)]
    return model_of(nodes, [step, repeat])


def overloads_model():
    functions = []
    for overload, operator in (("", "Neg"), ("positive", "Abs")):
        functions.append(function("Do", [helper.make_node(operator, ["a"], ["b"])], ["a"], ["b"]))
        functions[-1].overload = overload
    nodes = [helper.make_node("Do", ["x"], ["t"], domain="own"), helper.make_node("Do", ["t"], ["y"], domain="own", overload="positive")]
    return model_of(nodes, functions)


def optional_model():
    """Inputs that are missing or empty, passed on to a call and to an operator with optional inputs."""
    inner = function("Limit", [helper.make_node("Clip", ["a", "low", "high"], ["b"])], ["a", "low", "high"], ["b"])
    outer = function("Outer", [helper.make_node("Limit", ["a", "low", "high"], ["b"], domain="own")], ["a", "low", "high"], ["b"])
    zero = helper.make_node("Constant", [], ["zero"], value_float=0.0)
    nodes = [zero, helper.make_node("Outer", ["x", "", "zero"], ["t"], domain="own"), helper.make_node("Outer", ["t"], ["u"], domain="own"),
             helper.make_node("Neg", ["u"], ["v"]), helper.make_node("Outer", ["v", "zero"], ["y"], domain="own")]  # fmt: skip
    return model_of(nodes, [inner, outer])


def tensor_model():
    """Attributes that are a large tensor, a list and a string."""
    table = numpy_helper.from_array(RNG.standard_normal((4, 2048)).astype(np.float32), "table")
    nodes = []
    for operator, inputs, output, attribute, parameter, kind in (
        ("Constant", [], "w", "value", "table", AttributeProto.TENSOR),
        ("Transpose", ["w"], "t", "perm", "order", AttributeProto.INTS),
        ("Reshape", ["t", "s"], "r", "", "", None),
        ("Gelu", ["r"], "g", "approximate", "form", AttributeProto.STRING),
    ):
        nodes.append(helper.make_node(operator, inputs, [output]))
        if attribute:
            nodes[-1].attribute.append(AttributeProto(name=attribute, ref_attr_name=parameter, type=kind))
    nodes.insert(2, helper.make_node("Constant", [], ["s"], value_ints=[4, 2048]))
    nodes.append(helper.make_node("MatMul", ["a", "g"], ["b"]))
    local = function("Project", nodes, ["a"], ["b"], opset=20, attributes=["table", "order", "form"])
    call = helper.make_node("Project", ["x"], ["y"], domain="own", table=table, order=[1, 0], form="tanh")
    return model_of([call], [local], opset=20)


BUILT = [loop_model, overloads_model, optional_model, tensor_model]


@pytest.mark.parametrize("build", BUILT, ids=lambda build: build.__name__)
def test_built(build, tmp_path):
    record(tmp_path, build(), {"x": X})
    assert_passed(tmp_path, "onnx", "llm")
    assert_reemitted(tmp_path)


@pytest.mark.parametrize("in_branch", [False, True])
def test_older_opset(in_branch, tmp_path):
    """Axes as attributes, and a Softmax over all that follows its axis: neither is so in the opset of the model."""
    spread = parser.parse_model(HEADER + """
        graph (float[3, 4] x) => (float[1, 4] y) { y = own.Spread (x) }
        <domain: "own", opset_import: ["" : 11]>
        Spread (a) => (b) { t = Unsqueeze <axes = [0]> (a) s = Softmax (t) q = Squeeze <axes = [0]> (s) b = ReduceSum <axes = [0]> (q) }""")
    if in_branch:
        branches = {}
        for side in ("then", "else"):
            call = helper.make_node("Spread", ["x"], [side], domain="own")
            branches[f"{side}_branch"] = helper.make_graph([call], side, [], [helper.make_tensor_value_info(side, TensorProto.FLOAT, None)])
        del spread.graph.node[:]
        truth = helper.make_tensor("", TensorProto.BOOL, [], [True])
        spread.graph.node.extend([helper.make_node("Constant", [], ["c"], value=truth), helper.make_node("If", ["c"], ["y"], **branches)])
    exponents = np.exp(X - X.max())
    record(tmp_path, spread, {"x": X}, [(exponents / exponents.sum()).sum(axis=0, keepdims=True)])
    assert_passed(tmp_path, "onnx", "llm")
    assert_reemitted(tmp_path)


def test_what_stays_says_why(tmp_path):
    two = function("Two", [helper.make_node("Neg", ["a"], ["b"])], ["a"], ["b"])
    model = model_of([helper.make_node("Two", ["x", "x"], ["y"], name="call", domain="own")], [two])
    onnx.save(model, tmp_path / "model.onnx")
    done = subprocess.run([ROOT / "build/bin/quant-opt", tmp_path / "model.onnx"], capture_output=True, text=True, check=True)
    assert "model-local function 'own::Two' is not replaced by its body: it has 1 inputs and is given 2" in done.stderr
    assert '"own::Two"' in done.stdout


class Outliner:
    """Makes every few consecutive nodes of a model a call of a function that has all their attributes as parameters."""

    def __init__(self, model, seed):
        self.model, self.rng = copy.deepcopy(model), np.random.default_rng(seed)
        self.functions = {}

    @staticmethod
    def reads(node):
        """What a node reads, in its subgraphs, too."""
        names = [name for name in node.input if name]
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                inner = {name for child in graph.node for name in child.output} | {info.name for info in graph.input}
                inner |= {tensor.name for tensor in graph.initializer}
                names += [name for child in graph.node for name in Outliner.reads(child) if name not in inner]
                names += [info.name for info in graph.output if info.name not in inner]
        return names

    def call(self, nodes, live):
        """A call for the nodes, of whose outputs those in `live` are read elsewhere."""
        written = {name for node in nodes for name in node.output if name}
        inputs = list(dict.fromkeys(name for node in nodes for name in self.reads(node) if name not in written))
        outputs = [name for name in dict.fromkeys(name for node in nodes for name in node.output) if name in live]
        body, attributes, defaults = [copy.deepcopy(node) for node in nodes], [], []
        for i, node in enumerate(body):
            for attribute in node.attribute:
                if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
                    continue
                given = copy.deepcopy(attribute)
                given.name = f"{attribute.name}_{i}"
                (defaults if self.rng.random() < 0.3 else attributes).append(given)
                attribute.CopyFrom(AttributeProto(name=attribute.name, type=attribute.type, ref_attr_name=given.name))
        if len(body) > 3 and not any(node.domain == "outlined" for node in body):
            middle = len(body) // 2
            later = {name for node in body[middle:] for name in self.reads(node)} | set(outputs)
            first, second = self.call_in_body(body[:middle], later), self.call_in_body(body[middle:], set(outputs))
            body = [first, second]
        opsets = [*self.model.opset_import, helper.make_opsetid("outlined", 1)]
        local = helper.make_function("outlined", "Part", inputs, outputs, body, opsets, [a.name for a in attributes], defaults)
        local.overload = str(len(self.functions))
        self.functions[local.overload] = local
        node = helper.make_node("Part", inputs, outputs, f"call{local.overload}", domain="outlined", overload=local.overload)
        node.attribute.extend(attributes)
        return node

    def call_in_body(self, nodes, live):
        """The same inside of a function: references are passed on."""
        names = {a.ref_attr_name: a.type for node in nodes for a in node.attribute if a.ref_attr_name}
        written = {name for node in nodes for name in node.output if name}
        inputs = list(dict.fromkeys(name for node in nodes for name in self.reads(node) if name not in written))
        outputs = [name for name in dict.fromkeys(name for node in nodes for name in node.output) if name in live]
        local = helper.make_function("outlined", "Half", inputs, outputs, nodes, self.model.opset_import, list(names))
        local.overload = str(len(self.functions))
        self.functions[local.overload] = local
        node = helper.make_node("Half", inputs, outputs, domain="outlined", overload=local.overload)
        node.attribute.extend(AttributeProto(name=name, type=kind, ref_attr_name=name) for name, kind in names.items())
        return node

    def run(self):
        graph = self.model.graph
        nodes, results = list(graph.node), {info.name for info in graph.output}
        calls, begin = [], 0
        while begin < len(nodes):
            end = min(begin + int(self.rng.integers(1, 9)), len(nodes))
            live = results | {name for node in nodes[end:] for name in self.reads(node)}
            calls.append(self.call(nodes[begin:end], live))
            begin = end
        del graph.node[:]
        graph.node.extend(calls)
        self.model.functions.extend(self.functions.values())
        self.model.opset_import.append(helper.make_opsetid("outlined", 1))
        return self.model


def facts(report):
    cases = json.loads(report.read_text())["cases"]
    return {case["form"]: (case["outcome"], case["layers"]) for case in cases}


DECODERS = ["llama-torchscript-op17", "llama-dynamo-op20", "llama-torchscript-op14-nofold", "phi3-dynamo-op20", "llama-genai-int4-b32",
            "llama-authored-op23", "llama-mobius", "qwen3-dynamo-op20", "llama-qdq-int8"]  # fmt: skip


@pytest.mark.parametrize("name", DECODERS)
def test_outlined_decoder(shared, name, tmp_path):
    source = shared / "fixtures" / name
    folder = tmp_path / "outlined"
    shutil.copytree(source, folder, copy_function=os.symlink, ignore=shutil.ignore_patterns("model.onnx"))
    for data in source.glob("model.onnx.*"):
        (folder / data.name).unlink()
        shutil.copyfile(data, folder / data.name)
    outlined = Outliner(onnx.load(source / "model.onnx", load_external_data=False), seed=1).run()
    (folder / "model.onnx").write_bytes(outlined.SerializeToString())
    for path, report in ((source, "before.json"), (folder, "after.json")):
        quant_check(path, "--form=onnx,llm,rotated", f"--json={tmp_path / report}")
    before, after = facts(tmp_path / "before.json"), facts(tmp_path / "after.json")
    assert all(outcome == "passed" for outcome, _ in after.values())
    assert after == before
    assert_reemitted(folder)
