"""Runs a command and records how long it took and how much memory it had at most.

    python -m quantopt.measure FILE.json COMMAND...

FILE.json gets "seconds" and "peak_bytes" (the resident set); the exit status is the command's. Imports little, because
the kernel counts the parent's memory at the start of a process as its own.
"""

import json
import os
import sys
import time

from quantopt.files import write_text


def measure(command):
    """Runs a command to its end: (exit status, seconds, peak resident bytes)."""
    start = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - start, usage.ru_maxrss * 1024


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) < 2:
        sys.exit("usage: python -m quantopt.measure FILE.json COMMAND...")
    report, *command = arguments
    try:
        status, seconds, peak = measure(command)
    except OSError as error:
        sys.exit(f"error: {command[0]}: {error.strerror}")
    write_text(report, json.dumps({"seconds": seconds, "peak_bytes": peak}, indent=2) + "\n")
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
