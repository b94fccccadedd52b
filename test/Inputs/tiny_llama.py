"""Writes a LLaMA of two layers with random weights as ONNX, in the nodes that exporters write.   tiny_llama.py OUT.onnx

Hidden 32, 4 heads of 8 over 2 KV heads, intermediate 48, 64 tokens, tied head, KV cache; options change that. It exists
so that tests of recognition, rotation, proofs and bundles run on any machine, without exported fixtures.
"""

import argparse

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HIDDEN, HEADS, KV_HEADS, SIZE, INTERMEDIATE, TOKENS = 2, 32, 4, 2, 8, 48, 64
WINDOW = 0


class Graph:
    """Nodes and initializers in order; every method returns the name of what it adds."""

    def __init__(self):
        self.nodes, self.initializers, self.random = [], {}, numpy.random.default_rng(1)

    def node(self, type, *inputs, output=None, **attributes):
        name = f"/{type}_{len(self.nodes)}"
        output = output or f"{name}_output_0"
        self.nodes.append(helper.make_node(type, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, value, dtype=numpy.int64):
        name = f"constant_{dtype.__name__}_{value}"
        self.initializers[name] = numpy.asarray(value, dtype)
        return name

    def weight(self, name, *shape):
        values = self.random.standard_normal(shape) / numpy.sqrt(shape[0] if len(shape) > 1 else 1)
        self.initializers[name] = values.astype(numpy.float32)
        return name


def norm(graph, x, name):
    square = graph.node("Pow", x, graph.constant(2.0, numpy.float32))
    mean = graph.node("ReduceMean", square, graph.constant([-1]), keepdims=1)
    root = graph.node("Sqrt", graph.node("Add", mean, graph.constant(1e-5, numpy.float32)))
    normalized = graph.node("Mul", x, graph.node("Reciprocal", root))
    return graph.node("Mul", graph.weight(name, HIDDEN), normalized)


def linear(graph, x, name, inputs, outputs):
    return graph.node("MatMul", x, graph.weight(name, inputs, outputs))


def split(graph, x, heads):
    shape = graph.constant([0, -1, heads, SIZE])
    return graph.node("Transpose", graph.node("Reshape", x, shape), perm=[0, 2, 1, 3])


def rope(graph, x, cos, sin):
    axis, half = graph.constant([3]), graph.constant([SIZE // 2])
    first = graph.node("Slice", x, graph.constant([0]), half, axis)
    second = graph.node("Slice", x, half, graph.constant([2**63 - 1]), axis)
    turned = graph.node("Concat", graph.node("Neg", second), first, axis=-1)
    return graph.node("Add", graph.node("Mul", x, cos), graph.node("Mul", turned, sin))


def repeat(graph, cache):
    wide = graph.node("Unsqueeze", cache, graph.constant([2]))
    wide = graph.node("Expand", wide, graph.constant([1, 1, HEADS // KV_HEADS, 1, 1]))
    return graph.node("Reshape", wide, graph.constant([0, HEADS, -1, SIZE]))


def attention(graph, x, layer, cos, sin, mask):
    prefix = f"layers.{layer}.self_attn."
    n = norm(graph, x, f"layers.{layer}.input_layernorm")
    q = split(graph, linear(graph, n, prefix + "q_proj", HIDDEN, HEADS * SIZE), HEADS)
    k = split(graph, linear(graph, n, prefix + "k_proj", HIDDEN, KV_HEADS * SIZE), KV_HEADS)
    v = split(graph, linear(graph, n, prefix + "v_proj", HIDDEN, KV_HEADS * SIZE), KV_HEADS)
    k = rope(graph, k, cos, sin)
    k = graph.node("Concat", f"past_key_values.{layer}.key", k, axis=-2, output=f"present.{layer}.key")
    v = graph.node("Concat", f"past_key_values.{layer}.value", v, axis=-2, output=f"present.{layer}.value")
    transposed = graph.node("Transpose", repeat(graph, k), perm=[0, 1, 3, 2])
    scores = graph.node("MatMul", rope(graph, q, cos, sin), transposed)
    scores = graph.node("Mul", scores, graph.constant(SIZE**-0.5, numpy.float32))
    shares = graph.node("Softmax", graph.node("Add", scores, mask), axis=-1)
    read = graph.node("Transpose", graph.node("MatMul", shares, repeat(graph, v)), perm=[0, 2, 1, 3])
    read = graph.node("Reshape", read, graph.constant([0, -1, HEADS * SIZE]))
    return graph.node("Add", x, linear(graph, read, prefix + "o_proj", HEADS * SIZE, HIDDEN))


def mlp(graph, x, layer):
    prefix = f"layers.{layer}.mlp."
    n = norm(graph, x, f"layers.{layer}.post_attention_layernorm")
    gate = linear(graph, n, prefix + "gate_proj", HIDDEN, INTERMEDIATE)
    up = linear(graph, n, prefix + "up_proj", HIDDEN, INTERMEDIATE)
    product = graph.node("Mul", graph.node("Mul", gate, graph.node("Sigmoid", gate)), up)
    return graph.node("Add", x, linear(graph, product, prefix + "down_proj", INTERMEDIATE, HIDDEN))


def tables(graph):
    """cos and sin [B, 1, S, d]."""
    frequencies = (10000.0 ** -(numpy.arange(0, SIZE, 2) / SIZE)).astype(numpy.float32)
    graph.initializers["inverse_frequencies"] = frequencies
    positions = graph.node("Cast", graph.node("Unsqueeze", "position_ids", graph.constant([2])), to=TensorProto.FLOAT)
    angles = graph.node("Mul", positions, "inverse_frequencies")
    angles = graph.node("Concat", angles, angles, axis=-1)
    one = graph.constant([1])
    return [graph.node("Unsqueeze", graph.node(f, angles), one) for f in ("Cos", "Sin")]


def mask(graph):
    """[B, 1, S, P + S]: 0 where a key is no padding and not after the query, a large negative number elsewhere."""
    zero, one = graph.constant(0), graph.constant(1)
    size = lambda x, dim: graph.node("Gather", graph.node("Shape", x), graph.constant(dim))  # noqa: E731
    past, tokens = size("past_key_values.0.key", 2), size("input_ids", 1)
    keys = graph.node("Range", zero, graph.node("Add", past, tokens), one)
    queries = graph.node("Add", graph.node("Range", zero, tokens, one), past)
    causal = graph.node("LessOrEqual", keys, graph.node("Unsqueeze", queries, graph.constant([1])))
    kept = graph.node("Cast", graph.node("Unsqueeze", "attention_mask", graph.constant([1, 2])), to=TensorProto.BOOL)
    allowed = graph.node("And", causal, kept)
    if WINDOW:
        first = graph.node("Sub", queries, graph.constant(WINDOW))
        allowed = graph.node("And", allowed, graph.node("Greater", keys, graph.node("Unsqueeze", first, graph.constant([1]))))
    fill = graph.constant(float(numpy.finfo(numpy.float32).min), numpy.float32)
    return graph.node("Where", allowed, graph.constant(0.0, numpy.float32), fill)


def build(graph=None, check=True):
    graph = graph or Graph()
    graph.weight("embed_tokens", TOKENS, HIDDEN)
    cos, sin = tables(graph)
    allowed = mask(graph)
    x = graph.node("Gather", "embed_tokens", "input_ids", axis=0)
    for layer in range(LAYERS):
        x = mlp(graph, attention(graph, x, layer, cos, sin, allowed), layer)
    head = graph.node("Transpose", "embed_tokens", perm=[1, 0])
    graph.node("MatMul", norm(graph, x, "norm"), head, output="logits")

    def value(name, type, *dims):
        return helper.make_tensor_value_info(name, type, dims)

    inputs = [value("input_ids", TensorProto.INT64, "batch", "tokens"),
              value("attention_mask", TensorProto.INT64, "batch", "past + tokens"),
              value("position_ids", TensorProto.INT64, "batch", "tokens")]
    outputs = [value("logits", TensorProto.FLOAT, "batch", "tokens", TOKENS)]
    for layer in range(LAYERS):
        for kind in ("key", "value"):
            cache = (TensorProto.FLOAT, "batch", KV_HEADS)
            inputs.append(value(f"past_key_values.{layer}.{kind}", *cache, "past", SIZE))
            outputs.append(value(f"present.{layer}.{kind}", *cache, "past + tokens", SIZE))
    weights = [numpy_helper.from_array(array, name) for name, array in graph.initializers.items()]
    model = helper.make_model(helper.make_graph(graph.nodes, "tiny", inputs, outputs, weights),
                              opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if check:
        onnx.checker.check_model(model, full_check=True)
    return model


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    sizes = {"layers": LAYERS, "hidden": HIDDEN, "heads": HEADS, "kv-heads": KV_HEADS, "size": SIZE,
             "intermediate": INTERMEDIATE, "tokens": TOKENS, "window": WINDOW}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    LAYERS, HIDDEN, HEADS, KV_HEADS, SIZE = (options.layers, options.hidden, options.heads, options.kv_heads, options.size)
    INTERMEDIATE, TOKENS, WINDOW = options.intermediate, options.tokens, options.window
    onnx.save(build(), options.output)
