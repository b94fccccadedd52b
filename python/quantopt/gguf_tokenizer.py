"""Builds a tokenizer.json out of the vocabulary and merges in a GGUF file."""

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from quantopt.llama_gguf import ModelError

CONTROL_TOKEN = 3  # GGUF's token type for tokens that are never part of a text

# GGUF's names of the ways to split a text before merging.
PRE_TOKENIZERS = {
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    ),
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
}


def build_tokenizer(gguf):
    """The byte-level BPE tokenizer of a LlamaGguf."""
    kind, split = gguf.field("tokenizer.ggml.model"), gguf.field("tokenizer.ggml.pre")
    if kind != "gpt2":
        raise ModelError(f"expected a byte-level BPE tokenizer ('gpt2'), the file says '{kind}'")
    if split not in PRE_TOKENIZERS:
        raise ModelError(f"unknown pre-tokenizer '{split}'; known are {', '.join(PRE_TOKENIZERS)}")
    tokens, types = gguf.field("tokenizer.ggml.tokens"), gguf.field("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ", 1)) for merge in gguf.field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[split]()
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, types) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer
