"""Every fixture through the compiler: imported, written again, recognised, executed in three forms, rotated, proved.

fixture_report.py finds the facts and renders test/models/Fixtures.md. No fixture is treated otherwise than another.
"""

import difflib
import os
from pathlib import Path

import fixture_report
import pytest

ROOT = fixture_report.ROOT
SHARED = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))
FOLDERS = fixture_report.fixture_folders(SHARED if SHARED.is_dir() else None)


@pytest.fixture(scope="module")
def facts():
    """Facts of all fixtures, by name."""
    return {found.name: found for found in fixture_report.examine_all(FOLDERS)}


@pytest.mark.parametrize("name", [folder.name for folder in FOLDERS])
def test_fixture(name, facts):
    found = facts[name]
    assert found.imported == ""
    assert found.reemitted == ""
    assert found.forms["onnx"] == ""
    assert found.forms["llm"] == ""
    assert found.forms["rotated"] == ""
    assert found.verified == ""


def test_page_says_what_is_found(facts, shared):
    found = fixture_report.render(facts.values())
    committed = fixture_report.PAGE.read_text(encoding="utf-8")
    difference = difflib.unified_diff(committed.splitlines(), found.splitlines(), "committed", "found", lineterm="", n=0)
    assert found == committed, "\n".join([*difference, "run PYTHONPATH=python test/python/fixture_report.py --write"])


PRINTED = """
  func.func @main(%arg0: tensor<?x?xi64> {onnx.name = "input_ids"}, %arg1: tensor<?x1x?x8xf32> {onnx.name = "past"}) {
    %0 = param.load @w : tensor<8x8xf32>
    %1 = onnx.Gather(%0, %arg0) : (tensor<8x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
    %2 = onnx.Shape(%arg1) : (tensor<?x1x?x8xf32>) -> tensor<4xi64>
    %3 = onnx.Cast(%2) : (tensor<4xi64>) -> tensor<4xf32>
    %4:2 = onnx.node "com.microsoft::Skip"(%1, %0) : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>)
    %5 = onnx.Mul(%4#1, %3) : (tensor<?x?x8xf32>, tensor<4xf32>) -> tensor<?x?x8xf32>
    %6 = onnx.Neg(%1) : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    return %5 : tensor<?x?x8xf32>
"""


def test_data_nodes():
    """Those between token ids or caches and results; not shapes, weights, or what nobody needs."""
    assert fixture_report.data_nodes(PRINTED) == ["onnx.Mul", "com.microsoft::Skip", "onnx.Gather"]
