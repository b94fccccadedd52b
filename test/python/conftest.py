"""Fixtures: what tools/setup.sh fetched, the model made of it, and the test data outside the tree."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from quantopt import gguf_tokenizer, llama_gguf
from quantopt.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
SHARED = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))

# IR of tests lies in temporary folders, the models that it names elsewhere.
os.environ["QUANTOPT_EXTERNAL_ROOT"] = os.pathsep.join(str(path) for path in (ROOT, SHARED, CACHE.resolve(), tempfile.gettempdir()))


@pytest.fixture(scope="session")
def root():
    return ROOT
# Every recognition is proved by running both forms. What has no weights to run with says so.
os.environ["QUANTOPT_VERIFY_RECOGNITION"] = "1"



@pytest.fixture(scope="session")
def shared():
    """The folder with the test data that is not in the tree."""
    if not SHARED.is_dir():
@pytest.fixture
def without_proofs(monkeypatch):
    """For tests that measure time and memory: recognitions are not proved, which takes more of both."""
    monkeypatch.delenv("QUANTOPT_VERIFY_RECOGNITION")


        pytest.skip("needs ../shared, which is absent")
    return SHARED


@pytest.fixture(scope="session")
def gguf_path():
    """The model that tools/setup.sh fetches."""
    return CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def tokenizer(gguf_path):
    return gguf_tokenizer.build_tokenizer(llama_gguf.LlamaGguf(gguf_path))


@pytest.fixture(scope="session")
def texts():
    """The evaluation texts, by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (CACHE / "texts").glob("*.txt")}


@pytest.fixture(scope="session")
def models():
    """Folders with the converted model, by the exporter that wrote the graph."""
    return {exporter: CACHE / f"smollm2-135m-{exporter}" for exporter in ("dynamo", "torchscript")}


@pytest.fixture(scope="session")
def emit_smollm2(root, models, tmp_path_factory):
    """Writes SmolLM2-135M in 4 bits as a bundle, with the options given to emit-bundle."""

    def emit(options=""):
        folder = tmp_path_factory.mktemp("smollm2") / "bundle"
        subprocess.run(
            [root / "build/bin/quant-opt", models["dynamo"] / "model.onnx", "--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7",
             f"--emit-bundle=output={folder} {options}"],
            check=True,
        )  # fmt: skip
        return Bundle(folder)

    return emit


@pytest.fixture(scope="session")
def smollm2_bundle(emit_smollm2):
    """That bundle for sm_80 and any number of rows."""
    return emit_smollm2("arch=sm_80")
