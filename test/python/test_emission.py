"""Compiled models as ONNX files, on small models as exporters write them: what onnxruntime makes of them, with optimisations and
without, is what lib/Interp makes of the IR and of the file."""

import hashlib
import shutil
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

LEVELS = {
    "off": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
FIXTURES = ("llama-torchscript-op17", "llama-dynamo-op20", "qwen3-dynamo-op20")
PRESETS = {
    "rotated": "--quarot=weight-bits=16 act-bits=16 kv-bits=16 sites=R1,R2,R3,R4",
    "W4A4KV4": "--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7",
    "unrotated W4A4KV4": "--rtn",
    "ragged groups": "--quarot=group-size=24 act-group-size=24",
    "W4A16KV4": "--quarot=weight-bits=4 act-bits=16 kv-bits=4",
    "8 bits": "--rtn=weight-bits=8 act-bits=8 kv-bits=8",
    "W4A8 in groups": "--rtn=weight-bits=4 act-bits=8 kv-bits=8 group-size=32",
    "MatMulNBits": "--w4a16=group-size=16",
    "weights only, per channel": "--w4a16=group-size=0",
}


def read(path):
    """Name and elements of a tensor in a .pb file."""
    tensor = onnx.TensorProto.FromString(path.read_bytes())
    return tensor.name, numpy_helper.to_array(tensor)


def run(path, level, feeds):
    """All outputs by name."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(zip((output.name for output in session.get_outputs()), session.run(None, feeds)))


@pytest.fixture
def quant_opt(root):
    """quant_opt(arguments...): exit status and standard error."""

    def call(*arguments):
        command = [root / "build/bin/quant-opt", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode, result.stderr

    return call


@pytest.fixture
def emit(quant_opt, tmp_path):
    """emit(model, preset, options): the path of the emitted model."""

    def call(model, preset, options="", name="model"):
        output = tmp_path / f"{name}.onnx"
        status, errors = quant_opt(model, preset, f"--emit-onnx=output={output} {options}", "-o", tmp_path / f"{name}.mlir")
        assert status == 0, errors
        return output

    return call


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
@pytest.mark.parametrize("fixture", FIXTURES)
def test_onnxruntime_agrees_with_the_interpreter(fixture, preset, shared, emit, root, tmp_path):
    """Prefill, decode and a chunk; float deviations of 1e-6 may not flip a code in models as small as these."""
    folder = shared / "fixtures" / fixture
    model = emit(folder / "model.onnx", preset)
    onnx.checker.check_model(str(model), full_check=True)
    sets = sorted(folder.glob("test_data_set_*"))
    assert sets
    for data in sets:
        feeds = dict(read(path) for path in sorted(data.glob("input_*.pb")))
        found = run(model, "off", feeds)
        optimized = run(model, "all", feeds)
        target = tmp_path / data.name
        target.mkdir()
        for path in data.glob("input_*.pb"):
            shutil.copy(path, target)
        for number, (name, value) in enumerate(found.items()):
            np.testing.assert_allclose(optimized[name], value, rtol=0, atol=1e-5 * np.abs(value).max(), err_msg=name)
            (target / f"output_{number}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
    for form in (model, tmp_path / "model.mlir"):
        subprocess.run([root / "build/bin/quant-check", f"--model={form}", "--tolerance=1e-5", tmp_path], check=True)


def test_the_file_says_what_it_is(shared, emit):
    source = shared / "fixtures/llama-torchscript-op17/model.onnx"
    emitted = onnx.load(emit(source, PRESETS["W4A4KV4"]), load_external_data=False)
    original = onnx.load(source, load_external_data=False)
    named = lambda model: [value.name for value in (*model.graph.input, *model.graph.output)]
    dims = lambda model: [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
                          for value in (*model.graph.input, *model.graph.output)]
    assert named(emitted) == named(original)
    assert dims(emitted) == dims(original)
    assert emitted.producer_name == "quantopt"
    assert emitted.producer_version
    assert emitted.ir_version == 10
    assert {entry.domain: entry.version for entry in emitted.opset_import} == {"": 21, "quantopt": 1}
    metadata = {entry.key: entry.value for entry in emitted.metadata_props}
    assert metadata["quantopt.state.l0.k"] == metadata["quantopt.state.l0.v"] == "#rot.hadamard<16>"
    assert [function.name for function in emitted.functions] == ["HadamardTransform"]
    names = [node.name for node in emitted.graph.node]
    assert len(set(names)) == len(names)
    assert "layers.0.q_proj.matmul" in names


def test_unrotated_state_is_in_the_standard_basis(shared, emit):
    emitted = onnx.load(emit(shared / "fixtures/llama-dynamo-op20/model.onnx", "--rtn"), load_external_data=False)
    assert {entry.value for entry in emitted.metadata_props if entry.key.startswith("quantopt.state.")} == {"standard"}


@pytest.mark.parametrize("preset", ("--quarot", "--rtn", "--w4a16"))
def test_bytes_depend_on_the_input_alone(preset, shared, emit):
    digests = set()
    for run_number, threads in enumerate((1, 2, 5, 2)):
        path = emit(shared / "fixtures/llama-dynamo-op20/model.onnx", preset, f"threads={threads} max-memory=1")
        data = path.with_name("model.onnx.data")
        digests.add((hashlib.sha256(path.read_bytes()).digest(), hashlib.sha256(data.read_bytes()).digest()))
    assert len(digests) == 1


def test_companions_are_copied(shared, quant_opt, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(shared / "fixtures/llama-dynamo-op20", source)
    source.chmod(0o755)
    target.mkdir()
    (source / "tokenizer.json").write_text("{}")
    (source / "config.json").write_text("{}")
    status, errors = quant_opt(source / "model.onnx", "--rtn", f"--emit-onnx=output={target / 'm.onnx'}")
    assert status == 0, errors
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "m.onnx", "m.onnx.data", "tokenizer.json"]


class TestErrors:
    """One message that names the trouble, exit status 1, and no output."""

    @pytest.fixture
    def source(self, shared, tmp_path):
        """A folder with a model whose weights are in model.onnx.data."""
        folder = tmp_path / "source"
        folder.mkdir()
        for name in ("model.onnx", "model.onnx.data"):
            shutil.copyfile(shared / "fixtures/llama-dynamo-op20" / name, folder / name)
        return folder

    @pytest.fixture
    def refuse(self, quant_opt, tmp_path):
        """refuse(model, preset): the message of a failing emission."""
        target = tmp_path / "target"
        target.mkdir()

        def call(model, preset="--quarot", output=target / "model.onnx"):
            status, errors = quant_opt(model, preset, f"--emit-onnx=output={output}")
            lines = [line for line in errors.splitlines() if "error:" in line]
            assert status == 1 and len(lines) == 1, errors
            assert not list(target.iterdir())
            return lines[0]

        return call

    def test_missing_weights(self, source, refuse):
        (source / "model.onnx.data").unlink()
        assert "model.onnx.data" in refuse(source / "model.onnx")

    def test_truncated_weights(self, source, refuse):
        data = source / "model.onnx.data"
        data.write_bytes(data.read_bytes()[:20000])
        assert "model.onnx.data" in refuse(source / "model.onnx")

    def test_weight_of_a_wrong_type(self, source, refuse):
        model = onnx.load(source / "model.onnx", load_external_data=False)
        weight = next(tensor for tensor in model.graph.initializer if tensor.external_data)
        weight.data_type = onnx.TensorProto.DOUBLE
        onnx.save(model, source / "model.onnx")
        assert weight.name in refuse(source / "model.onnx")

    def test_output_that_cannot_be_written(self, source, refuse, tmp_path):
        assert "absent" in refuse(source / "model.onnx", output=tmp_path / "absent" / "model.onnx")

    def test_unknown_operator_in_the_way_of_a_rotation(self, source, refuse):
        model = onnx.load(source / "model.onnx", load_external_data=False)
        mystery = self.insert_after_layer(model)
        onnx.save(model, source / "model.onnx")
        assert f'error: \'onnx.node\' op (node "{mystery}")' in refuse(source / "model.onnx")

    def test_unknown_operator_that_must_be_executed(self, source, quant_opt, root, tmp_path):
        """Without a rotation it is kept, and only executing it is an error."""
        model = onnx.load(source / "model.onnx", load_external_data=False)
        mystery = self.insert_after_layer(model)
        onnx.save(model, source / "model.onnx")
        output = tmp_path / "model.onnx"
        status, errors = quant_opt(source / "model.onnx", "--rtn", f"--emit-onnx=output={output}")
        assert status == 0, errors
        ids = tmp_path / "ids.npy"
        np.save(ids, np.arange(8))
        result = subprocess.run(
            [root / "build/bin/quant-eval", f"--reference={source / 'model.onnx'}", f"--candidate={output}",
             f"--token-ids={ids}", "--window=8", f"--json={tmp_path / 'eval.json'}"],
            capture_output=True, text=True, check=False,
        )
        assert result.returncode == 1
        assert mystery in result.stderr
        assert not (tmp_path / "eval.json").exists()

    @staticmethod
    def insert_after_layer(model):
        """Puts custom::Mystery behind the first Add that three or more nodes read, a sum of the residual stream."""
        readers = {}
        for node in model.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        for position, node in enumerate(model.graph.node):
            if node.op_type == "Add" and len(readers.get(node.output[0], ())) >= 3:
                inner = node.output[0] + ".inner"
                outer, node.output[0] = node.output[0], inner
                mystery = helper.make_node("Mystery", [inner], [outer], name="the_mystery", domain="custom")
                model.graph.node.insert(position + 1, mystery)
                model.opset_import.append(helper.make_opsetid("custom", 1))
                return mystery.name
        raise AssertionError("the model has no residual stream")
