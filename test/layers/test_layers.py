"""The layer rule holds, and a planted violation of each kind is caught."""

from pathlib import Path

import layers
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_project_keeps_the_layer_rule():
    assert layers.violations(ROOT) == []


def test_the_project_is_read():
    uses = list(layers.uses_in_sources(ROOT))
    assert any(used == "Support" for _, _, used in uses)


@pytest.fixture
def tree(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    for folder in ("lib", "include", "dialects", "tools"):
        (tmp_path / folder).mkdir()
    write.root = tmp_path
    return write


@pytest.mark.parametrize(
    "path, line",
    [
        ("lib/Support/A.cpp", '#include "quantopt/Numerics/B.h"'),
        ("include/quantopt/Numerics/A.h", '#include "quantopt/Dialect/Rot/IR/RotOps.h"'),
        ("lib/Weights/A.cpp", '#include "mlir/IR/BuiltinOps.h"'),
        ("lib/Weights/A.cpp", '#include "rot/RotOps.h.inc"'),
        ("lib/Dialect/Rot/IR/A.cpp", '#include "quantopt/Dialect/Param/IR/ParamOps.h"'),
        ("lib/Dialect/Onnx/Transforms/A.cpp", '#include "quantopt/Dialect/Llm/IR/LlmOps.h"'),
        ("lib/Dialect/Llm/Transforms/A.cpp", '#include "quantopt/Conversion/OnnxToLlm/A.h"'),
        ("lib/Conversion/OnnxToLlm/A.cpp", '#include "quantopt/Interp/Executor.h"'),
        ("lib/Interp/A.cpp", '#include "quantopt/InitAllDialects.h"'),
        ("dialects/rot/RotOps.td", 'include "q/QOps.td"'),
        ("lib/Support/CMakeLists.txt", "quantopt_add_library(QuantoptSupport MLIR)"),
    ],
)
def test_a_planted_violation_is_caught(tree, path, line):
    tree(path, line + "\n")
    assert len(layers.violations(tree.root)) == 1


def test_a_violation_in_cmake_is_caught(tree):
    tree("lib/Support/CMakeLists.txt", "quantopt_add_library(QuantoptSupport LIBS QuantoptNumerics)")
    tree("lib/Numerics/CMakeLists.txt", "quantopt_add_library(QuantoptNumerics LIBS QuantoptSupport)")
    assert layers.violations(tree.root) == [
        "lib/Support/CMakeLists.txt: Support uses Numerics, which is in a layer above"
    ]


def test_a_cycle_inside_a_layer_is_caught(tree):
    tree("lib/Numerics/A.cpp", '#include "quantopt/Weights/B.h"\n')
    tree("include/quantopt/Weights/B.h", '#include "quantopt/Numerics/A.h"\n')
    assert layers.violations(tree.root) == ["components use each other: Numerics -> Weights -> Numerics"]


@pytest.mark.parametrize(
    "path, line",
    [
        ("lib/Interp/A.cpp", '#include "quantopt/Dialect/Llm/IR/LlmOps.h"'),
        ("lib/Dialect/Q/IR/A.cpp", '#include "quantopt/Dialect/Param/IR/ParamOps.h"'),
        ("dialects/llm/LlmOps.td", 'include "rot/RotInterfaces.td"'),
        ("lib/Dialect/Rot/IR/A.cpp", '#include "quantopt/Numerics/Hadamard.h"'),
        ("tools/quant-opt/quant-opt.cpp", '#include "quantopt/InitAllPasses.h"'),
    ],
)
def test_what_the_rule_allows_passes(tree, path, line):
    tree(path, line + "\n")
    assert layers.violations(tree.root) == []


def test_a_folder_without_a_layer_is_an_error(tree):
    tree("lib/Sundry/A.cpp", '#include "quantopt/Support/Tensor.h"\n')
    with pytest.raises(layers.UnknownComponent):
        layers.violations(tree.root)
