"""Imports models with quant-opt and writes them again, directly and through text; all must come out byte for byte.

    python reemission.py SCRATCH MODEL.onnx...

Data files beside a model are linked into the scratch folder; where the model's weights are not stored with it (there is a
weights.json), an empty file of the right size stands for them.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path


def prepare(source, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in source.parent.glob(source.name + "*"):
        shutil.copyfile(file, folder / file.name)
    weights = source.parent / "weights.json"
    if weights.exists():
        description = json.loads(weights.read_text())
        with open(folder / description["data_file"], "wb") as data:
            data.truncate(description["data_bytes"])


def quant_opt(folder, *arguments):
    result = subprocess.run(["quant-opt", *arguments], cwd=folder, capture_output=True, text=True)
    if result.returncode or result.stderr:
        return f"quant-opt {' '.join(arguments)} fails: {result.stderr[:500]}"
    return None


def check(source, folder):
    """What is wrong with the re-emission of a model; None if nothing is."""
    prepare(source, folder)
    name = source.name
    steps = [
        (name, "--emit-onnx=output=direct.onnx"),
        (name, "-o", "text.mlir"),
        ("text.mlir", "--emit-onnx=output=through-text.onnx"),
    ]
    for step in steps:
        if problem := quant_opt(folder, *step):
            return problem
    for output in ("direct.onnx", "through-text.onnx"):
        if (folder / output).read_bytes() != source.read_bytes():
            return f"{output} differs from the model"
    left = [file for file in os.listdir(folder) if ".tmp-" in file]
    return f"left behind: {left}" if left else None


def main():
    scratch = Path(sys.argv[1])
    failures = 0
    models = [Path(path) for path in sys.argv[2:]]
    for source in models:
        problem = check(source, scratch / source.parent.name)
        failures += bool(problem)
        print(f"{source.parent.name}: {problem or 'identical'}")
    print(f"{len(models) - failures} of {len(models)} identical")
    sys.exit(bool(failures) or not models)


if __name__ == "__main__":
    main()
