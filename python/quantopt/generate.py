"""Continues a prompt greedily with an ONNX model in onnxruntime.

    python -m quantopt.generate MODEL.onnx --tokenizer tokenizer.json --prompt TEXT [--max-new-tokens N] [--json FILE]

Stops at the end-of-text tokens of generation_config.json beside the model, where there is one. Prints the prompt with
its continuation, and on standard error how long that took.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer

from quantopt.decoder import Decoder
from quantopt.files import write_text


def end_tokens(model):
    """The ids that end a text, from generation_config.json beside the model."""
    path = Path(model).with_name("generation_config.json")
    found = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id", []) if path.exists() else []
    return set(found if isinstance(found, list) else [found])


def generate(decoder, prompt, count, ends=frozenset()):
    """Up to `count` token ids after the ids of a prompt, without the one that ends the text."""
    decoder.reset()
    new, step = [], list(prompt)
    while len(new) < count:
        token = int(decoder.step(step)[-1].argmax())
        if token in ends:
            break
        new.append(token)
        step = [token]
    return new


def first_sentence(text):
    """The text up to the end of its first sentence, on one line."""
    line = " ".join(text.split())
    ends = [line.find(mark) for mark in (". ", "! ", "? ")]
    return line[: min((end for end in ends if end >= 0), default=len(line)) + 1]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.generate", description=__doc__.split("\n")[0])
    parser.add_argument("model", metavar="MODEL.onnx")
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json of the model")
    parser.add_argument("--prompt", required=True, help="text to continue")
    parser.add_argument("--max-new-tokens", type=int, default=32, help="tokens to generate at most (default: 32)")
    parser.add_argument("--json", help="file to write prompt, continuation, tokens and seconds to")
    options = parser.parse_args(arguments)

    tokenizer = Tokenizer.from_file(options.tokenizer)
    prompt = tokenizer.encode(options.prompt, add_special_tokens=False).ids
    try:
        decoder = Decoder(options.model)
    except ValueError as error:
        sys.exit(f"error: {error}")
    start = time.monotonic()
    new = generate(decoder, prompt, options.max_new_tokens, end_tokens(options.model))
    seconds = time.monotonic() - start
    continuation = tokenizer.decode(new)
    print(options.prompt + continuation)
    print(f"{len(new)} tokens after a prompt of {len(prompt)} in {seconds:.1f} s", file=sys.stderr)
    if options.json:
        report = {"prompt": options.prompt, "continuation": continuation, "tokens": len(new), "seconds": seconds}
        write_text(options.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
