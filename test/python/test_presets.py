"""What quant-opt promises for every preset on SmolLM2-135M: bounded memory, and the same files for any number of threads."""

import hashlib
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PRESETS = ("--quarot", "--rtn", "--w4a16")
PEAK_BYTES = 300e6


def digest(folder):
    """Hashes of the files in a folder, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.usefixtures("without_proofs")
@pytest.mark.parametrize("preset", PRESETS)
def test_emission_is_deterministic_and_frugal(preset, root, models, tmp_path):
    """Runs with 1, 2, 5 and again 2 threads give the same bytes, and none takes more than 300 MB."""
    digests, peaks = [], []
    for run, threads in enumerate((1, 2, 5, 2)):
        folder = tmp_path / str(run)
        folder.mkdir()
        output = folder / "model.onnx"
        # Measured by a process of its own: a child starts with the resident set of its parent.
        subprocess.run(
            [sys.executable, "-m", "quantopt.measure", tmp_path / "run.json", root / "build/bin/quant-opt",
             models["dynamo"] / "model.onnx", preset, f"--emit-onnx=output={output} threads={threads}"],
            check=True,
        )
        digests.append(digest(folder))
        peaks.append(json.loads((tmp_path / "run.json").read_text())["peak_bytes"])
        for path in folder.iterdir():
            path.unlink()
    print(preset, [f"{peak / 1e6:.0f} MB" for peak in peaks])
    assert digests.count(digests[0]) == len(digests)
    assert max(peaks) <= PEAK_BYTES
