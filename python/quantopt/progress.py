"""A progress bar on standard error."""

import sys
import time

WIDTH = 30


class Progress:
    """Counts bytes towards a total. On a terminal the line is redrawn; elsewhere only the end is printed."""

    def __init__(self, label, total):
        self.label = label
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        self.live = sys.stderr.isatty()

    def advance(self, count):
        self.done += count
        if self.live:
            filled = "#" * (WIDTH * self.done // self.total)
            print(f"\r{self.label} [{filled:<{WIDTH}}] {self.done >> 20} of {self.total >> 20} MiB", end="", file=sys.stderr)

    def finish(self):
        seconds = time.monotonic() - self.start
        print(f"{chr(13) if self.live else ''}{self.label}: {self.done >> 20} MiB in {seconds:.1f} s{' ' * WIDTH}".rstrip(), file=sys.stderr)
