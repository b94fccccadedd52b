"""Imports every prefix of a model, and the model with each of its bytes damaged. quant-opt must take or refuse each: exit 0, or exit 1
with an error; never a signal.

    python truncate.py MODEL.onnx SCRATCH
"""

import subprocess
import sys
from pathlib import Path


def run(path, content):
    path.write_bytes(content)
    result = subprocess.run(["quant-opt", path, "-o", "/dev/null"], capture_output=True, text=True, errors="replace")
    if result.returncode == 0 or (result.returncode == 1 and "error:" in result.stderr):
        return result.returncode
    sys.exit(f"{path} with {len(content)} bytes: exit status {result.returncode}\n{result.stderr[:2000]}")


def main():
    model = Path(sys.argv[1]).read_bytes()
    scratch = Path(sys.argv[2]) / "damaged.onnx"
    refused = sum(run(scratch, model[:length]) for length in range(len(model)))
    print(f"{refused} of {len(model)} prefixes refused")
    for position in range(len(model)):
        run(scratch, model[:position] + bytes([model[position] ^ 0xFF]) + model[position + 1 :])
    print("survived all damage")


if __name__ == "__main__":
    main()
