"""Times decoding with a model of random weights: quant-opt makes the bundle, quant-run --bench runs it."""

import dataclasses
import json
import math
import subprocess
from pathlib import Path

import random_model

ROOT = Path(__file__).resolve().parent.parent.parent.parent
# Tokens in the cache, and batch sizes.
LOADS = {1024: (1, 8, 64), 8192: (1, 8)}
NEW_TOKENS = 64


class Failure(Exception):
    """A program failed; the text is for people."""


def run(command):
    """The standard output of a program."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{Path(command[0]).name}: {done.stderr.strip()}")
    return done.stdout


def make_bundle(folder, shape, arch):
    """The folder of a bundle of random weights."""
    random_model.write(folder / "model.mlir", shape)
    run([ROOT / "build/bin/quant-opt", folder / "model.mlir", f"--emit-bundle=arch={arch} output={folder / 'bundle'}", "-o", "/dev/null"])
    for name in ("model.mlir", "model.bin"):
        (folder / name).unlink()
    return folder / "bundle"


def step_bytes(plan, tokens, batch):
    """Bytes of weights and cache that a step reads at least: of an embedding's table nothing to speak of."""
    kernels = {kernel["name"]: kernel for kernel in plan["kernels"]}
    (decode,) = (phase for phase in plan["phases"] if phase["name"] == "decode")
    bits = {"f32": 32, "f16": 16, "bf16": 16, "ui8": 8, "i8": 8, "i4": 4}
    weights = 0
    for launch in decode["launches"]:
        if launch["kernel"].startswith("embedding"):
            continue
        for argument in kernels[launch["kernel"]]["arguments"]:
            if argument["is"] == "weight" and argument["name"] not in ("cos", "sin"):
                weights += math.prod(argument["shape"]) * bits[argument["dtype"]] // 8
    return weights + sum(cache["token_bytes"] for cache in plan["caches"]) * tokens * batch


def parse_bench(text):
    """Seconds of a decoding step by batch size, out of what quant-run --bench prints."""
    rows = [line.split() for line in text.splitlines()]
    head = next(i for i, row in enumerate(rows) if row[:1] == ["batch"])
    column = rows[head].index("ms/step")
    return {int(row[0]): float(row[column]) / 1e3 for row in rows[head + 1 :] if len(row) > column}


def time_bundle(bundle, context, batches, copy_bandwidth, device="cuda:0", new_tokens=NEW_TOKENS):
    """One entry per batch size."""
    plan = json.loads((bundle / "plan.json").read_text(encoding="utf-8"))
    command = [ROOT / "build/bin/quant-run", bundle, "--bench", f"--device={device}", "--quiet", f"--prompt-tokens={context}"]
    command += [f"--batch={','.join(map(str, batches))}", f"--max-new-tokens={new_tokens}"]
    entries = []
    for batch, seconds in parse_bench(run(command)).items():
        moved = step_bytes(plan, context + new_tokens / 2, batch)
        fraction = moved / copy_bandwidth / seconds
        entries.append({"batch": batch, "context": context, "seconds": seconds, "bytes": moved, "fraction": fraction})
    return entries


def time_all(folder, arch, copy_bandwidth):
    """All loads of a model of the size of LLaMA 2 7B."""
    entries = []
    for context, batches in LOADS.items():
        inner = folder / str(context)
        inner.mkdir()
        shape = dataclasses.replace(random_model.Shape(), context=context + NEW_TOKENS)
        entries += time_bundle(make_bundle(inner, shape, arch), context, batches, copy_bandwidth)
    return entries
