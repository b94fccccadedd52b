"""The converter: the row order of rotary projections, what it refuses, and the model it makes."""

import json
import shutil

import numpy as np
import pytest

from quantopt import convert_gguf, files, llama_gguf
from quantopt.decoder import Decoder

PERPLEXITY_FIRST_WINDOW = {"narrative": 25.56, "expository": 18.30}  # measured by an independent implementation


def test_rotary_rows_return_to_halves():
    heads, size = 3, 8
    halves = np.arange(heads * size * 5, dtype=np.float32).reshape(heads * size, 5)
    # Row order of GGUF: within each head, rows i and i + size/2 become neighbours.
    pairs = np.stack([halves[h * size + i + half] for h in range(heads) for i in range(size // 2) for half in (0, size // 2)])
    assert np.array_equal(llama_gguf.halves_from_pairs(pairs, heads), halves)


def test_damaged_headers(root):
    """Files that are cut off, or whose counts and lengths lie, are errors that say so."""
    damaged = sorted((root / "test/fuzz/regressions/gguf").iterdir())
    assert damaged
    for path in damaged:
        with pytest.raises(llama_gguf.ModelError):
            llama_gguf.LlamaGguf(path).config()


class OneMatrix:
    """A model whose every parameter is the same matrix."""

    def parameter(self, name):
        return np.arange(6, dtype=np.float32).reshape(2, 3)


def entry(**changes):
    fields = {"initializer": "w", "hf_name": "x", "transposed": False, "shape": [2, 3], "dtype": "float32", "length": 24}
    return {**fields, **changes}


def test_transposed_parameter():
    stored = convert_gguf.stored_parameter(OneMatrix(), entry(transposed=True, shape=[3, 2]))
    assert stored.tobytes() == np.array([0, 3, 1, 4, 2, 5], np.float32).tobytes()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"dtype": "float16"}, "expected dtype float32"),
        ({"shape": [3, 2]}, "expected shape"),
        ({"length": 12}, "weights.json gives 12 bytes"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(llama_gguf.ModelError, match=message):
        convert_gguf.stored_parameter(OneMatrix(), entry(**changes))


def test_a_file_that_is_not_gguf_is_refused(tmp_path, root, capsys):
    source = tmp_path / "model.gguf"
    source.write_bytes(b"no model at all, but long enough to be read")
    with pytest.raises(SystemExit) as stop:
        convert_gguf.main([str(source), str(root / "test/models/smollm2-135m-dynamo"), str(tmp_path / "out")])
    assert "cannot be read as GGUF" in str(stop.value)
    assert not (tmp_path / "out").exists()


def test_a_graph_of_another_size_is_refused(tmp_path, root, gguf_path):
    graph = tmp_path / "graph"
    shutil.copytree(root / "test/models/smollm2-135m-dynamo", graph)
    table = json.loads((graph / "weights.json").read_text())
    table["config"]["hidden_size"] = 960
    (graph / "weights.json").write_text(json.dumps(table))
    with pytest.raises(llama_gguf.ModelError, match="hidden_size = 960"):
        convert_gguf.convert(gguf_path, graph, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        with files.replacing(tmp_path / "data") as file:
            file.write(b"half")
            raise RuntimeError("interrupted")
    assert list(tmp_path.iterdir()) == []


def logits(model, ids):
    return Decoder(model / "model.onnx").step(ids)


def perplexity(values, ids):
    values = values[:-1].astype(np.float64)
    values -= values.max(-1, keepdims=True)
    chosen = values[np.arange(len(ids) - 1), ids[1:]]
    return float(np.exp(np.mean(np.log(np.exp(values).sum(-1)) - chosen)))


@pytest.mark.slow
@pytest.mark.parametrize("name", PERPLEXITY_FIRST_WINDOW)
def test_the_reference_perplexity_is_reached(original_logits, name):
    ids, values = (np.load(original_logits(name) / file) for file in ("ids.npy", "logits.npy"))
    assert perplexity(values, ids) == pytest.approx(PERPLEXITY_FIRST_WINDOW[name], abs=0.01)


@pytest.mark.slow
def test_both_graphs_agree(models, tokenizer, texts):
    ids = tokenizer.encode(texts["narrative"], add_special_tokens=False).ids[:128]
    assert np.abs(logits(models["dynamo"], ids) - logits(models["torchscript"], ids)).max() < 1e-3


@pytest.mark.slow
def test_decoding_through_the_cache_equals_a_prefill(models, tokenizer):
    ids = tokenizer.encode("Water boils at one hundred degrees, and", add_special_tokens=False).ids
    whole = logits(models["dynamo"], ids)
    decoder = Decoder(models["dynamo"] / "model.onnx")
    steps = np.concatenate([decoder.step(ids[:3]), *(decoder.step([token]) for token in ids[3:])])
    assert np.abs(whole - steps).max() < 1e-3
