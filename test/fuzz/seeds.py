"""Writes what fuzzing begins with: python seeds.py FOLDER [SHARED]

FOLDER/onnx: small models (test/Onnx/Inputs/models.py; the fixtures of SHARED without their weights, and conformance tests);
FOLDER/ir: the modules of test/Dialect; FOLDER/data: empty external data of the size that the models name.
"""

import subprocess
import sys
from pathlib import Path

import onnx

TEST = Path(__file__).resolve().parents[1]
MODELS = ("tiny", "mlp", "odd", "unsorted", "short_raw", "past_end", "cyclic", "few_inputs", "branches")
LARGEST = 40_000  # bytes of a model without its weights
CONFORMANCE = 40  # as many tests of single operators, spread over all


def write_ir(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((TEST / "Dialect").glob("*/*.mlir")):
        for number, module in enumerate(path.read_text(encoding="utf-8").split("// -----")):
            (folder / f"{path.parent.name}-{path.stem}-{number}").write_text(module, encoding="utf-8")


def models(folder, shared):
    """Paths of models."""
    for name in MODELS:
        subprocess.run([sys.executable, TEST / "Onnx/Inputs/models.py", name, folder / "made" / name], check=True)
        yield folder / "made" / name / "model.onnx"
    if shared is None:
        return
    yield from sorted((shared / "fixtures").glob("*/model.onnx"))
    cases = sorted((shared / "conformance/onnx-node").glob("*/model.onnx"))
    yield from cases[:: max(1, len(cases) // CONFORMANCE)]


def main():
    folder = Path(sys.argv[1])
    shared = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    write_ir(folder / "ir")
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for path in models(folder, shared):
        if path.stat().st_size > LARGEST:
            continue
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location" and "/" not in entry.value and entry.value != "..":
                    with open(folder / "data" / entry.value, "ab") as file:
                        file.truncate(1 << 30)
        (folder / "onnx" / f"{path.parent.name}").write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
