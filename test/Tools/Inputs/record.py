"""Runs a decoder in onnxruntime and writes every tensor that its nodes compute.

    python record.py MODEL.onnx FOLDER TOKENS STEPS [QUANT-CHECK]

Optimisations are off, so the nodes that run are those of the model. FOLDER/prefill gets the tensors of TOKENS random tokens,
FOLDER/decode-0, ... those of STEPS single tokens through the cache, each as .npy files and index.json from value names to
files; what depends on no input is written once. onnxruntime's outputs cannot be 4-bit integers: these are written as 8-bit
ones. With QUANT-CHECK, the program, every recording is replayed at once, and those of single tokens do not stay.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

NARROW = {onnx.TensorProto.INT4: onnx.TensorProto.INT8, onnx.TensorProto.UINT4: onnx.TensorProto.UINT8}
SUFFIX = "__recorded"


def expose(model):
    """Makes every value an output; returns the names of outputs by the names of the values."""
    types = {value.name: value.type.tensor_type.elem_type
             for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
    present = {output.name for output in model.graph.output}
    names = {name: name for name in present}
    for node in list(model.graph.node):
        for value in node.output:
            if not value or value in present:
                continue
            names[value] = value
            if output_type(node, value, types) in NARROW:
                names[value] = value + SUFFIX
                model.graph.node.append(onnx.helper.make_node(
                    "Cast", [value], [names[value]], to=NARROW[output_type(node, value, types)]))
            model.graph.output.append(onnx.ValueInfoProto(name=names[value]))
    return names


def output_type(node, value, types):
    stated = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "QuantizeLinear" and "output_dtype" in stated:
        return stated["output_dtype"]
    if node.op_type == "Cast":
        return stated["to"]
    return types.get(value, onnx.TensorProto.FLOAT)


def constants(model):
    """Names of the values that depend on no input."""
    known = {initializer.name for initializer in model.graph.initializer} | {""}
    for node in model.graph.node:
        if known.issuperset(node.input):
            known.update(node.output)
    return known


def make_inputs(session, tokens, past, length):
    """Inputs for `tokens` [1, S] behind `length` cached positions."""
    count = tokens.shape[1]
    usual = {
        "input_ids": tokens,
        "attention_mask": numpy.ones((1, length + count), numpy.int64),
        "position_ids": numpy.arange(length, length + count, dtype=numpy.int64)[None],
    }
    inputs = {}
    for value in session.get_inputs():
        if value.name in usual:
            inputs[value.name] = usual[value.name]
        elif past:
            inputs[value.name] = past[value.name.replace("past_key_values", "present")]
        else:
            shape = [1, value.shape[1], 0, value.shape[3]]
            inputs[value.name] = numpy.zeros(shape, numpy.float32)
    return inputs


def write(folder, tensors, written):
    """Writes the tensors but those in `written`, an index of what is in folders beside this one; returns the index."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for number, (name, tensor) in enumerate(tensors.items()):
        index[name] = written.get(name, f"{number}.npy")
        if name not in written:
            numpy.save(folder / index[name], numpy.asarray(tensor, order="C"))
    (folder / "index.json").write_text(json.dumps(index))
    return index


def main():
    path, folder, count, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    program = sys.argv[5] if len(sys.argv) > 5 else None
    model = onnx.load(path, load_external_data=False)
    unchanging = constants(model)
    names = expose(model)
    # Beside the model, where its data is looked for.
    exposed = path.with_name(path.stem + "-exposed.onnx")
    onnx.save(model, exposed)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(exposed, options, providers=["CPUExecutionProvider"])
    exposed.unlink()
    embedding = next(value for value in session.get_outputs() if value.name == "logits").shape[-1]
    tokens = numpy.random.default_rng(0).integers(0, embedding, (1, count + steps))
    past, length, written = None, 0, {}
    for step in range(steps + 1):
        part = tokens[:, :count] if step == 0 else tokens[:, length:length + 1]
        inputs = make_inputs(session, part, past, length)
        outputs = list(names.values())
        computed = dict(zip(outputs, session.run(outputs, inputs)))
        values = inputs | {name: computed[output] for name, output in names.items()}
        recording = folder / ("prefill" if step == 0 else f"decode-{step - 1}")
        index = write(recording, values, written)
        if step == 0:
            written = {name: f"../prefill/{file}" for name, file in index.items() if name in unchanging}
        if program:
            subprocess.run([program, f"--replay={recording}", path], check=True)
        if program and step:
            shutil.rmtree(recording)
        past = {name: computed[name] for name in computed if name.startswith("present")}
        length += part.shape[1]


if __name__ == "__main__":
    main()
