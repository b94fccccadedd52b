"""Greedy generation."""

import numpy as np
import pytest

from quantopt import generate
from quantopt.decoder import Decoder


class Counter:
    """A decoder whose next token is always the last one plus one."""

    def reset(self):
        self.steps = []

    def step(self, ids):
        self.steps.append(list(ids))
        return np.eye(16)[[token + 1 for token in ids]]


def test_new_tokens_follow_the_prompt():
    decoder = Counter()
    assert generate.generate(decoder, [3, 4], 3) == [5, 6, 7]
    assert decoder.steps == [[3, 4], [5], [6]]


def test_an_end_token_ends_the_text():
    assert generate.generate(Counter(), [3], 9, {6}) == [4, 5]


@pytest.mark.parametrize(
    "text, sentence",
    [("One.\nTwo. Three", "One."), ("No end here", "No end here"), ("What? Yes.", "What?"), ("A. B", "A."), ("", "")],
)
def test_first_sentence(text, sentence):
    assert generate.first_sentence(text) == sentence


@pytest.mark.slow
def test_the_model_knows_a_capital(models, tokenizer):
    prompt = tokenizer.encode("The capital of France is", add_special_tokens=False).ids
    new = generate.generate(Decoder(models["torchscript"] / "model.onnx"), prompt, 2)
    assert tokenizer.decode(new).startswith(" Paris")
