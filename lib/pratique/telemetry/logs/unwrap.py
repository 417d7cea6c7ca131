"""The lines of a log without what a container engine or shipper put around them, as a frame to be split into fields."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from pratique.telemetry.logs.envelopes import Envelope, found, is_object
from pratique.telemetry.logs.parts import Parts, Piece

_CRI = re.compile(r"^([0-9]{4}-[0-9-]{5}T\S+ (stdout|stderr) )([PF])(?::\S*)?(?: (.*))?$", re.DOTALL)
"""A line as CRI writes it: a time, the stream, P for a part that goes on or F for the last one, and the text."""
_CRI_PART = r"^[0-9]{4}-[0-9-]{5}T\S+ (?:stdout|stderr) P(?:[: ]|$)"


class Unwrapper:
    """Unwraps lines and joins their parts, for one file. names: values of the wrapper that are wanted.

    parts: those whose end is awaited.
    """

    def __init__(self, envelope: Envelope | None, names: tuple[str, ...] = ()) -> None:
        self.envelope = envelope
        self.names = names
        self.parts = Parts()

    @classmethod
    def of(cls, lines: Sequence[str], *, is_json: bool) -> Unwrapper:
        """Return the one for a file with these first lines. is_json: whether the lines within may be JSON."""
        return cls(found(lines, is_json=is_json))

    def fresh(self, names: tuple[str, ...] | None = None) -> Unwrapper:
        """Return one for the same file from its beginning."""
        return Unwrapper(self.envelope, self.names if names is None else names)

    def name_of(self, name: str) -> str | None:
        """The name of a value of the wrapper; case matters only where both exist."""
        keys = () if self.envelope is None else self.envelope.keys
        return name if name in keys else next((key for key in keys if key.lower() == name.lower()), None)

    def frame(self, lines: Sequence[str], first_number: int) -> pl.DataFrame:
        """Return the columns number and line; header, the engine's time, and w0, w1, … of `names`, where lines have a wrapper."""
        if self.envelope is not None:
            return self._wide(self._unwrapped(lines, first_number))
        frame = pl.DataFrame({"line": lines}, schema={"line": pl.String}).with_row_index("number", offset=first_number)
        if not self.parts.is_open and not frame["line"].str.contains(_CRI_PART).any():
            return frame
        return self._wide(self._of_cri(lines, first_number)).select("number", "line")

    def _wide(self, pieces: Sequence[Piece]) -> pl.DataFrame:
        columns = {
            "number": pl.Series([piece.number for piece in pieces], dtype=pl.UInt32),
            "line": pl.Series([piece.text for piece in pieces], dtype=pl.String),
            "header": pl.Series([piece.header for piece in pieces], dtype=pl.String),
        }
        outer = {
            f"w{index}": pl.Series([piece.outer[index] if piece.outer else None for piece in pieces], dtype=pl.String)
            for index in range(len(self.names))
        }
        return pl.DataFrame(columns | outer)

    def _unwrapped(self, lines: Sequence[str], first_number: int) -> list[Piece]:
        assert self.envelope is not None  # noqa: S101 - the caller checks
        whole = []
        for number, line in enumerate(lines, first_number):
            inner = self.envelope.inner(line, self.names, awaited=self.parts.is_open)
            if inner is None:
                whole.append(Piece(number, line))
                continue
            piece = Piece(number, inner.text, inner.time, inner.outer)
            if self.parts.is_open and is_object(inner.text):
                # a program that died left the line before unfinished
                self.parts.reject(inner.stream)
            joined = self.parts.take(inner.stream, piece, is_part=inner.is_part)
            if joined is not None:
                whole.append(joined)
        return whole

    def _of_cri(self, lines: Sequence[str], first_number: int) -> list[Piece]:
        whole = []
        for number, line in enumerate(lines, first_number):
            found = _CRI.match(line)
            if found is None:
                whole.append(Piece(number, line))
                continue
            front, stream, tag, text = found.groups()
            piece = self.parts.take(stream, Piece(number, text or "", front), is_part=tag == "P")
            if piece is not None:
                whole.append(Piece(piece.number, f"{piece.header}F {piece.text}"))
        return whole
