"""What emit-bundle writes, and that its kernels compute with it what the plan says: run by the PTX interpreter and compared
with numpy bit for bit."""

import json
import subprocess

import jsonschema
import numpy as np
import pytest

from quantopt import bundle as bundles
from quantopt import safetensors
from quantopt.bundle import check_linear, pack_s4_rows, unpack_s4_weight

# (channels, contraction) of the linears of SmolLM2-135M.
SHAPES = [(192, 576), (576, 576), (1536, 576), (576, 1536)]
ROWS = (1, 33, 128)


@pytest.mark.parametrize("rows, columns", [(16, 64), (192, 576), (17, 65), (40, 100)])
def test_packed_weights_unpack(rows, columns, root, tmp_path):
    """q.pack puts codes where kernels, and unpack_s4_weight, expect them."""
    codes = np.random.default_rng(rows).integers(-8, 8, (rows, columns), dtype=np.int8)
    scales = np.random.default_rng(columns).random((rows, 1), dtype=np.float32)
    nibbles = np.append(codes.reshape(-1), np.zeros(codes.size % 2, np.int8)).astype(np.uint8) & 15
    (tmp_path / "w.bin").write_bytes((nibbles[0::2] | nibbles[1::2] << 4).tobytes() + scales.tobytes())
    blocks, block_bytes = -(-rows // 16), -(-columns // 64) * 512
    pack_types = f"tensor<{rows}x{columns}xi4>, tensor<{rows}x1xf32>"
    packed_types = f"tensor<{blocks}x{block_bytes}xui8>, tensor<{blocks}x16xf32>"
    (tmp_path / "pack.mlir").write_text(f"""
      param.file @f "w.bin"
      param.global @codes : tensor<{rows}x{columns}xi4> from @f [offset = 0, length = {nibbles.size // 2}]
      param.global @scale : tensor<{rows}x1xf32> from @f [offset = {nibbles.size // 2}, length = {4 * rows}]
      param.derived @w {{
        %0 = param.load @codes : tensor<{rows}x{columns}xi4>
        %1 = param.load @scale : tensor<{rows}x1xf32>
        %2, %3 = q.pack %0, %1 {{layout = "m16n8k64.s4", group_size = 0 : i64}} : ({pack_types}) -> ({packed_types})
        param.yield %2, %3 : {packed_types}
      }}""")
    output = tmp_path / "w.safetensors"
    subprocess.run(
        [root / "build/bin/quant-opt", tmp_path / "pack.mlir", f"--param-materialize=output={output}", "-o", "/dev/null"],
        check=True,
    )
    found = safetensors.load(output)
    np.testing.assert_array_equal(unpack_s4_weight(found["w.codes"], rows, columns), codes)
    np.testing.assert_array_equal(found["w.scale"].reshape(-1)[:rows], scales[:, 0])


def test_rows_of_codes_are_filled():
    packed = pack_s4_rows(np.array([[1, -1, 7], [-8, 0, 2]], np.int8))
    assert packed.shape == (2, 32)
    assert packed[:, :2].tolist() == [[0xF1, 0x07], [0x08, 0x02]] and not packed[:, 2:].any()


def linears_of(bundle, shape):
    """One launch of each W4A4 kernel of that shape."""
    launches = {launch["kernel"]: launch for launch in bundle.launches if bundles.is_linear(launch["kernel"])}
    return [launch for name, launch in launches.items() if bundles.sizes_of(bundle.kernels[name]) == shape]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_and_results_are_exact(shape, rows, smollm2_bundle, root):
    """int32 sums, and (float(sum) · input scale) · weight scale, of weights of the bundle and random codes."""
    launches = linears_of(smollm2_bundle, shape)
    assert launches
    for launch in launches:
        for is_unit in (True, False):
            check_linear(smollm2_bundle, root / "build/bin/ptx-run", launch, rows, is_unit)


@pytest.mark.slow
def test_kernels_for_few_rows_are_exact(root, emit_smollm2):
    bundle = emit_smollm2("max-rows=8")
    for shape in SHAPES:
        for launch in linears_of(bundle, shape):
            assert launch["kernel"].startswith("gemm_decode")
            for rows in (1, 5, 8):
                check_linear(bundle, root / "build/bin/ptx-run", launch, rows)


def test_wrong_weights_are_noticed(smollm2_bundle, root, monkeypatch):
    """The comparison can fail: with one bit of a weight changed on the way to numpy, it does."""
    (launch, *_) = linears_of(smollm2_bundle, (192, 576))
    unpack = bundles.unpack_s4_weight
    monkeypatch.setattr(bundles, "unpack_s4_weight", lambda *arguments: unpack(*arguments) ^ (np.arange(576) == 500))
    with pytest.raises(bundles.BundleError, match="over 3 rows: .* of 576 results differ from numpy's"):
        check_linear(smollm2_bundle, root / "build/bin/ptx-run", launch, 3)


def test_bundle_of_a_model_is_whole(smollm2_bundle):
    smollm2_bundle.check_files()
    plan, weights = smollm2_bundle.plan, smollm2_bundle.load_weights()
    assert {"kernels.ptx", "weights.safetensors", "tokenizer.json"} <= plan["files"].keys()
    linears = [launch["role"].split(".")[-1] for launch in smollm2_bundle.launches if launch["kernel"].startswith("gemm_w4a4")]
    kinds = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {kind: linears.count(kind) for kind in set(linears)} == dict.fromkeys(kinds, 30)
    named = set()
    for phase in plan["phases"]:
        for launch in phase["launches"]:
            kernel = smollm2_bundle.kernels[launch["kernel"]]
            assert len(kernel["arguments"]) == len(launch["arguments"]) + 1
            for argument, value in zip(kernel["arguments"], launch["arguments"]):
                if argument["is"] == "weight":
                    assert list(weights[value["weight"]].shape) == argument["shape"]
                    named.add(value["weight"])
                elif argument["is"] != "state":
                    buffer = phase["buffers"][value["activation"]]
                    assert (buffer["dtype"], buffer["row_bytes"]) == (argument["dtype"], argument["row_bytes"])
    assert named == weights.keys()


def test_plan_fits_the_schema(smollm2_bundle, root):
    schema = json.loads((root / "lib/Target/PTX/plan.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(smollm2_bundle.plan)
    # It can say no.
    for change in ({"version": 1}, {"arch": 80}, {"unknown": 0}, {"phases": [{}]}):
        assert not validator.is_valid({**smollm2_bundle.plan, **change})


def lives(bundle, phase):
    """The first and the last launch that touch each activation."""
    found = {}
    for number, launch in enumerate(phase["launches"]):
        for value in launch["arguments"]:
            if "activation" in value:
                first, _ = found.get(value["activation"], (number, number))
                found[value["activation"]] = first, number
    return found


def test_living_buffers_do_not_overlap(smollm2_bundle):
    """By the launches alone; rows of codes and sums of a layer share the arena of a few."""
    for phase in smollm2_bundle.plan["phases"]:
        live = lives(smollm2_bundle, phase)
        placed = {name: buffer for name, buffer in phase["buffers"].items() if "offset" in buffer}
        assert placed.keys().isdisjoint([*phase["inputs"].values(), *phase["outputs"].values()])
        for name, buffer in placed.items():
            assert buffer["offset"] % 16 == 0
            assert buffer["offset"] + buffer["row_bytes"] <= phase["arena_row_bytes"]
            for other, beside in placed.items():
                is_apart = live[name][0] > live[other][1] or live[other][0] > live[name][1]
                if name == other or is_apart or other == buffer.get("in_place_of") or name == beside.get("in_place_of"):
                    continue
                first, second = sorted((buffer, beside), key=lambda b: b["offset"])
                assert first["offset"] + first["row_bytes"] <= second["offset"], f"{name} and {other}"
        for name, buffer in placed.items():
            if "in_place_of" in buffer:
                residual = buffer["in_place_of"]
                assert (placed[residual]["offset"], live[residual][1]) == (buffer["offset"], live[name][0])
        assert phase["arena_row_bytes"] <= sum(buffer["row_bytes"] + 15 for buffer in placed.values())


def test_tails_work_row_by_row(smollm2_bundle):
    """From the tail on nothing reads a cache or the sequences; what comes before it does."""
    for phase in smollm2_bundle.plan["phases"]:
        around = [
            any("cache" in value or value.get("activation") == phase["inputs"]["sequences"] for value in launch["arguments"])
            for launch in phase["launches"]
        ]
        assert around[phase["tail"] - 1] and not any(around[phase["tail"] :])
        assert all("rows" in smollm2_bundle.kernels[launch["kernel"]]["grid"]["y"] for launch in phase["launches"][phase["tail"] :])


def test_arenas_are_small(smollm2_bundle):
    """A phase of 30 layers needs no more than what a launch reads and writes, and the residual stream."""
    for phase in smollm2_bundle.plan["phases"]:
        buffers = phase["buffers"]
        most = max(
            sum(-(-buffers[name]["row_bytes"] // 16) * 16 for name in {v.get("activation") for v in launch["arguments"]} if name in buffers and "offset" in buffers[name])
            for launch in phase["launches"]
        )  # fmt: skip
        stream = 576 * 4
        assert phase["arena_row_bytes"] <= most + stream + 1024


def test_launches_are_in_order(smollm2_bundle):
    """What a launch reads, an earlier one or an op without a kernel wrote, or the caller gives."""
    kernels = smollm2_bundle.kernels
    for phase in smollm2_bundle.plan["phases"]:
        written_later = set()
        for launch in reversed(phase["launches"]):
            for argument, value in zip(kernels[launch["kernel"]]["arguments"], launch["arguments"]):
                if argument["is"] == "result":
                    written_later.add(value["activation"])
            for argument, value in zip(kernels[launch["kernel"]]["arguments"], launch["arguments"]):
                if argument["is"] == "input":
                    assert value["activation"] not in written_later


def test_damaged_bundles_are_found(smollm2_bundle, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({**smollm2_bundle.plan, "version": 99}))
    with pytest.raises(bundles.BundleError, match="expected a quantopt-bundle of version 2"):
        bundles.Bundle(tmp_path)
    plan = {**smollm2_bundle.plan, "files": {"kernels.ptx": smollm2_bundle.plan["files"]["kernels.ptx"]}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "kernels.ptx").write_text(smollm2_bundle.ptx.read_text().replace("sm_80", "sm_86"))
    with pytest.raises(bundles.BundleError, match="kernels.ptx is not the file that the plan names"):
        bundles.Bundle(tmp_path).check_files()
