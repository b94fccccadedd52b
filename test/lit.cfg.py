"""The lit suite: IR and tool tests, checked by FileCheck.

Substitutions: %shared, the folder with the test data that is not in the tree; %models, test/models; %cache, what tools/setup.sh
made: %cache/smollm2-135m-{dynamo,torchscript}/model.onnx, %cache/texts; %python; %ptxas, NVIDIA's assembler;
%fuzz, the programs of test/fuzz; %cuda-stand-in, a folder with a libcuda.so.1 that runs kernels on the PTX interpreter.
Features, for REQUIRES: shared, that folder is there; model, the cache is filled; ptxas, it is installed; slow, this is no
quick run.
"""

import glob
import os
import shutil

import lit.formats

source = config.quantopt_source_root
binary = config.quantopt_binary_root

config.name = "quantopt"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit", "python", "layers", "models"]
config.test_source_root = os.path.join(source, "test")
config.test_exec_root = os.path.join(binary, "test")

config.environment["PATH"] = os.pathsep.join([os.path.join(binary, "bin"), config.llvm_tools, os.environ["PATH"]])
config.environment["PYTHONPATH"] = os.path.join(source, "python")

shared = os.environ.get("QUANTOPT_SHARED", os.path.join(source, os.pardir, "shared"))
config.substitutions += [
    ("%shared", os.path.normpath(shared)),
    ("%models", os.path.join(source, "test", "models")),
    ("%cache", os.path.join(source, ".cache")),
    ("%python", config.python),
    ("%fuzz", os.path.join(binary, "test", "fuzz")),
    ("%cuda-stand-in", os.path.join(binary, "test", "lib", "cuda-stand-in")),
]

# IR of tests lies in the build folder, the models that it names elsewhere.
config.environment["QUANTOPT_EXTERNAL_ROOT"] = os.pathsep.join(
    os.path.abspath(path) for path in (shared, os.path.join(source, "test"), os.path.join(source, ".cache"), binary)
)

# Every recognition is proved. What has no weights to run with says so.
config.environment["QUANTOPT_VERIFY_RECOGNITION"] = "1"

if os.path.isdir(shared):
    config.available_features.add("shared")
if os.path.exists(os.path.join(source, ".cache", "smollm2-135m-torchscript", "model.onnx")):
    config.available_features.add("model")
if "QUANTOPT_QUICK" not in os.environ:
    config.available_features.add("slow")

# The project's own, else one of a CUDA toolkit.
packages = os.path.join(os.path.dirname(config.python), os.pardir, "lib", "python3*", "site-packages", "nvidia")
ptxas = next(iter(glob.glob(os.path.join(packages, "*", "bin", "ptxas"))), None)
ptxas = ptxas or shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
if ptxas:
    config.available_features.add("ptxas")
    config.substitutions.append(("%ptxas", ptxas))
