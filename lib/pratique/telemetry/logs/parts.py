"""Lines that a container engine wrote in parts, joined: Docker and CRI cut a line every 16 kB."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

LONGEST = 1 << 20
"""Characters of a joined line that is read; a longer one is rejected, part by part."""
MOST_OPEN = 16
"""Lines of different streams whose ends are awaited at a time; beyond, the oldest one is rejected."""
_TOO_LONG = f"it is a part of a line longer than {LONGEST:,} characters"
_NO_END = "it is a part of a line whose end is missing"


@dataclass(frozen=True)
class Piece:
    """A line, or a part of one. number: of the line of the file. header: the engine's time. outer: values of the wrapper."""

    number: int
    text: str
    header: str | None = None
    outer: tuple[str | None, ...] = ()


class _Held:
    """The parts of one line so far; none are kept once it is too long."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.size = 0


class Parts:
    """Joins the parts of lines."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Held] = {}
        self._rejects: list[tuple[int, str, str]] = []
        self._joined = 0

    @property
    def is_open(self) -> bool:
        """Whether the end of a line is awaited."""
        return bool(self._open)

    def take(self, stream: Hashable, piece: Piece, *, is_part: bool) -> Piece | None:
        """Return the whole line that a piece ends; None when its end is yet to come, or it is too long.

        stream: what the pieces of one line have in common. is_part: whether the line goes on.
        """
        held = self._open.get(stream)
        if held is None:
            if not is_part:
                return piece
            if len(self._open) >= MOST_OPEN:
                self._reject(self._open.pop(next(iter(self._open))), _NO_END)
            held = self._open[stream] = _Held()
        held.pieces.append(piece)
        held.size += len(piece.text)
        if not is_part:
            del self._open[stream]
        if held.size > LONGEST:
            self._reject(held, _TOO_LONG)
            return None
        if is_part:
            return None
        self._joined += len(held.pieces) - 1
        return replace(held.pieces[0], text="".join(part.text for part in held.pieces))

    def reject(self, stream: Hashable) -> None:
        """Reject the parts of a line whose end is missing, because another line of the stream begins."""
        held = self._open.pop(stream, None)
        if held is not None:
            self._reject(held, _NO_END)

    def end(self) -> None:
        """Reject the lines whose end did not come."""
        for held in self._open.values():
            self._reject(held, _NO_END)
        self._open.clear()

    def taken_rejects(self) -> list[tuple[int, str, str]]:
        """Return the line number, reason and text of each part rejected since the last call."""
        found, self._rejects = self._rejects, []
        return found

    def taken_joined(self) -> int:
        """Return the number of parts joined since the last call."""
        found, self._joined = self._joined, 0
        return found

    def _reject(self, held: _Held, reason: str) -> None:
        self._rejects += [(piece.number, reason, piece.text) for piece in held.pieces]
        held.pieces = []
