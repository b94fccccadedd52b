"""Files made to harm: quant-opt refuses each with one plain error, and reads nothing that it should not.

Among them the shapes of all published ONNX vulnerabilities with external data and paths. A secret lies outside of the
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
    """Runs quant-opt without external roots but those given as options."""

    def run(*arguments, **options):
        environment = {name: value for name, value in os.environ.items() if name != "QUANTOPT_EXTERNAL_ROOT"}
        return subprocess.run([root / "build/bin/quant-opt", *arguments], env=environment, capture_output=True, text=True,
                              timeout=60, **options)

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
    assert_refused(quant_opt(save(folder, make([external("sub/secret")]))), "it leads out of")


@pytest.mark.parametrize("target", ["../secret", "sub/../../secret", "ABSOLUTE"])
def test_link(quant_opt, folder, target):
    """CVE-2026-34447: the file is a link."""
    (folder / "sub").mkdir()
    (folder / "data").symlink_to(str(folder.parent / "secret") if target == "ABSOLUTE" else target)
    assert_refused(quant_opt(save(folder, make([external("data")]))), "it leads out of .*--external-root=")


def test_chain_of_links(quant_opt, folder):
    (folder / "data").symlink_to("second")
    (folder / "second").symlink_to("third/secret")
    (folder / "third").symlink_to("..")
    assert_refused(quant_opt(save(folder, make([external("data")]))), "it leads out of")
    (folder / "loop").symlink_to("loop")
    assert_refused(quant_opt(save(folder, make([external("loop")]))), "too many links")


def test_hard_link(quant_opt, folder):
    """CVE-2026-34446: another name of a file elsewhere."""
    os.link(folder.parent / "secret", folder / "data")
    path = save(folder, make([external("data")]))
    assert_refused(quant_opt(path), "hard links")
    assert quant_opt(path, f"--external-root={folder}").returncode == 0


def test_links_that_stay_inside(quant_opt, folder):
    (folder / "sub").mkdir()
    (folder / "sub/bytes").write_bytes(SECRET)
    (folder / "data").symlink_to("sub/bytes")
    (folder / "again").symlink_to(folder / "sub")
    assert quant_opt(save(folder, make([external("data")]))).returncode == 0
    assert quant_opt(save(folder, make([external("again/bytes")]))).returncode == 0


def test_hugging_face_cache(quant_opt, tmp_path):
    """Snapshots are links to blobs: named as external root, the blobs are read."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots/0a1b"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "d0").write_bytes(SECRET)
    (blobs / "d1").write_bytes(make([external("model.onnx_data")]).SerializeToString())
    (snapshot / "model.onnx_data").symlink_to("../../blobs/d0")
    (snapshot / "model.onnx").symlink_to("../../blobs/d1")
    refused = quant_opt(snapshot / "model.onnx")
    assert_refused(refused, "--external-root=")
    allowed = re.search(r"--external-root=\S+", refused.stderr).group()
    output = snapshot / "out.onnx"
    result = quant_opt(snapshot / "model.onnx", allowed, f"--emit-onnx=output={output}")
    assert result.returncode == 0, result.stderr
    assert output.read_bytes() == (blobs / "d1").read_bytes()


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_what_is_no_file(quant_opt, folder, kind):
    """A FIFO must not make the program wait, nor a device be opened."""
    roots = []
    if kind == "fifo":
        os.mkfifo(folder / "data")
    elif kind == "folder":
        (folder / "data").mkdir()
    else:
        (folder / "data").symlink_to("/dev/zero")
        roots = ["--external-root=/dev"]
    assert_refused(quant_opt(save(folder, make([external("data")])), *roots), "not a regular file")


def test_modules_are_confined_too(quant_opt, folder):
    """The IR names files as models do; its location may lie about its folder."""
    text = """module attributes {onnx.model = {ir_version = 10, opset_imports = {ai.onnx = 21}}} {
      param.file @f "%s"
      param.global @w : tensor<4xf32> from @f [offset = 0, length = 16]
      func.func @main() -> tensor<4xf32> {
        %%w = param.load @w : tensor<4xf32>
        return %%w : tensor<4xf32>
      }
    } loc("%s/x.mlir":0:0)
    """
    command = (f"--emit-onnx=output={folder}/out.onnx",)
    for path, location in (("../secret", folder), (folder.parent / "secret", folder), ("secret", folder.parent)):
        (folder / "module.mlir").write_text(text % (path, location))
        result = quant_opt(folder / "module.mlir", *command)
        assert result.returncode == 1 and "--external-root=" in result.stderr, result.stderr
        assert not (folder / "out.onnx").exists()


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


def test_overlaps(quant_opt, folder):
    """Tied weights share a range; ranges that cross are an error."""
    (folder / "data").write_bytes(bytes(64))
    nodes = [helper.make_node("Mul", ["v", "w"], ["y"])]
    tied = [external("data", "v", offset=16), external("data", "w", offset=16)]
    assert quant_opt(save(folder, make(tied, nodes))).returncode == 0
    crossing = [external("data", "v", offset=16), external("data", "w", offset=24)]
    assert_refused(quant_opt(save(folder, make(crossing, nodes))), "inside of tensor 'v', and ends outside of it")


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


def nested(depth):
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "g", [], [])
    for _ in range(depth):
        graph = helper.make_graph([helper.make_node("If", ["x"], ["z"], then_branch=graph, else_branch=graph)] if _ < 1 else
                                  [helper.make_node("If", ["x"], ["z"], then_branch=graph)], "g", [], [])
    return [helper.make_node("If", ["x"], ["y"], then_branch=graph)]


def function(name, *nodes):
    return helper.make_function("own", name, ["a"], ["b"], list(nodes), [helper.make_opsetid("own", 1)])


def call(name, source="a", result="b"):
    return helper.make_node(name, [source], [result], domain="own")


def chain(count, width):
    """Functions of which each calls the next `width` times."""
    functions = []
    for i in range(count):
        edges = ["a", *(f"t{k}" for k in range(width - 1)), "b"]
        functions.append(function(f"F{i}", *(call(f"F{i + 1}", *edges[k : k + 2]) for k in range(width))))
    functions.append(function(f"F{count}", helper.make_node("Neg", ["a"], ["b"])))
    return functions


W = numpy_helper.from_array(np.ones(4, np.float32), "w")
CALLS_F0 = [helper.make_node("F0", ["x"], ["y"], domain="own")]


@pytest.mark.parametrize("model, reason", [
    (make([W], nested(20)), "--max-depth"),
    (make(nodes=CALLS_F0, functions=[function("F0", call("F0"))]), "'own::F0' calls itself"),
    (make(nodes=CALLS_F0, functions=[function("F0", call("F1")), function("F1", call("F0"))]), "calls itself"),
    (make(nodes=CALLS_F0, functions=chain(30, 1)), "--max-depth"),
    (make(nodes=CALLS_F0, functions=chain(12, 8)), "--max-nodes"),
    (make(nodes=CALLS_F0, functions=[function("F0", call("Neg")), function("F0", call("Abs"))]), "given twice"),
    (make([W, W]), "given twice"),
    (make([W], inputs=("x", "x")), "'x' is defined twice"),
    (make([W], [helper.make_node("Mul", ["x", "w"], ["y"], **{f"a{i}": 1 for i in range(1001)})]), "--max-attributes"),
    (make([W], [helper.make_node("Mul", ["x", "w"], ["y"], "n" * 70000)]), "--max-name-bytes"),
    (make([TensorProto(name="w", data_type=1, dims=[1] * 65, raw_data=bytes(4))]), "--max-rank"),
    (make([TensorProto(name="w", data_type=1, dims=[2**62, 4], raw_data=bytes(4))]), "too many elements"),
    (make([TensorProto(name="w", data_type=1, dims=[-4], raw_data=bytes(16))]), "negative dimension"),
    (make([TensorProto(name="w", data_type=1, dims=[4], raw_data=bytes(15))]), "has 15 bytes of data"),
    (make([TensorProto(name="w", data_type=1, dims=[4], float_data=[1, 2, 3])]), "has 12 bytes of data"),
    (make([TensorProto(name="w", data_type=99, dims=[4], raw_data=bytes(16))]), "unknown data type 99"),
    (make([TensorProto(name="w", data_type=1, dims=[4], segment=TensorProto.Segment(begin=0, end=4))]), "segments"),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "")
def test_structure(quant_opt, folder, model, reason):
    assert_refused(quant_opt(save(folder, model)), reason)


def doubled(operator, count):
    """A chain of nodes that read the one before twice: 2^count ways lead through it."""
    return [helper.make_node(operator, [edge, edge], [f"d{i}"])
            for i, edge in enumerate(["d", *(f"d{i}" for i in range(count - 1))])]


@pytest.mark.parametrize("kind", ["sizes", "heads", "views"])
def test_long_chains(quant_opt, folder, kind):
    """Recognition follows values back through doublings and through many nodes, in bounded time and stack."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 2, 4])
    zero = numpy_helper.from_array(np.zeros(1, np.int64), "zero")
    if kind == "sizes":
        nodes = [helper.make_node("Shape", ["x"], ["d"]), *doubled("Mul", 64), helper.make_node("Reshape", ["x", "d63"], ["y"])]
    elif kind == "heads":
        nodes = [helper.make_node("Neg", ["x"], ["d"]), *doubled("Add", 64), helper.make_node("Add", ["d63", "d63"], ["y"])]
    else:
        edges = ["x", *(f"e{i}" for i in range(79999)), "y"]
        nodes = [helper.make_node("Squeeze" if i % 2 else "Unsqueeze", [a, "zero"], [b])
                 for i, (a, b) in enumerate(zip(edges, edges[1:]))]
    graph = helper.make_graph(nodes, "graph", [x], [helper.make_value_info("y", helper.make_tensor_type_proto(1, None))], [zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    assert quant_opt(save(folder, model), "--explain").returncode == 0


def test_names_that_are_not_utf8(quant_opt, folder):
    data = make([W], [helper.make_node("Mul", ["x", "w"], ["y"], "NAME")]).SerializeToString()
    assert_refused(quant_opt(save(folder, data.replace(b"NAME", b"\xff\xfe\x00\x80"))), "not UTF-8")


def test_limits_are_options(quant_opt, folder):
    path = save(folder, make([W]))
    assert_refused(quant_opt(path, "--max-nodes=0"), "has 1 nodes, more than the 0 of --max-nodes")
    assert_refused(quant_opt(path, "--max-initializers=0"), "--max-initializers")
    assert_refused(quant_opt(path, "--max-structure-bytes=10"), "--max-structure-bytes")
    assert quant_opt(path, "--max-nodes=1").returncode == 0


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
