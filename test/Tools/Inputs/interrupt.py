"""Runs a command, interrupts it once it has written a line, and prints what it writes to stderr and its exit code."""

import signal
import subprocess
import sys

process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
process.stdout.readline()
process.stdout.readline()
process.send_signal(signal.SIGINT)
print(process.communicate(timeout=120)[1], end="")
print("exit code", process.returncode)
