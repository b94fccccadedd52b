"""Reads a llama-architecture GGUF file as the Hugging Face parameters and configuration it was made of."""

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

# GGUF's names of the tensors of a block, and the ends of the parameters they hold.
BLOCK_TENSORS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


class ModelError(Exception):
    """The file is not a model that can be read; the message says why."""


def halves_from_pairs(weight, heads):
    """Rows of a projection in the order in which Hugging Face rotates them.

    GGUF stores the two coordinates that RoPE turns together next to each other, (2i, 2i+1); Hugging Face half a head
    apart, (i, i + D/2). `weight` is [heads·D, in]; so is the result.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


# What reading a damaged file can raise in gguf and numpy.
READ_ERRORS = (OSError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


class Reader(GGUFReader):
    """Refuses to read past the end, where numpy gives fewer elements and lengths of lists would be believed."""

    def _get(self, offset, dtype, count=1, *arguments, **options):
        values = super()._get(offset, dtype, count, *arguments, **options)
        if len(values) != count:
            raise ValueError("the file is truncated or damaged")
        return values


class LlamaGguf:
    """A GGUF file of architecture llama. Tensors are dequantized when asked for, one at a time."""

    def __init__(self, path):
        try:
            self.reader = Reader(path)
        except READ_ERRORS as error:
            raise ModelError(f"{path}: cannot be read as GGUF: {error}") from error
        architecture = self.field("general.architecture")
        if architecture != "llama":
            raise ModelError(f"{path}: expected architecture 'llama', the file says '{architecture}'")
        self.path = path
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        self.tied = "output.weight" not in self.tensors

    def field(self, key, default=None):
        """A value of the metadata; an error if it is neither there nor has a default."""
        found = self.reader.fields.get(key)
        if found is not None:
            try:
                return found.contents()
            except READ_ERRORS as error:
                raise ModelError(f"the metadata '{key}' of the GGUF file cannot be read: {error}") from error
        if default is None:
            raise ModelError(f"the GGUF file lacks the metadata '{key}'")
        return default

    def size(self, key, default=None):
        """A positive integer of the metadata."""
        value = self.field(key, default)
        if not isinstance(value, int) or value <= 0:
            raise ModelError(f"expected '{key}' of the GGUF file to be a positive integer, it is {value!r}")
        return value

    def number(self, key, default=None):
        """A number of the metadata. Stored as f32; the shortest decimal that rounds to it is what the author wrote."""
        value = self.field(key, default)
        if not isinstance(value, (int, float)):
            raise ModelError(f"expected '{key}' of the GGUF file to be a number, it is {value!r}")
        return float(str(np.float32(value)))

    def config(self):
        """The model's sizes under the names that Hugging Face's configuration has for them."""
        heads = self.size("llama.attention.head_count")
        hidden = self.size("llama.embedding_length")
        tokens = self.field("tokenizer.ggml.tokens")
        if not isinstance(tokens, list):
            raise ModelError("expected 'tokenizer.ggml.tokens' of the GGUF file to be a list")
        return {
            "vocab_size": len(tokens),
            "hidden_size": hidden,
            "intermediate_size": self.size("llama.feed_forward_length"),
            "num_hidden_layers": self.size("llama.block_count"),
            "num_attention_heads": heads,
            "num_key_value_heads": self.size("llama.attention.head_count_kv", heads),
            "head_dim": hidden // heads,
            "max_position_embeddings": self.size("llama.context_length"),
            "rms_norm_eps": self.number("llama.attention.layer_norm_rms_epsilon"),
            "rope_theta": self.number("llama.rope.freq_base", 10000.0),
            "tie_word_embeddings": self.tied,
        }

    def special_tokens(self):
        """Token ids under the names that Hugging Face's generation configuration has for them."""
        names = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
        ids = {name: self.reader.fields.get(f"tokenizer.ggml.{key}_token_id") for name, key in names.items()}
        return {name: self.field(found.name) for name, found in ids.items() if found is not None}

    def parameter(self, name):
        """A Hugging Face parameter in f32, [out, in] for matrices."""
        weight = self._tensor(self._tensor_name(name))
        if name.endswith("self_attn.q_proj.weight"):
            return halves_from_pairs(weight, self.field("llama.attention.head_count"))
        if name.endswith("self_attn.k_proj.weight"):
            return halves_from_pairs(weight, self.config()["num_key_value_heads"])
        return weight

    def _tensor_name(self, parameter):
        if parameter == "model.norm.weight":
            return "output_norm.weight"
        if parameter == "lm_head.weight" and not self.tied:
            return "output.weight"
        if parameter in ("model.embed_tokens.weight", "lm_head.weight"):
            return "token_embd.weight"
        parts = parameter.split(".")
        end = ".".join(parts[3:-1])
        if parts[:2] != ["model", "layers"] or parts[-1] != "weight" or end not in BLOCK_TENSORS:
            raise ModelError(f"no GGUF tensor is known to hold the parameter '{parameter}'")
        return f"blk.{parts[2]}.{BLOCK_TENSORS[end]}.weight"

    def _tensor(self, name):
        if name not in self.tensors:
            raise ModelError(f"{self.path}: has no tensor '{name}'")
        tensor = self.tensors[name]
        try:
            return np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        except READ_ERRORS + (NotImplementedError,) as error:
            raise ModelError(f"{self.path}: tensor '{name}' cannot be read: {error}") from error
