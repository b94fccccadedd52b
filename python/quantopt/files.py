"""Files that appear under their name only when they are complete."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Opens a temporary neighbour of `path` for writing bytes and renames it to `path` at the end.

    After an error, nothing is left behind and what was there before stays.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Writes a whole UTF-8 file."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))
