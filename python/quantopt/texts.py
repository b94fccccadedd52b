"""Extracts the evaluation texts out of two unpacked Debian packages.

    python -m quantopt.texts PACKAGES OUTDIR

PACKAGES holds r-cran-janeaustenr and anarchism, unpacked by dpkg-deb -x. Written are
OUTDIR/narrative.txt, Pride and Prejudice from chapter 10 on, and OUTDIR/expository.txt, sections A1 to A5 of
An Anarchist FAQ. Paragraphs are single lines, separated by empty lines.
"""

import argparse
import html
import re
import struct
import sys
import zlib
from pathlib import Path

from quantopt.files import write_text

NOVELS = "usr/lib/R/site-library/janeaustenr/data"
FAQ = "usr/share/doc/anarchism/html"
FAQ_SECTIONS = ("secA1", "secA2", "secA3", "secA4", "secA5")
SHORTEST_PARAGRAPH = 41  # characters; shorter ones in the FAQ are navigation


class RReader:
    """Reads R's binary serialization (XDR, version 3), as far as lists, integers and strings go.

    Described in "R Internals", section 1.8. Attributes are read over, but for the names of a list, which then
    becomes a dict.
    """

    def __init__(self, data):
        self.data = data
        self.at = 0
        self.symbols = []

    def read(self):
        header, version = self._bytes(2), self._integer()
        if header != b"X\n" or version != 3:
            raise ValueError("expected R data in XDR serialization, version 3")
        self._integer(), self._integer()  # the R that wrote it, the oldest that reads it
        self._bytes(self._integer())  # native encoding
        return self._item()

    def _bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def _integer(self):
        return struct.unpack(">i", self._bytes(4))[0]

    def _item(self):
        flags = self._integer()
        kind, has_attributes, has_tag = flags & 0xFF, flags & 0x200, flags & 0x400
        if kind == 254:  # NULL
            return None
        if kind == 1:  # symbol
            self.symbols.append(self._item())
            return self.symbols[-1]
        if kind == 255:  # a symbol seen before
            return self.symbols[(flags >> 8 or self._integer()) - 1]
        if kind == 2:  # pair list
            if has_attributes:
                self._item()
            tag = self._item() if has_tag else None
            value = self._item()
            return {tag: value, **(self._item() or {})}
        if kind == 9:  # string
            length = self._integer()
            return None if length < 0 else self._bytes(length).decode("utf-8", "replace")
        count = self._integer()
        if kind in (10, 13):  # logical, integer
            value = [self._integer() for _ in range(count)]
        elif kind in (16, 19):  # strings, list
            value = [self._item() for _ in range(count)]
        else:
            raise ValueError(f"unexpected R object of type {kind}")
        names = (self._item() or {}).get("names") if has_attributes else None
        return dict(zip(names, value)) if names else value


def lazy_load_database(folder, name):
    """The lines of the character vector `name` in an R lazy-load database Rdata.{rdx,rdb}."""
    index = RReader(zlib.decompress((folder / "Rdata.rdx").read_bytes(), wbits=47)).read()
    if name not in index["variables"]:
        raise ValueError(f"{folder}: no variable '{name}'; there are {', '.join(index['variables'])}")
    offset, length = index["variables"][name]
    with open(folder / "Rdata.rdb", "rb") as database:
        database.seek(offset + 4)  # four bytes say the uncompressed size
        return RReader(zlib.decompress(database.read(length - 4))).read()


def join_paragraphs(lines):
    """Paragraphs, which empty lines separate, as single lines; underscores, which mark italics, are removed."""
    text = "\n".join(line.strip() for line in lines)
    paragraphs = (part.replace("\n", " ") for part in re.split(r"\n\n+", text) if part)
    return "\n\n".join(paragraphs).replace("_", "").strip() + "\n"


def html_paragraphs(page):
    """The text of a page, a paragraph per line, without the short ones."""
    page = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", page)
    page = re.sub(r"(?i)<(/p|p|br|/h\d|h\d|/li|li|/div|div|blockquote|/blockquote)\b[^>]*>", "\n\n", page)
    page = html.unescape(re.sub(r"<[^>]+>", "", page))
    paragraphs = (re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n", page))
    return "\n\n".join(part for part in paragraphs if len(part) >= SHORTEST_PARAGRAPH) + "\n"


def narrative(packages):
    novel = join_paragraphs(lazy_load_database(packages / NOVELS, "prideprejudice"))
    return novel[novel.index("Chapter 10\n") :]


def expository(packages):
    pages = (packages / FAQ / f"{section}.html" for section in FAQ_SECTIONS)
    return "".join(html_paragraphs(page.read_text(encoding="utf-8", errors="replace")) for page in pages)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="quantopt.texts", description=__doc__.split("\n")[0])
    parser.add_argument("packages", type=Path, metavar="PACKAGES", help="folder with the unpacked Debian packages")
    parser.add_argument("output", type=Path, metavar="OUTDIR", help="folder to write the texts to")
    options = parser.parse_args(arguments)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        write_text(options.output / "narrative.txt", narrative(options.packages))
        write_text(options.output / "expository.txt", expository(options.packages))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
