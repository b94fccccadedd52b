"""Runs what --dump-pass-pipeline printed: run_pipeline.py DUMP INPUT OUTPUT"""

import subprocess
import sys
from pathlib import Path

dump, source, output = sys.argv[1:]
text = Path(dump).read_text(encoding="utf-8")
pipeline = text[text.index("builtin.module(") :].split("\n)")[0] + ")"  # what passes remark stands behind it
subprocess.run(["quant-opt", source, f"--pass-pipeline={pipeline}", "-o", output], check=True)
