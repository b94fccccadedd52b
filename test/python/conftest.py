"""Fixtures: what tools/setup.sh fetched, the model made of it, and the test data outside the tree."""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from quantopt import gguf_tokenizer, llama_gguf
from quantopt.bundle import Bundle
from quantopt.decoder import Decoder

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
SHARED = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))

# IR of tests lies in temporary folders, the models that it names elsewhere.
os.environ["QUANTOPT_EXTERNAL_ROOT"] = os.pathsep.join(str(path) for path in (ROOT, SHARED, CACHE.resolve(), tempfile.gettempdir()))

# Every recognition is proved by running both forms. What has no weights to run with says so.
os.environ["QUANTOPT_VERIFY_RECOGNITION"] = "1"


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture
def without_proofs(monkeypatch):
    """For tests that measure time and memory: recognitions are not proved, which takes more of both."""
    monkeypatch.delenv("QUANTOPT_VERIFY_RECOGNITION")


@pytest.fixture(scope="session")
def shared():
    """The folder with the test data that is not in the tree."""
    if not SHARED.is_dir():
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
def made_once(tmp_path_factory):
    """made_once(name, make): a folder that `make`, called with it, has filled; one for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def call(name, make):
        folder, complete = shared / name, shared / f"{name}.complete"
        with open(shared / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
            if not complete.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                complete.touch()
        return folder

    return call


@pytest.fixture(scope="session")
def quantize_smollm2(root, models, made_once):
    """quantize_smollm2(preset, kind, options): the folder in which quant-opt wrote SmolLM2-135M. `kind` says as what: "bundle" or
    "onnx", the emission pass, which gets `options`."""

    def quantize(preset, kind, options=""):
        output = {"bundle": "bundle", "onnx": "model.onnx"}[kind]

        def make(folder):
            command = [root / "build/bin/quant-opt", models["dynamo"] / "model.onnx", preset]
            subprocess.run([*command, f"--emit-{kind}=output={folder / output} {options}"], check=True)

        name = hashlib.sha256("|".join((preset, kind, options)).encode()).hexdigest()[:16]
        return made_once(f"smollm2-{name}", make) / output

    return quantize


@pytest.fixture(scope="session")
def emit_smollm2(quantize_smollm2):
    """Writes SmolLM2-135M in 4 bits as a bundle, with the options given to emit-bundle."""
    return lambda options="": Bundle(quantize_smollm2("--quarot=weight-bits=4 act-bits=4 kv-bits=4 seed=7", "bundle", options))


@pytest.fixture(scope="session")
def original_logits(models, tokenizer, texts, made_once):
    """original_logits(text): a folder with the first 1,024 tokens of a text, ids.npy, and what SmolLM2-135M makes of them in
    onnxruntime, logits.npy."""

    def call(text):
        def make(folder):
            ids = tokenizer.encode(texts[text], add_special_tokens=False).ids[:1024]
            np.save(folder / "ids.npy", ids)
            np.save(folder / "logits.npy", Decoder(models["dynamo"] / "model.onnx").step(ids))

        return made_once(f"logits-{text}", make)

    return call


@pytest.fixture(scope="session")
def smollm2_bundle(emit_smollm2):
    """That bundle for sm_80 and any number of rows."""
    return emit_smollm2("arch=sm_80")
