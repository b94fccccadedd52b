"""Turns a text into token ids.

    python -m quantopt.tokenize TOKENIZER.json TEXT.txt IDS.npy

Special tokens (such as one that begins a text) are not added.
"""

import argparse
import sys

import numpy


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.tokenize", description=__doc__.split("\n")[0])
    parser.add_argument("tokenizer", metavar="TOKENIZER.json")
    parser.add_argument("text", metavar="TEXT.txt")
    parser.add_argument("ids", metavar="IDS.npy", help="file to write, a list of int64")
    options = parser.parse_args(arguments)
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return "error: the Python package tokenizers is not installed: run tools/setup.sh"
    try:
        with open(options.text, encoding="utf-8") as file:
            text = file.read()
        tokenizer = Tokenizer.from_file(options.tokenizer)
    except Exception as error:  # tokenizers raises nothing narrower
        return f"error: cannot read {options.text} or {options.tokenizer}: {error}"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    numpy.save(options.ids, numpy.array(ids, dtype=numpy.int64))
    return 0


if __name__ == "__main__":
    sys.exit(main())
