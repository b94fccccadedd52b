"""Runs a command and fails if its peak memory exceeds a bound: python peak.py MEBIBYTES COMMAND..."""

import resource
import subprocess
import sys

status = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"peak memory {peak:.0f} MiB")
sys.exit(status or peak > float(sys.argv[1]))
