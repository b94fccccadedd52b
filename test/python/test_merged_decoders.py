"""Merged decoders, as Optimum writes them: an If chooses by the input use_cache_branch between a decoder that reads a cache and
one that has none. The former with a cache of no rows takes the place of both."""

import copy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ROOT / "test/models/families"
SWITCH = "use_cache_branch"


def without_cache(graph):
    """The nodes of a decoder, with caches of no rows that they make themselves."""
    nodes = [helper.make_node("Shape", ["input_ids"], ["batch_of_ids"], start=0, end=1)]
    names = {}
    for info in graph.input:
        if not info.name.startswith("past"):
            continue
        heads, width = (info.type.tensor_type.shape.dim[i].dim_value for i in (1, 3))
        rest = numpy_helper.from_array(np.array([heads, 0, width]))
        names[info.name] = f"empty_{info.name}"
        nodes += [
            helper.make_node("Constant", [], [f"rest_{info.name}"], value=rest),
            helper.make_node("Concat", ["batch_of_ids", f"rest_{info.name}"], [f"shape_{info.name}"], axis=0),
            helper.make_node("ConstantOfShape", [f"shape_{info.name}"], [names[info.name]]),
        ]
    for original in graph.node:
        node = copy.deepcopy(original)
        node.input[:] = [names.get(name, name) for name in node.input]
        nodes.append(node)
    return nodes


def merge(model, change=None):
    """The model as a merged decoder; `change` is done to the nodes of the branch without a cache."""
    merged, graph = copy.deepcopy(model), model.graph
    others = without_cache(graph)
    if change:
        change(others)
    with_cache = helper.make_graph(graph.node, "with_past", [], graph.output)
    no_cache = helper.make_graph(others, "no_past", [], graph.output)
    choice = helper.make_node("If", [SWITCH], [info.name for info in graph.output], "optimum::if", then_branch=with_cache, else_branch=no_cache)
    del merged.graph.node[:], merged.graph.value_info[:]
    merged.graph.node.append(choice)
    # Optimum states the dimensions of the decoder without a cache, where the mask is as long as the tokens.
    mask = next(info for info in merged.graph.input if info.name == "attention_mask")
    mask.type.tensor_type.shape.dim[1].dim_param = "sequence_length"
    merged.graph.input.append(helper.make_tensor_value_info(SWITCH, TensorProto.BOOL, [1]))
    return merged


def tensors(data, side):
    files = sorted(data.glob(f"{side}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [onnx.load_tensor(path) for path in files]


def make_folder(family, folder, change=None):
    """A merged decoder and the recorded steps of the family."""
    shutil.copytree(FAMILIES / family, folder)
    model = onnx.load(folder / "model.onnx")
    merged = merge(model, change)
    onnx.save(merged, folder / "model.onnx")
    past = next(i for i, info in enumerate(model.graph.input) if info.name.startswith("past"))
    for data in folder.glob("test_data_set_*"):
        inputs = tensors(data, "input")
        switch = numpy_helper.from_array(np.array([inputs[past].dims[2] > 0]), SWITCH)
        onnx.save_tensor(switch, data / f"input_{len(inputs)}.pb")
    return merged


def run(*command):
    done = subprocess.run([ROOT / "build/bin" / command[0], *command[1:]], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


@pytest.mark.parametrize("family", ["phi-torchscript-op17", "gptneox-torchscript-op17", "stablelm2-dynamo-op20"])
def test_one_decoder_takes_the_place_of_both(family, tmp_path):
    folder = tmp_path / "model"
    merged = make_folder(family, folder)
    explained = run("quant-opt", "--explain", folder / "model.onnx").stdout
    assert "Optimum" in explained and explained.count("can be rotated") >= 3
    assert "rotated: 1 passed, 0 failed, 0 unsupported" in run("quant-check", "--form=onnx,llm,rotated", folder).stdout
    assert "is verified: prefill, decode" in run("quant-opt", folder / "model.onnx", "--llm-recognize=verify=true summary=true", "-o=-").stderr

    # What is written has no use for the choice, and its first step starts from caches of no rows.
    written = tmp_path / "written.onnx"
    assert run("quant-opt", folder / "model.onnx", "--llm-recognize", f"--emit-onnx=output={written}").returncode == 0
    names = [info.name for info in onnx.load(written).graph.input]
    assert names == [info.name for info in merged.graph.input if info.name != SWITCH]
    session = onnxruntime.InferenceSession(written)
    for data in sorted(folder.glob("test_data_set_*")):
        inputs = dict(zip(names, map(numpy_helper.to_array, tensors(data, "input"))))
        for computed, expected in zip(session.run(None, inputs), map(numpy_helper.to_array, tensors(data, "output"))):
            assert np.abs(computed - expected).max() <= 1e-4 * np.abs(expected).max()


def double_last(nodes):
    """What the first output is made of is doubled."""
    last = next(node for node in nodes if "logits" in node.output)
    last.output[list(last.output).index("logits")] = "half"
    nodes.append(helper.make_node("Add", ["half", "half"], ["logits"]))


def test_branches_that_differ_are_found_by_proof(tmp_path):
    make_folder("phi-torchscript-op17", tmp_path / "model", double_last)
    done = run("quant-opt", tmp_path / "model/model.onnx", "--llm-recognize=verify=true", "-o=-")
    assert done.returncode == 1
    assert "'llm-recognize'" in done.stderr and "prefill" in done.stderr


def read_switch(nodes):
    double_last(nodes)
    nodes[-1:] = [
        helper.make_node("Cast", [SWITCH], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["half", "one"], ["logits"]),
    ]


def test_a_switch_that_is_read_otherwise_stays(tmp_path):
    """The branch without a cache reads what the other one does not: neither is a case of the other."""
    make_folder("phi-torchscript-op17", tmp_path / "model", read_switch)
    assert "llm: 1 passed, 0 failed, 0 unsupported" in run("quant-check", "--form=onnx,llm", tmp_path / "model").stdout
    assert "onnx.If(" in run("quant-opt", tmp_path / "model/model.onnx", "--llm-recognize", "-o=-").stdout
