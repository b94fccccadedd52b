"""Fuzzes what reads GGUF files: a small model's bytes, changed at random, give a model or a ModelError.

    python gguf_headers.py [--seconds=N] [--executions=N] [--seed=N] [FILE...]

FILEs are read first, as they are. Ends with the number of executions; another exception leaves the file in crash-gguf.
"""

import argparse
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from quantopt.llama_gguf import LlamaGguf, ModelError  # noqa: E402

U32, F32, STRING, ARRAY = 4, 6, 8, 9
NUMBERS = (0, 1, 2, 8, 255, 2**16, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def small_model():
    """A GGUF file of one tensor, with the metadata of a llama model."""
    fields = [text("general.architecture") + struct.pack("<I", STRING) + text("llama")]
    for name, number in (("attention.head_count", 2), ("embedding_length", 8), ("feed_forward_length", 8), ("block_count", 1),
                         ("context_length", 16)):
        fields.append(text(f"llama.{name}") + struct.pack("<II", U32, number))
    fields.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", F32, 1e-5))
    tokens = struct.pack("<IIQ", ARRAY, STRING, 2) + text("a") + text("b")
    fields.append(text("tokenizer.ggml.tokens") + tokens)
    tensor = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 8, 2, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(fields)) + b"".join(fields) + tensor
    return header + bytes(-len(header) % 32) + bytes(64)


def change(data, generator):
    """A few random changes: bytes, numbers, an end that is missing."""
    data = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        kind = generator.randrange(4)
        at = generator.randrange(max(len(data), 1))
        if kind == 0 and data:
            data[at] = generator.randrange(256)
        elif kind == 1:
            data[at : at + 8] = struct.pack("<Q", generator.choice(NUMBERS))
        elif kind == 2:
            data[at : at + 4] = struct.pack("<I", generator.choice(NUMBERS) & 0xFFFFFFFF)
        else:
            del data[at:]
    return bytes(data)


def execute(data, path):
    path.write_bytes(data)
    try:
        model = LlamaGguf(path)
        model.config()
        model.special_tokens()
        model.parameter("model.embed_tokens.weight")
    except ModelError:
        return
    except BaseException:
        Path("crash-gguf").write_bytes(data)
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--executions", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    count, end = 0, time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.gguf"
        for file in options.files:
            execute(file.read_bytes(), path)
        seed = small_model()
        execute(seed, path)
        while count < options.executions and time.monotonic() < end:
            execute(change(seed, generator), path)
            count += 1
    print(f"{count} executions")


if __name__ == "__main__":
    main()
