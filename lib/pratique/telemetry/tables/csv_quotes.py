"""Lines of a CSV file whose quotes do not close: such a quote would join a row with those behind it.

A value in quotes may hold line breaks. Only where the quotes of several lines fit together, and none of these lines looks like a
row by itself, do they stay one row; else the line with the quote that does not close is rejected, and the others are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from pratique.errors import DataError
from pratique.telemetry.file_reader import LONGEST_LINE

UNCLOSED = "\x1aunclosed quote"
"""In front of the text of a line that is rejected, which stands in its first value."""
MOST_LINES = 50
"""Lines that one row may have: each quote that does not close costs a look at all of them."""
MOST_LOOKS = 1000
"""Lines with such a quote after which none is held back any more."""


class QuoteGuard:
    """Passes the lines of a file on, those with a quote that is never closed as rejected. rejected: their number."""

    def __init__(self, delimiter: str, width: int) -> None:
        """width: number of columns."""
        self._delimiter, self._width = delimiter, width
        mark = re.escape(delimiter)
        value = rf'(?:"(?:[^"]|"")*"|[^"{mark}\r\n][^{mark}\r\n]*|)'
        self._whole = rf"^{value}(?:{mark}{value})*\r?$"
        self._held: list[str] = []
        self._held_size = 0
        self._like: list[str] = []
        self.rejected = 0

    def lines(self, content: bytes) -> bytes:
        """Return complete lines as they are to be read; lines may be held back until a quote is closed. Raises: DataError."""
        if not content or (b'"' not in content and not self._held):
            return content
        text = content.decode("utf-8", "replace")
        lines = text.removesuffix("\n").split("\n")
        bad = (~pl.Series(lines).str.contains(self._whole)).arg_true().to_list()
        if not bad and not self._held:
            return content
        return self._ended(self._checked(lines, bad))

    def end(self) -> bytes:
        """Return the lines held back, when the file ends."""
        found: list[str] = []
        while self._held:
            first, *others = self._rejected()
            found += [first, *self._checked(others, None)]
        return self._ended(found)

    def _ended(self, lines: Sequence[str]) -> bytes:
        return "".join(f"{line}\n" for line in lines).encode()

    def _checked(self, lines: Sequence[str], bad: Sequence[int] | None) -> list[str]:
        """Return the lines to be read. bad: the numbers of lines that are no rows by themselves, None when not known."""
        found: list[str] = []
        suspects = set(range(len(lines)) if bad is None else bad)
        todo = list(reversed(range(len(lines))))
        while todo:
            at = todo.pop()
            line = lines[at]
            if not self._held:
                if at not in suspects:
                    found.append(line)
                    self._remember(line)
                    continue
                is_open = self._ends_open(line, within=False)
                if is_open and self.rejected < MOST_LOOKS:
                    self._hold(line)
                elif is_open:
                    found.append(self._reject(line))
                else:
                    # text behind a closing quote joins no lines where the quotes are even
                    is_one = is_open is False or line.count('"') % 2 == 0
                    found.append(line if is_one else self._reject(line))
                continue
            is_too_long = len(self._held) >= MOST_LINES
            is_open = None if is_too_long or self._is_row(line) else self._ends_open(line, within=True)
            if is_open is None:
                # the lines held back are looked at again, without the first one
                first, *others = self._rejected()
                found += [first, *self._checked(others, None)]
                todo.append(at)
                suspects.add(at)
                continue
            self._hold(line)
            if not is_open:
                found += self._held
                self._held, self._held_size = [], 0
        return found

    def _hold(self, line: str) -> None:
        self._held.append(line)
        self._held_size += len(line)
        if self._held_size > LONGEST_LINE:
            raise DataError(
                f"a row with {self._held[0][:60]!r} is longer than {LONGEST_LINE:,} bytes: probably a quote that is never closed"
            )

    def _rejected(self) -> list[str]:
        """Reject the first line held back; return it as it is to be read, and the others to be looked at."""
        first, *rest = self._held
        self._held, self._held_size = [], 0
        return [self._reject(first), *rest]

    def _reject(self, line: str) -> str:
        self.rejected += 1
        shown = line.rstrip("\r").replace('"', '""')
        return f'"{UNCLOSED}{shown}"'

    def _ends_open(self, line: str, *, within: bool) -> bool | None:
        """Whether a line ends within quotes; None when text stands behind a closing quote. within: whether it begins so."""
        line = line.removesuffix("\r")
        at = 0
        while True:
            if within:
                quote = line.find('"', at)
                if quote < 0:
                    return True
                behind = line[quote + 1 : quote + 2]
                if behind == '"':
                    at = quote + 2
                    continue
                if behind != self._delimiter:
                    return None if behind else False
                at = quote + 2
                within = False
            elif line.startswith('"', at):
                at, within = at + 1, True
            else:
                end = line.find(self._delimiter, at)
                if end < 0:
                    return False
                at = end + 1

    def _remember(self, line: str) -> None:
        if not self._like and line.count(self._delimiter) == self._width - 1:
            shapes = self._shapes(line)
            # a header has no digit
            self._like = shapes if any("9" in shape for shape in shapes) else []

    def _is_row(self, line: str) -> bool:
        """Whether a line within quotes looks like a row: as many values, most of them of the shape that this column has."""
        if line.count(self._delimiter) < self._width - 1:
            return False
        like = self._like or self._shapes(self._held[0])
        same = sum(one == other for one, other in zip(self._shapes(line), like, strict=False))
        return same >= max(2, (self._width + 1) // 2)

    def _shapes(self, line: str) -> list[str]:
        """Each value with a for letters and 9 for digits."""
        values = line.split(self._delimiter)[: self._width]
        return [re.sub("[0-9]+", "9", re.sub("[^\\W0-9_]+", "a", value.strip('"\r '))) for value in values]
