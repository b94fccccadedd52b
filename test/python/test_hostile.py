"""Files made to harm: quant-opt refuses each with one plain error, and reads nothing that it should not.

Among them the shapes of published ONNX vulnerabilities with external data and paths. A secret lies outside of the
model's folder; a model that reached it would import, and re-emission would copy it.
"""

import os
import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SECRET = b"0123456789abcdef"


@pytest.fixture
def quant_opt(root):
    """Runs quant-opt."""

    def run(*arguments):
        return subprocess.run([root / "build/bin/quant-opt", *arguments], capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def folder(tmp_path):
    """The model's folder, with a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def external(location, name="w", shape=(4,), offset=None, length=None, extra=()):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length), *extra):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return tensor


def make(initializers=(), nodes=None, functions=(), inputs=("x",)):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in (*inputs, "y")]
    nodes = nodes or [helper.make_node("Mul", ["x", "w"], ["y"], "scale")]
    graph = helper.make_graph(nodes, "graph", values[:-1], values[-1:], list(initializers))
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


def save(folder, model):
    (folder / "model.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return folder / "model.onnx"


def assert_refused(result, reason):
    """One error that says why, no crash."""
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    assert len(re.findall("error: ", result.stderr)) == 1, result.stderr
    assert re.search(reason, result.stderr), result.stderr
    assert "PLEASE submit a bug report" not in result.stderr


# ---- Where external data may lie -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["../secret", "sub/../../secret", "./../secret", "..", "sub/.."])
def test_climbing_locations(quant_opt, folder, location):
    """CVE-2022-25882 and CVE-2024-27318: a location with '..', plain or behind a folder."""
    (folder / "sub").mkdir()
    assert_refused(quant_opt(save(folder, make([external(location)]))), r"contains '\.\.'")


def test_absolute_location(quant_opt, folder):
    assert_refused(quant_opt(save(folder, make([external(folder.parent / "secret")]))), "absolute external location")


def test_link_in_a_parent_folder(quant_opt, folder):
    """CVE-2026-27489: the file is none, but a folder on the way is a link."""
    (folder / "sub").symlink_to(folder.parent)
    assert_refused(quant_opt(save(folder, make([external("sub/secret")]))), "link out of the model's folder")


@pytest.mark.parametrize("target", ["../secret", "sub/../../secret", "ABSOLUTE"])
def test_link(quant_opt, folder, target):
    """CVE-2026-34447: the file is a link."""
    (folder / "sub").mkdir()
    (folder / "data").symlink_to(str(folder.parent / "secret") if target == "ABSOLUTE" else target)
    assert_refused(quant_opt(save(folder, make([external("data")]))), "link out of the model's folder")


def test_chain_of_links(quant_opt, folder):
    (folder / "data").symlink_to("second")
    (folder / "second").symlink_to("third/secret")
    (folder / "third").symlink_to("..")
    assert_refused(quant_opt(save(folder, make([external("data")]))), "link out of the model's folder")


def test_links_that_stay_inside(quant_opt, folder):
    (folder / "sub").mkdir()
    (folder / "sub/bytes").write_bytes(SECRET)
    (folder / "data").symlink_to("sub/bytes")
    (folder / "again").symlink_to(folder / "sub")
    assert quant_opt(save(folder, make([external("data")]))).returncode == 0
    assert quant_opt(save(folder, make([external("again/bytes")]))).returncode == 0


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file(quant_opt, folder, kind):
    """A FIFO must not make the program wait."""
    if kind == "fifo":
        os.mkfifo(folder / "data")
    else:
        (folder / "data").mkdir()
    assert_refused(quant_opt(save(folder, make([external("data")]))), "not a regular file")


# ---- What the entries of external data may say ---------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [("__class__", "x"), ("basepath", "/"), ("location", "other")])
def test_injected_attributes(quant_opt, folder, extra):
    """CVE-2026-34445: keys that are none of external data, or come twice."""
    (folder / "data").write_bytes(SECRET)
    assert_refused(quant_opt(save(folder, make([external("data", extra=[extra])]))), "unknown external data key|twice")


@pytest.mark.parametrize("offset, length", [(0, 2**63), (0, 2**64), (2**64 - 8, 16), (-1, 16), (8, 16), (0, "1e3")])
def test_ranges(quant_opt, folder, offset, length):
    """CVE-2026-34445: a length that would take all memory, and ranges outside of the file."""
    (folder / "data").write_bytes(SECRET)
    assert_refused(quant_opt(save(folder, make([external("data", offset=offset, length=length)]))),
                   "expected a number|bytes of external data|needs 16 bytes at offset")


# ---- Paths that are written to or fetched --------------------------------------------------------------------------------


def test_outputs_are_not_named_by_models(quant_opt, folder):
    """CVE-2025-51480: saving must not write where the model says. CVE-2024-5187 and CVE-2026-28500: nothing is unpacked
    or fetched, whatever the metadata say."""
    (folder / "data").write_bytes(bytes(16 * 1024))
    model = make([external("data", shape=(4096,))])
    helper.set_model_props(model, {"location": "../secret", "url": "https://example.com/model.tar.gz", "trust": "silent"})
    model.graph.name = "../../secret"
    path = save(folder, model)
    out = folder.parent / "out"
    out.mkdir()
    before = {entry: entry.read_bytes() for entry in folder.parent.rglob("*") if entry.is_file()}
    assert quant_opt(path, f"--emit-onnx=output={out}/m.onnx").returncode == 0
    assert {entry.parent for entry in folder.parent.rglob("*") if entry.is_file() and entry not in before} == {out}
    assert all(entry.read_bytes() == data for entry, data in before.items())


# ---- Structure -----------------------------------------------------------------------------------------------------------


W = numpy_helper.from_array(np.ones(4, np.float32), "w")


@pytest.mark.parametrize("model, reason", [
    (make([W, W]), "given twice"),
    (make([W], inputs=("x", "x")), "'x' is defined twice"),
    (make([TensorProto(name="w", data_type=1, dims=[2**62, 4], raw_data=bytes(4))]), "too many elements"),
    (make([TensorProto(name="w", data_type=1, dims=[-4], raw_data=bytes(16))]), "negative dimension"),
    (make([TensorProto(name="w", data_type=1, dims=[4], raw_data=bytes(15))]), "has 15 bytes of data"),
    (make([TensorProto(name="w", data_type=1, dims=[4], float_data=[1, 2, 3])]), "has 12 bytes of data"),
    (make([TensorProto(name="w", data_type=99, dims=[4], raw_data=bytes(16))]), "unknown data type 99"),
    (make([TensorProto(name="w", data_type=1, dims=[4], segment=TensorProto.Segment(begin=0, end=4))]), "segments"),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "")
def test_structure(quant_opt, folder, model, reason):
    assert_refused(quant_opt(save(folder, model)), reason)


def test_strings_and_sparse_tensors_survive(quant_opt, folder):
    """What has no dense form is kept, not read as something else."""
    sparse = helper.make_sparse_tensor(helper.make_tensor("", 1, [1], [2.0]), helper.make_tensor("", 7, [1], [3]), [5])
    model = make([W, helper.make_tensor("s", TensorProto.STRING, [1], [b"\xff"])],
                 [helper.make_node("Mul", ["x", "w"], ["y"]), helper.make_node("Constant", [], ["c"], sparse_value=sparse)])
    path = save(folder, model)
    output = folder / "out.onnx"
    assert quant_opt(path, f"--emit-onnx=output={output}").returncode == 0
    assert output.read_bytes() == path.read_bytes()


# ---- Size ----------------------------------------------------------------------------------------------------------------


def test_large_files(quant_opt, folder):
    """Sparse files: data far behind 4 GiB, and a model of one initializer of 3 GiB."""
    with open(folder / "data", "wb") as file:
        file.truncate(6 << 30)
    assert quant_opt(save(folder, make([external("data", offset=(6 << 30) - 16)]))).returncode == 0
    assert_refused(quant_opt(save(folder, make([external("data", offset=(6 << 30) - 12)]))), "is the file complete")

    def record(field, length):
        bytes_ = bytearray()
        for number in (field << 3 | 2, length):
            while number >= 128:
                bytes_.append(number & 127 | 128)
                number >>= 7
            bytes_.append(number)
        return bytes(bytes_)

    count = 3 << 28
    tensor = TensorProto(name="big", data_type=1, dims=[count]).SerializeToString()
    tensor_head = tensor + record(9, 4 * count)
    initializer_head = record(5, len(tensor_head) + 4 * count) + tensor_head
    small = make([W])
    graph = small.graph.SerializeToString()
    small.ClearField("graph")
    rest = small.SerializeToString()
    head = rest + record(7, len(graph) + len(initializer_head) + 4 * count) + graph + initializer_head
    path = save(folder, head)
    os.truncate(path, len(head) + 4 * count)
    result = quant_opt(path)
    assert result.returncode == 0, result.stderr
    os.truncate(path, len(head) + 4 * count - 1)
    assert_refused(quant_opt(path), "is the file complete")
