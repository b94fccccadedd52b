"""The test runner counts what ran, and notices what did not."""

import importlib.util
import os
import sys

import pytest


@pytest.fixture
def run_suites(root):
    specification = importlib.util.spec_from_file_location("run_suites", root / "test/run_suites.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


REPORT = """<testsuites><testsuite>
<testcase classname="a" name="good" status="run"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="broken"><error message="no"/></testcase>
<testcase classname="a" name="later"><skipped message="needs more"/></testcase>
<testcase classname="a" name="plain"><skipped message="file.cpp:3&#10;Skipped: needs all"/></testcase>
<testcase classname="a" name="filtered" status="notrun"/>
</testsuite></testsuites>"""


def test_a_report_is_counted(run_suites, tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    result = run_suites.read_junit(tmp_path / "report.xml")
    assert result.passed == ["a.good"]
    assert result.failed == ["a.bad", "a.broken"]
    assert result.skipped == {"a.later": "needs more", "a.plain": "Skipped: needs all"}


def run_python(run_suites, tmp_path, code):
    report = tmp_path / "report.xml"
    return run_suites.run("program", [sys.executable, "-c", code, str(report)], report, dict(os.environ))


def test_a_program_that_dies_is_a_failed_test(run_suites, tmp_path):
    result = run_python(run_suites, tmp_path, "import os; os.abort()")
    assert result.failed == ["program (exit status -6, no report)"]


def test_a_program_that_dies_after_its_report_is_a_failed_test(run_suites, tmp_path):
    code = "import sys; open(sys.argv[1], 'w').write('<testsuites/>'); sys.exit(2)"
    result = run_python(run_suites, tmp_path, code)
    assert result.failed == ["program (exit status 2)"]
