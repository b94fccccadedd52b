"""The evaluation texts and their tokens."""

import hashlib
import json
import struct

import numpy as np
import pytest

from quantopt import texts as extraction


def test_paragraphs_are_joined():
    assert extraction.join_paragraphs(["", "A _new_", " line", "", "", "Next", ""]) == "A new line\n\nNext\n"


def test_html_becomes_paragraphs():
    long = "x" * 50
    page = f"<head><title>{long}</title></head><p>{long} &amp;\n <b>more</b><p>short<li>{long}</li>"
    assert extraction.html_paragraphs(page) == f"{long} & more\n\n{long}\n"


def r_string(text):
    return struct.pack(">ii", 0x40009, len(text)) + text


def test_r_data_is_read():
    names = struct.pack(">i", 0x402) + struct.pack(">i", 1) + r_string(b"names") + struct.pack(">ii", 16, 1) + r_string(b"a")
    value = struct.pack(">ii", 0x213, 1) + struct.pack(">iii", 13, 1, 7) + names + struct.pack(">i", 254)
    assert extraction.RReader(b"X\n" + struct.pack(">iiii", 3, 0, 0, 5) + b"UTF-8" + value).read() == {"a": [7]}


def test_other_data_is_refused():
    with pytest.raises(ValueError, match="XDR"):
        extraction.RReader(b"A\n" + bytes(16)).read()


@pytest.mark.parametrize("name, key", [("narrative", "A"), ("expository", "B")])
def test_tokens_are_those_of_the_reference(shared, texts, tokenizer, name, key):
    expected = json.loads((shared / "accuracy/data/slices.json").read_text())[key]
    ids = tokenizer.encode(texts[name], add_special_tokens=False).ids[: expected["tokens"]]
    assert hashlib.sha256(np.array(ids, "<i4").tobytes()).hexdigest() == expected["sha256_tokens_i32le"]
