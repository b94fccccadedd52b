"""Copies a bundle with other text in one of its kernels.   edit_kernels.py BUNDLE OUT KERNEL OLD NEW

Replaces OLD by NEW in the first kernel whose name begins with KERNEL, and says so in plan.json: the copy opens.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

bundle, out, kernel, old, new = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
shutil.rmtree(out, ignore_errors=True)
shutil.copytree(bundle, out)
parts = (out / "kernels.ptx").read_text().split(".visible .entry ")
number = next(i for i, part in enumerate(parts) if part.startswith(kernel))
assert old in parts[number], f"{kernel} has no {old}"
parts[number] = parts[number].replace(old, new)
text = ".visible .entry ".join(parts).encode()
(out / "kernels.ptx").write_bytes(text)
plan = json.loads((out / "plan.json").read_text())
plan["files"]["kernels.ptx"] = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
(out / "plan.json").write_text(json.dumps(plan))
