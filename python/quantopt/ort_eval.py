"""What quant-eval measures, with both models run by onnxruntime.

    python -m quantopt.ort_eval --reference R.onnx --candidate C.onnx --token-ids IDS.npy [--tokens N] [--window N]
        [--json FILE] [--optimize] [--save-logits LOGITS.npy]

Figures have the names that quant-eval gives them. Graph optimisations of onnxruntime are off unless --optimize is given,
so that what runs is what the file says. --save-logits writes the candidate's logits of all tokens, [tokens, vocabulary];
quant-eval takes such a file as a reference.
"""

import argparse
import json
import sys
import time

import numpy as np

from quantopt.decoder import Decoder
from quantopt.files import replacing, write_text

ROWS = 64  # predictions compared at a time


def log_softmax(logits):
    """Of rows, in f64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def compare(reference, candidate, targets):
    """KL divergence, both losses and agreement of the most probable token, one of each per row of logits."""
    parts = []
    for begin in range(0, len(targets), ROWS):
        rows = slice(begin, begin + ROWS)
        p, q = log_softmax(reference[rows]), log_softmax(candidate[rows])
        index = np.arange(len(p)), targets[rows]
        parts.append(((np.exp(p) * (p - q)).sum(-1), -p[index], -q[index], p.argmax(-1) == q.argmax(-1)))
    return tuple(np.concatenate(part) for part in zip(*parts))


def summarize(parts, seconds):
    """The figures over the results of compare() for all windows."""
    divergence, reference_loss, loss, same = (np.concatenate(part) for part in zip(*parts))
    count = len(divergence)
    return {
        "perplexity": float(np.exp(loss.mean())),
        "reference_perplexity": float(np.exp(reference_loss.mean())),
        "kld_mean": float(divergence.mean()),
        "kld_p99": float(np.sort(divergence)[(count * 99 + 99) // 100 - 1]),
        "kld_max": float(divergence.max()),
        "kld_standard_error": float(divergence.std(ddof=1) / count**0.5) if count > 1 else 0.0,
        "top1_agreement": float(same.mean()),
        "tokens_scored": count,
        "seconds": seconds,
    }


def evaluate(reference, candidate, windows, keep_logits=None):
    """Compares two decoders on windows of token ids; `keep_logits` is called with the candidate's logits of each."""
    start, parts = time.monotonic(), []
    for number, ids in enumerate(windows):
        reference.reset()
        candidate.reset()
        expected, found = reference.step(ids), candidate.step(ids)
        if keep_logits:
            keep_logits(found)
        parts.append(compare(expected[:-1], found[:-1], np.asarray(ids[1:])))
        print(f"window {number + 1} of {len(windows)}", file=sys.stderr)
    return summarize(parts, time.monotonic() - start)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.ort_eval", description=__doc__.split("\n")[0])
    parser.add_argument("--reference", required=True, metavar="R.onnx", help="model to compare with")
    parser.add_argument("--candidate", required=True, metavar="C.onnx", help="model to measure")
    parser.add_argument("--token-ids", required=True, metavar="IDS.npy", help="token ids to predict")
    parser.add_argument("--tokens", type=int, metavar="N", help="use the first N tokens (default: all)")
    parser.add_argument("--window", type=int, default=1024, metavar="N", help="tokens per window (default: 1024)")
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    parser.add_argument("--optimize", action="store_true", help="let onnxruntime optimise the candidate's graph")
    parser.add_argument("--save-logits", metavar="LOGITS.npy", help="file to write the candidate's logits to")
    options = parser.parse_args(arguments)

    ids = np.load(options.token_ids).reshape(-1)[: options.tokens]
    windows = ids[: len(ids) // options.window * options.window].reshape(-1, options.window)
    if not len(windows):
        return f"error: there are {len(ids)} tokens, fewer than one window of {options.window}"
    logits = []
    keep = logits.append if options.save_logits else None
    figures = evaluate(Decoder(options.reference), Decoder(options.candidate, options.optimize), windows, keep)
    for name, value in figures.items():
        print(f"{name:<22}{value:12.6g}")
    if options.json:
        write_text(options.json, json.dumps(figures, indent=2) + "\n")
    if options.save_logits:
        with replacing(options.save_logits) as file:
            np.save(file, np.concatenate(logits))
    return 0


if __name__ == "__main__":
    sys.exit(main())
