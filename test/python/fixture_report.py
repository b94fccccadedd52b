"""What becomes of every fixture on its way through the compiler, and the page that says so.

    python test/python/fixture_report.py [--write] [FOLDER...]     (with PYTHONPATH=python)

A fixture is a folder with model.onnx and recorded data, as test/models/families/README.md describes. Without folders, all of
../shared/fixtures and test/models/families are looked at; --write replaces test/models/Fixtures.md, which must be what this
prints. Nothing here knows any fixture by name.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "test/models/Fixtures.md"
SITES = ("R1", "R2", "R3", "R4")
FORMS = ("onnx", "llm", "rotated")

PREFACE = """# Fixtures

What becomes of small decoders as exporters write them. Written by `test/python/fixture_report.py --write`; test/python/test_fixtures.py
fails where this page is not what it finds.

* **re-emit**: importing and emitting gives the bytes of model.onnx back.
* **recognised**: of the nodes through which token ids and caches flow on to the results, the share that became ops of dialect
  `llm`. What only computes masks, positions, shapes and RoPE tables is not among them: it stays as nodes by design.
* **left**: nodes among them that are still nodes (or were made by recognition).
* **onnx, llm, rotated**: whether the recorded outputs of PyTorch come out, within the tolerance of fixture.json, of the imported
  graph, of the recognised one and of the rotated one.
* **rotates**: the sites R1 to R4 that are rotated in all layers; below the table, why others are not. Where something reads a
  rotated value that has to stay as it is, it is converted while the model runs: such sites have a star.
* **verified**: the rotated form in f64 against the imported one in f64: relative mean square error at most 1e-20
  (`--verify-numerics`: a prefill, a decode step and a chunk, sequences of different length).
"""


def fixture_folders(shared=None):
    """Folders with a model and recorded data: those of ../shared, where it is there, and those of the tree."""
    roots = ([shared / "fixtures"] if shared else []) + [ROOT / "test/models/families"]
    found = (path.parent for root in roots if root.is_dir() for path in root.glob("*/model.onnx"))
    return sorted((folder for folder in found if (folder / "test_data_set_0").is_dir()), key=lambda folder: folder.name)


def run(tool, *arguments):
    """Exit status, standard output, standard error."""
    command = [ROOT / "build/bin" / tool, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr


def first_error(text):
    """The first diagnostic that is an error, without its place."""
    for line in text.splitlines():
        if "error: " in line:
            return line.split("error: ", 1)[1]
    return text.strip().splitlines()[-1] if text.strip() else "no diagnostic"


# --------------------------------------------------------------------------
# The nodes that data flows through
# --------------------------------------------------------------------------

OPERATION = re.compile(r"^\s*(?P<results>%[\w:, %]+?) = \"?(?P<name>[\w.]+)\"?(?P<rest>.*)$")
VALUE = re.compile(r"%\w+")
ARGUMENT = re.compile(r"(%\w+): (tensor<[^>]*>)(?: \{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\})?")
GENERIC = re.compile(r"onnx\.node \"([\w.:]*)\"")
CUTS = ("onnx.Shape", "onnx.Size")


def data_nodes(text):
    """Names of the ops of a printed function that token ids and caches flow through, and that results depend on.

    Nothing flows through Shape and Size. The ops of dialect param, and constants, take no part.
    """
    flowing, operations, needed = set(), [], set()
    for line in text.splitlines():
        if "func.func" in line:
            for value, kind, attributes in ARGUMENT.findall(line):
                if re.search(r"xf\d+|xbf16", kind) or 'onnx.name = "input_ids"' in attributes:
                    flowing.add(value)
        elif match := OPERATION.match(line):
            name, operands = match["name"], VALUE.findall(match["rest"])
            if generic := GENERIC.search(line):
                name = generic[1].removeprefix("::")
            if name in CUTS or not flowing.intersection(operands):
                continue
            results = VALUE.findall(match["results"].replace(":", " "))
            flowing.update(results)
            operations.append((name, results, operands))
        elif line.lstrip().startswith("return"):
            needed.update(VALUE.findall(line))
    names = []
    for name, results, operands in reversed(operations):
        if needed.intersection(results):
            needed.update(operands)
            names.append(name)
    return names


# --------------------------------------------------------------------------
# One fixture
# --------------------------------------------------------------------------


@dataclasses.dataclass
class Facts:
    """What became of a fixture. A reason is empty where nothing is wrong."""

    name: str
    imported: str = ""  # reasons
    reemitted: str = ""
    nodes: int = 0  # that data flows through, as imported
    left: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # of them after recognition
    forms: dict = dataclasses.field(default_factory=dict)  # form to reason
    sites: dict = dataclasses.field(default_factory=dict)  # R1 to R4 to reason
    online: set = dataclasses.field(default_factory=set)  # sites with conversions at run time that a full rotation has not
    verified: str = ""

    @property
    def recognised(self):
        """Share of the nodes that data flows through."""
        return max(0.0, 1 - self.left.total() / self.nodes) if self.nodes else 0.0


def reemission(model, scratch):
    """The imported module as text; why it cannot be had; why its emission does not give the model byte for byte."""
    text, output = scratch / "model.mlir", scratch / "model.onnx"
    status, _, errors = run("quant-opt", model, f"--emit-onnx=output={output}", "-o", text)
    if status:
        return "", first_error(errors), ""
    same = output.read_bytes() == model.read_bytes()
    return text.read_text(encoding="utf-8"), "", "" if same else "the bytes differ"


def nodes_left(model):
    """Of the nodes that data flows through, those that recognition leaves, or makes."""
    _, recognised, _ = run("quant-opt", model, "--llm-recognize")
    names = (name for name in data_nodes(recognised) if not name.startswith("llm."))
    return collections.Counter(name.removeprefix("onnx.") for name in names)


def executions(folder, scratch):
    """For each form, why it does not give the recorded outputs."""
    report = scratch / "check.json"
    status, output, errors = run("quant-check", f"--form={','.join(FORMS)}", f"--json={report}", folder)
    if not report.exists():
        return dict.fromkeys(FORMS, f"exit status {status}: {first_error(errors or output)}")
    cases = json.loads(report.read_text(encoding="utf-8"))["cases"]
    return {case["form"]: case.get("reason", "") if case["outcome"] != "passed" else "" for case in cases}


LEFT_OUT = re.compile(r"warning: (R\d), .* is left out: ")
NO_PLACE = re.compile(r"warning: (there is no place for (R\d), .*)")
ONLINE = re.compile(r"warning: .*\((R\d)\) in the standard basis: it is converted while the model runs")


def rotations(model):
    """For each site, why it is not rotated; sites with conversions at run time; why the rotated form is not proved in f64."""
    passes = ("--llm-recognize", "--llm-fuse-norm-scale", "--rot-insert", "--verify-numerics")
    status, _, errors = run("quant-opt", model, *passes, "-o", os.devnull)
    failure = first_error(errors) if status else ""
    reasons, online = dict.fromkeys(SITES, failure), set()
    lines = errors.splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        if match := LEFT_OUT.search(line):
            reasons[match[1]] = following.split("note: ", 1)[-1]
        elif match := NO_PLACE.search(line):
            reasons[match[2]] = match[1]
        elif match := ONLINE.search(line):
            online.add(match[1])
    return reasons, online, failure


def examine(folder):
    """The facts about a fixture."""
    model = folder / "model.onnx"
    facts = Facts(folder.name)
    with tempfile.TemporaryDirectory() as scratch:
        imported, facts.imported, facts.reemitted = reemission(model, Path(scratch))
        if facts.imported:
            return facts
        facts.forms = executions(folder, Path(scratch))
    facts.nodes, facts.left = len(data_nodes(imported)), nodes_left(model)
    facts.sites, facts.online, facts.verified = rotations(model)
    return facts


def examine_all(folders):
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(examine, folders))


# --------------------------------------------------------------------------
# The page
# --------------------------------------------------------------------------

HEADINGS = ("fixture", "import", "re-emit", "recognised", "left", *FORMS, "rotates", "verified")


def cells(facts):
    if facts.imported:
        return [facts.name, "no", *["-"] * (len(HEADINGS) - 2)]
    forms = ["no" if facts.forms.get(form, "not run") else "yes" for form in FORMS]
    left = ", ".join(f"{count} {name}" for name, count in sorted(facts.left.items())) or "-"
    sites = " ".join(site + "*" * (site in facts.online) for site in SITES if not facts.sites[site]) or "-"
    verified = "no" if facts.verified else "yes"
    reemitted = "no" if facts.reemitted else "yes"
    return [facts.name, "yes", reemitted, f"{100 * facts.recognised:.0f} %", left, *forms, sites, verified]


def notes(facts):
    """Lines that say why something is not."""
    reasons = {"import": facts.imported, "re-emit": facts.reemitted, **facts.forms, **facts.sites, "verified": facts.verified}
    by_reason = collections.defaultdict(list)
    for what, reason in reasons.items():
        if reason:
            by_reason[reason.splitlines()[0]].append(what)
    return [f"* {facts.name}, {', '.join(what)}: {reason}" for reason, what in by_reason.items()]


def render(all_facts):
    rows = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, all_facts)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    explained = "\n".join(line for facts in all_facts for line in notes(facts))
    return f"{PREFACE}\n{table}\n" + (f"\n## What is not so, and why\n\n{explained}\n" if explained else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"replace {PAGE.relative_to(ROOT)}")
    parser.add_argument("folders", nargs="*", type=Path, help="fixtures to look at (default: all)")
    options = parser.parse_args()
    shared = Path(os.environ.get("QUANTOPT_SHARED", ROOT.parent / "shared"))
    if options.write and not (shared / "fixtures").is_dir():
        parser.error(f"the page is about the models of {shared}, too; QUANTOPT_SHARED says where they are")
    page = render(examine_all(options.folders or fixture_folders(shared)))
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page, end="")


if __name__ == "__main__":
    main()
