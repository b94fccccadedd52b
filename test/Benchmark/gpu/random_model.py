"""A decoder with random 4-bit weights in the form of a step (llm-kv-lower), of any size, without an ONNX file.

    python random_model.py OUT.mlir [--layers 32] [--hidden 4096] ...

Weights of one shape share their bytes in OUT.bin, so that a file for 7B parameters is written in seconds. The bundle that
emit-bundle makes of it has every weight of its own, as a real one: its speed is that of a model of this size.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

EPSILON = "eps = 1.0e-5 : f64"
GROUPS = "input_group_size = 0 : i64, weight_group_size = 0 : i64"


@dataclasses.dataclass
class Shape:
    """Sizes of a decoder; the defaults are those of LLaMA 2 7B."""

    layers: int = 32
    hidden: int = 4096
    intermediate: int = 11008
    heads: int = 32
    kv_heads: int = 32
    vocabulary: int = 32000
    bits: int = 4  # of the cache; 16: f16
    context: int = 8192

    @property
    def head(self):
        return self.hidden // self.heads

    @property
    def cache_block(self):
        """Bytes of a head's keys or values of a whole context."""
        row = 2 * self.head if self.bits == 16 else self.head * (4 if self.bits == 3 else self.bits) // 8 + 4
        return self.context * row


class Weights:
    """Parameters as names of ranges of one file."""

    def __init__(self, path, shape):
        self.path, self.text = path, f'param.file @f "{path.name}"\n'
        random = np.random.default_rng(7)
        self.starts, self.length = {}, 0
        largest = shape.hidden * max(shape.intermediate, shape.hidden)
        angles = np.arange(shape.context)[:, None] / 10000 ** (np.arange(shape.head // 2) / (shape.head // 2))
        with open(path, "wb") as file:
            self.write(file, "f32", random.standard_normal(1 << 16, np.float32) * 0.05, shape.vocabulary * shape.hidden)
            self.write(file, "i4", random.integers(0, 256, 1 << 20, np.uint8), largest // 2)
            self.write(file, "scale", np.full(1 << 12, 2 / largest**0.5, np.float32), max(shape.intermediate, shape.hidden))
            self.write(file, "cos", np.cos(angles).astype(np.float32), angles.size)
            self.write(file, "sin", np.sin(angles).astype(np.float32), angles.size)

    def write(self, file, kind, values, count):
        """`count` elements, the values over and over."""
        self.starts[kind] = self.length
        for begin in range(0, count, values.size):
            part = values.reshape(-1)[: count - begin]
            file.write(part.tobytes())
            self.length += part.nbytes

    def add(self, name, kind, dims, basis=""):
        """Declares a parameter and returns its type."""
        element, bits = ("i4", 4) if kind == "i4" else ("f32", 32)
        type = f"tensor<{'x'.join(map(str, dims))}x{element}{basis}>"
        length = np.prod(dims, dtype=np.int64) * bits // 8
        self.text += f"param.global @{name} : {type} from @f [offset = {self.starts[kind]}, length = {length}]\n"
        return type


def rows(columns, element="f32", basis=""):
    return f"tensor<?x?x{columns}x{element}{basis}>"


class Writer:
    def __init__(self, path, shape):
        self.shape, self.body = shape, ""
        self.weights = Weights(path.with_suffix(".bin"), shape)
        self.cache = f"tensor<?x{shape.kv_heads}x{shape.cache_block}xui8>"
        self.layout = (
            f"#tile.cache<bits = {shape.bits}, head_dim = {shape.head}, group = {shape.head}, page = {shape.context}, "
            "clip = 0.95 : f64>"
        )
        self.turned = f", #rot.basis<[_, _, #rot.hadamard<{shape.intermediate}>]>"
        self.turned_weight = f", #rot.basis<[_, #rot.hadamard<{shape.intermediate}>]>"

    def load(self, name, type):
        self.body += f"  %{name} = param.load @{name} : {type}\n"

    def norm(self, name, source):
        type = rows(self.shape.hidden)
        self.body += f"  %{name} = llm.rms_norm %{source} {{{EPSILON}}} : {type} -> {type}\n"

    def quantize(self, name, source, columns, basis=""):
        self.body += f"  %{name}, %{name}_scale = q.quantize_dynamic %{source} {{bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}}\n"
        self.body += f"    : {rows(columns, basis=basis)} -> ({rows(columns, 'i4', basis)}, {rows(1)})\n"

    def linear(self, name, source, outputs, inputs, basis="", weight_basis=""):
        weight = self.weights.add(f"w_{name}", "i4", (outputs, inputs), weight_basis)
        scale = self.weights.add(f"s_{name}", "scale", (outputs, 1))
        self.load(f"w_{name}", weight)
        self.load(f"s_{name}", scale)
        self.body += f"  %{name} = q.linear %{source}, %{source}_scale, %w_{name}, %s_{name} {{{GROUPS}}}\n"
        self.body += f"    : ({rows(inputs, 'i4', basis)}, {rows(1)}, {weight}, {scale}) -> {rows(outputs)}\n"

    def binary(self, op, name, left, right, columns):
        type = rows(columns)
        self.body += f"  %{name} = {op} %{left}, %{right} : ({type}, {type}) -> {type}\n"

    def attention(self, name, i):
        shape = self.shape
        queries, keys = rows(shape.hidden), rows(shape.kv_heads * shape.head)
        table = f"tensor<{shape.context}x{shape.head // 2}xf32>"
        caches = f"{self.cache}, {self.cache}"
        self.body += f"""\
  %{name}q1, %{name}k1, %{name}v1 = tile.rope_append %{name}q, %{name}k, %{name}v, %cos, %sin, %sequences, %key{i}, %value{i}
    {{hadamard = #rot.hadamard<{shape.head}>, cache = {self.layout}}}
    : ({queries}, {keys}, {keys}, {table}, {table}, tensor<?x4xi32>, {caches}) -> ({rows(shape.hidden, 'f16')}, {caches})
  %{name}o = tile.attention %{name}q1, %sequences, %{name}k1, %{name}v1 {{scale = {shape.head**-0.5} : f64, cache = {self.layout}}}
    : ({rows(shape.hidden, 'f16')}, tensor<?x4xi32>, {caches}) -> {queries}
"""

    def layer(self, i, stream):
        """Adds layer `i` over the residual stream and returns the new one."""
        shape, n = self.shape, f"l{i}_"
        hidden, intermediate, kv = shape.hidden, shape.intermediate, shape.kv_heads * shape.head
        self.norm(n + "n", stream)
        self.quantize(n + "c", n + "n", hidden)
        for part, outputs in (("q", hidden), ("k", kv), ("v", kv)):
            self.linear(n + part, n + "c", outputs, hidden)
        self.attention(n, i)
        self.quantize(n + "oc", n + "o", hidden)
        self.linear(n + "p", n + "oc", hidden, hidden)
        self.binary("llm.residual_add", n + "r", stream, n + "p", hidden)
        self.norm(n + "m", n + "r")
        self.quantize(n + "mc", n + "m", hidden)
        for part in ("gate", "up"):
            self.linear(n + part, n + "mc", intermediate, hidden)
        self.binary("llm.swiglu", n + "s", n + "gate", n + "up", intermediate)
        self.body += f"  %{n}t = rot.convert %{n}s : {rows(intermediate)} to {rows(intermediate, basis=self.turned)}\n"
        self.quantize(n + "tc", n + "t", intermediate, self.turned)
        self.linear(n + "d", n + "tc", hidden, intermediate, self.turned, self.turned_weight)
        self.binary("llm.residual_add", n + "y", n + "r", n + "d", hidden)
        return n + "y"

    def write(self):
        shape = self.shape
        table = self.weights.add("table", "f32", (shape.vocabulary, shape.hidden))
        for name in ("cos", "sin"):
            self.load(name, self.weights.add(name, name, (shape.context, shape.head // 2)))
        self.load("table", table)
        self.body += f"  %x = llm.embedding %ids, %table : (tensor<?x?xi64>, {table}) -> {rows(shape.hidden)}\n"
        stream = "x"
        for i in range(shape.layers):
            stream = self.layer(i, stream)
        self.norm("n", stream)
        head = self.weights.add("head", "f32", (shape.vocabulary, shape.hidden))
        self.load("head", head)
        logits = rows(shape.vocabulary)
        self.body += f"  %logits = llm.linear %n, %head : ({rows(shape.hidden)}, {head}) -> {logits}\n"
        names = [(kind, i) for i in range(shape.layers) for kind in ("key", "value")]
        states = [f'{self.cache} {{llm.state = "l{i}.{kind[0]}"}}' for kind, i in names]
        arguments = ['%ids: tensor<?x?xi64> {llm.input = "ids"}', '%sequences: tensor<?x4xi32> {llm.input = "sequences"}']
        arguments += [f"%{kind}{i}: {state}" for (kind, i), state in zip(names, states)]
        results = [f'{logits} {{onnx.name = "logits"}}'] + states
        returned = ["%logits"] + [f"%l{i}_{kind[0]}1" for kind, i in names]
        types = ", ".join([logits] + [self.cache] * len(names))
        return (
            f"{self.weights.text}func.func @main({', '.join(arguments)}) -> ({', '.join(results)}) {{\n{self.body}"
            f"  return {', '.join(returned)} : {types}\n}}\n"
        )


def write(path, shape):
    """Writes a module and, beside it, the file with its weights."""
    path.write_text(Writer(path, shape).write())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path)
    for field in dataclasses.fields(Shape):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    options = vars(parser.parse_args())
    write(options.pop("output"), Shape(**options))


if __name__ == "__main__":
    main()
