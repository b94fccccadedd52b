"""The lit suite: IR and tool tests, checked by FileCheck.

Substitutions: %shared, the folder with the test data that is not in the tree; %models, test/models; %python.
Features, for REQUIRES: shared (that folder is there), model (tools/setup.sh has fetched the model), slow (not a quick run).
"""

import os

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
    ("%python", config.python),
]

if os.path.isdir(shared):
    config.available_features.add("shared")
if os.path.exists(os.path.join(source, ".cache", "SmolLM2-135M-Instruct.Q4_1.gguf")):
    config.available_features.add("model")
if "QUANTOPT_QUICK" not in os.environ:
    config.available_features.add("slow")
