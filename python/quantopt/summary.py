"""The table that the demo ends with.

    python -m quantopt.summary LABEL=FOLDER...

The first folder holds the reference, the others its quantized forms: model.onnx, generate.json (quantopt.generate) and,
but for the reference, eval.json (quant-eval) and run.json (quantopt.measure).
"""

import argparse
import dataclasses
import json
from pathlib import Path

from quantopt.generate import first_sentence
from quantopt.weight_bits import bits_per_weight

ABSENT = "-"
REPORTS = ("eval.json", "run.json", "generate.json")


@dataclasses.dataclass
class Row:
    """One form of the model. What does not apply is None."""

    label: str
    perplexity: float
    size: int  # bytes of all files
    weight_bits: float  # of the quantized linears
    sentence: str
    kld_mean: float = None
    kld_p99: float = None
    top1: float = None  # fraction
    seconds: float = None
    peak: int = None  # bytes


# Heading, field, format.
COLUMNS = (
    ("perplexity", "perplexity", "{:.2f}"),
    ("KLD mean", "kld_mean", "{:.4f}"),
    ("KLD p99", "kld_p99", "{:.3f}"),
    ("top-1", "top1", "{:.1%}"),
    ("bytes", "size", "{:,}"),
    ("bits/weight", "weight_bits", "{:.2f}"),
    ("seconds", "seconds", "{:.1f}"),
    ("peak MB", "peak", "{:.0f}"),
)


def cell(row, field, form):
    value = getattr(row, field)
    if value is None:
        return ABSENT
    return form.format(value / 1e6 if field == "peak" else value)


def render(rows):
    """The table and the generated sentences, as text."""
    lines = [["", *(heading for heading, _, _ in COLUMNS)]]
    lines += [[row.label, *(cell(row, field, form) for _, field, form in COLUMNS)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
    text.insert(1, "-" * max(map(len, text)))
    text.append("")
    text += [f"{row.label.ljust(widths[0])}  {row.sentence}" for row in rows]
    return "\n".join(text)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def folder_size(folder):
    """Bytes of a model and the files beside it, without the reports."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file() and path.name not in REPORTS)


def sentence(folder):
    report = read_json(folder / "generate.json")
    return first_sentence(report["prompt"] + report["continuation"])


def read_rows(folders):
    """Rows of [(label, folder)]; the first is the reference."""
    (reference_label, reference), *others = folders
    quantized = []
    for label, folder in others:
        scores, run = read_json(folder / "eval.json"), read_json(folder / "run.json")
        row = Row(label, scores["perplexity"], folder_size(folder), bits_per_weight(folder / "model.onnx"), sentence(folder))
        row.kld_mean, row.kld_p99, row.top1 = scores["kld_mean"], scores["kld_p99"], scores["top1_agreement"]
        row.seconds, row.peak = run["seconds"], run["peak_bytes"]
        quantized.append((row, scores["reference_perplexity"]))
    perplexity = quantized[0][1]
    return [Row(reference_label, perplexity, folder_size(reference), 32, sentence(reference)), *(row for row, _ in quantized)]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.summary", description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", metavar="LABEL=FOLDER", help="the reference, then its quantized forms")
    options = parser.parse_args(arguments)
    pairs = (text.rsplit("=", 1) for text in options.folders)
    print(render(read_rows([(label, Path(folder)) for label, folder in pairs])))


if __name__ == "__main__":
    main()
