"""Fixtures: what tools/setup.sh fetched, the evaluation data outside the tree, the converted model."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared():
    """The folder with the test data that is not in the tree."""
    folder = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("needs ../shared, which is absent")
    return folder


@pytest.fixture(scope="session")
def gguf_path():
    """The model that tools/setup.sh fetches."""
    return ROOT / ".cache/SmolLM2-135M-Instruct.Q4_1.gguf"
