"""Runs every test suite of a built tree, prints a summary of each, names what failed and what was skipped and why.

    .venv/bin/python test/run_suites.py [--quick] [FILTER]

Suites: GoogleTest programs in build/test/unit, lit tests in test, pytest tests in test/layers and test/python.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIT_CONFIGURATION = ROOT / "build/test/lit.site.cfg.py"


@dataclasses.dataclass
class Result:
    """What a suite did: names of the passed and failed tests, and the reason for each skipped one."""

    passed: list = dataclasses.field(default_factory=list)
    failed: list = dataclasses.field(default_factory=list)
    skipped: dict = dataclasses.field(default_factory=dict)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped.update(other.skipped)


def read_junit(path):
    """The result in a JUnit file, the format that GoogleTest, lit and pytest share."""
    result = Result()
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed.append(name)
        elif skipped is not None:
            reason = (skipped.get("message") or skipped.text or "").strip()
            result.skipped[name] = reason.splitlines()[-1] if reason else "no reason given"
        elif case.get("status") != "notrun":
            result.passed.append(name)
    return result


def run(name, command, report, environment):
    """Runs a test program that writes a JUnit report. A program that dies without one is a failed test."""
    status = subprocess.run(command, cwd=ROOT, env=environment).returncode
    if not report.exists():
        return Result(failed=[f"{name} (exit status {status}, no report)"] if status else [])
    result = read_junit(report)
    nothing_ran = name == "pytest" and status == 5
    if status and not result.failed and not nothing_ran:
        result.failed.append(f"{name} (exit status {status})")
    return result


def run_unit_tests(options, scratch, environment):
    """Each program as many times as there are processors, a share of its tests each."""
    programs = [path for path in sorted((ROOT / "build/test/unit").glob("*")) if path.is_file() and os.access(path, os.X_OK)]
    selected = f"*{options.filter}*" if options.filter else "*"
    excluded = "-*Slow*" if options.quick else ""
    shares = len(os.sched_getaffinity(0))

    def run_share(program, share):
        report = scratch / f"{program.name}.{share}.xml"
        command = [program, f"--gtest_output=xml:{report}", f"--gtest_filter={selected}{excluded}", "--gtest_brief=1"]
        variables = {"GTEST_TOTAL_SHARDS": str(shares), "GTEST_SHARD_INDEX": str(share)}
        return run(program.name, command, report, {**environment, **variables})

    result = Result()
    with concurrent.futures.ThreadPoolExecutor(shares) as pool:
        parts = [pool.submit(run_share, program, share) for program in programs for share in range(shares)]
        for part in parts:
            result.add(part.result())
    return result


def run_lit(options, scratch, environment):
    if not LIT_CONFIGURATION.exists():
        return Result()
    report = scratch / "lit.xml"
    tools = subprocess.run(["llvm-config-22", "--bindir"], check=True, capture_output=True, text=True).stdout.strip()
    command = [Path(tools) / "lit", "-v", "--allow-empty-runs", f"--xunit-xml-output={report}", LIT_CONFIGURATION.parent]
    if options.filter:
        command += ["--filter", options.filter]
    return run("lit", command, report, environment)


def run_pytest(options, scratch, environment):
    report = scratch / "pytest.xml"
    # The programs under test use all processors only some of the time. Whoever has nothing left to do takes half of
    # another's tests; what takes long to make is shared (made_once).
    processes = min(4, len(os.sched_getaffinity(0)))
    command = [sys.executable, "-m", "pytest", "-q", f"--numprocesses={processes}", "--dist=worksteal", f"--junitxml={report}"]
    command += ["test/layers", "test/python"]
    if options.quick:
        command += ["-m", "not slow"]
    if options.filter:
        command += ["-k", options.filter]
    return run("pytest", command, report, environment)


SUITES = {"unit tests": run_unit_tests, "lit": run_lit, "Python": run_pytest}


def summary(result):
    return f"{len(result.passed)} passed, {len(result.failed)} failed, {len(result.skipped)} skipped"


def print_details(result):
    reasons = collections.defaultdict(list)
    for name, reason in result.skipped.items():
        reasons[reason].append(name)
    for reason, names in sorted(reasons.items()):
        print(f"skipped, {reason}:")
        print(*(f"  {name}" for name in names), sep="\n")
    if result.failed:
        print("failed:")
        print(*(f"  {name}" for name in result.failed), sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave out tests that are marked slow")
    parser.add_argument("filter", nargs="?", default="", metavar="FILTER", help="only tests whose name contains FILTER")
    options = parser.parse_args()

    environment = dict(os.environ, PYTHONPATH=str(ROOT / "python"))
    if options.quick:
        environment["QUANTOPT_QUICK"] = "1"
    total, lines = Result(), []
    for name, suite in SUITES.items():
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            result = suite(options, Path(scratch), environment)
        lines.append(f"{name}: {summary(result)} ({time.monotonic() - start:.0f} s)")
        total.add(result)

    print()
    print_details(total)
    print(*lines, sep="\n")
    print(summary(total))
    sys.exit(bool(total.failed) or not total.passed)


if __name__ == "__main__":
    main()
