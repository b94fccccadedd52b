"""Rules for the sources themselves: length, formatting, self-containedness, generated pages."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 700  # lines; 600 is the aim
WRITTEN = (".cpp", ".h", ".td", ".py", ".sh", ".mlir", ".cmake")
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md",
    "cmake", "dialects", "include", "lib", "python", "test", "tools",
}  # fmt: skip
# Folders of one machine, and hosts that a package client or a person would name.
PLACES = re.compile(r"(?<![\w./-])/(?:work|root|opt|home|Users)/\w|/var/tmp/\w|(?:pypi|debian|huggingface|llvm)\.(?:org|co)\b")


def project_files():
    """Files that are, or are about to be, under version control."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [Path(line) for line in listing.splitlines() if (ROOT / line).is_file()]


def lines(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines()


def test_top_level_is_fixed():
    assert {path.parts[0] for path in project_files() if not path.parts[0].startswith(".")} <= TOP_LEVEL


def test_no_file_is_too_long():
    lengths = {str(path): len(lines(path)) for path in project_files() if path.suffix in WRITTEN}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_file_names_a_place_on_a_machine_or_a_host():
    written = [path for path in project_files() if path.suffix in (*WRITTEN, ".md", ".txt", ".json", "") and path.name != "LICENSE"]
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in written
        if path != Path(__file__).relative_to(ROOT)
        for number, line in enumerate(lines(path), 1)
        if PLACES.search(line)
    ]
    assert found == []


def test_sources_are_formatted():
    if not shutil.which("clang-format-22"):
        pytest.skip("clang-format-22 is not installed")
    sources = [path for path in project_files() if path.suffix in (".h", ".cpp")]
    done = subprocess.run(
        ["clang-format-22", "--dry-run", "-Werror", *sources], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_generated_pages_are_up_to_date():
    done = subprocess.run(["tools/dev/generate-docs.sh", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell_scripts_parse():
    for path in project_files():
        if path.suffix == ".sh":
            subprocess.run(["bash", "-n", path], cwd=ROOT, check=True)
