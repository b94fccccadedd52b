"""Fills the graph of an ONNX export with the weights of a GGUF file.

    python -m quantopt.convert_gguf MODEL.gguf GRAPHDIR OUTDIR

GRAPHDIR holds model.onnx as an exporter wrote it, without its external data, and weights.json, which says where in that
data each parameter lies. Written are the model with its data, tokenizer.json, config.json and generation_config.json.
Memory: the largest parameter in f32, twice where the graph wants it transposed.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from quantopt.files import replacing, write_text
from quantopt.gguf_tokenizer import build_tokenizer
from quantopt.llama_gguf import LlamaGguf, ModelError
from quantopt.progress import Progress


def check_config(config, expected):
    """An error if the graph was exported for a model of other sizes."""
    for name, value in expected.items():
        if name in config and config[name] != value:
            raise ModelError(f"the graph is for {name} = {value}, the GGUF file has {config[name]}")


def stored_parameter(gguf, entry):
    """The bytes of an initializer, as a C-contiguous array."""
    where = f"initializer '{entry['initializer']}' ({entry['hf_name']})"
    if entry["dtype"] != "float32":
        raise ModelError(f"{where}: expected dtype float32, weights.json says {entry['dtype']}")
    value = gguf.parameter(entry["hf_name"])
    value = np.ascontiguousarray(value.T if entry["transposed"] else value)
    if list(value.shape) != entry["shape"]:
        raise ModelError(f"{where}: expected shape {entry['shape']}, the GGUF file has {list(value.shape)}")
    if value.nbytes != entry["length"]:
        raise ModelError(f"{where}: weights.json gives {entry['length']} bytes to a tensor of {value.nbytes}")
    return value


def write_weights(gguf, table, path):
    """Writes the external data, one parameter at a time."""
    progress = Progress(f"writing {path.name}", sum(entry["length"] for entry in table["initializers"]))
    with replacing(path) as file:
        for entry in table["initializers"]:
            file.seek(entry["offset"])
            file.write(stored_parameter(gguf, entry))
            progress.advance(entry["length"])
        file.truncate(table["data_bytes"])
    progress.finish()


def model_config(gguf):
    """config.json as Hugging Face's LlamaForCausalLM has it."""
    fixed = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32"}
    return {**fixed, **gguf.config(), **gguf.special_tokens()}


def convert(source, graph, output):
    """See the module; all arguments are paths."""
    gguf = LlamaGguf(source)
    table = json.loads((graph / "weights.json").read_text(encoding="utf-8"))
    check_config(gguf.config(), table["config"])
    tokenizer = build_tokenizer(gguf)
    output.mkdir(parents=True, exist_ok=True)
    write_weights(gguf, table, output / table["data_file"])
    write_text(output / "tokenizer.json", tokenizer.to_str(pretty=True))
    write_text(output / "config.json", json.dumps(model_config(gguf), indent=2) + "\n")
    write_text(output / "generation_config.json", json.dumps(gguf.special_tokens(), indent=2) + "\n")
    with replacing(output / "model.onnx") as file:  # last: a model that is there is complete
        file.write((graph / "model.onnx").read_bytes())


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.convert_gguf", description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, metavar="MODEL.gguf")
    parser.add_argument("graph", type=Path, metavar="GRAPHDIR", help="folder with model.onnx and weights.json")
    parser.add_argument("output", type=Path, metavar="OUTDIR", help="folder to write the model to")
    options = parser.parse_args(arguments)
    try:
        convert(options.source, options.graph, options.output)
    except (OSError, ModelError, json.JSONDecodeError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
