"""Parse log lines to requests, a block at a time, with a reason for each line that is rejected."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pratique.config import FieldNames
from pratique.errors import DataError
from pratique.telemetry.logs import detect, envelopes, presets
from pratique.telemetry.logs.events import Events, RevisionSource
from pratique.telemetry.logs.findings import Findings
from pratique.telemetry.logs.layouts import Layout, NamedLayout
from pratique.telemetry.logs.named import WRONG_TYPE, listed
from pratique.telemetry.logs.zones import check_zone
from pratique.telemetry.parsed import NO_EVENTS, Parsed, sorted_out, with_reasons

SAMPLE = 1000
"""Lines at the beginning that show the layout of a log."""


class Parser:
    """Parse lines of one format for one service."""

    def __init__(
        self,
        fmt: str,
        *,
        service: str,
        fields: FieldNames,
        ignore_paths: tuple[str, ...],
        default_host: str,
        revision: str | None,
        revision_from: str | None,
        log_format: str | None,
        timezone: str | None = None,
        field_names: tuple[str, ...] = (),
    ) -> None:
        """fmt: a key of PRESETS, or "auto". revision, revision_from: at most one of them; with neither, a field tells it.

        field_names: MEANING=NAME[:UNIT] of fields, before those of `fields`. timezone: of local times; None for UTC.
        Raises: UsageError (an unknown format or field, both revisions, a pattern without a group, a wrong log format).
        """
        self._fmt = fmt
        self._ignore = list(ignore_paths)
        self._source = RevisionSource.of(revision, revision_from)
        self._candidates = detect.with_names(
            detect.candidates(fmt, log_format),
            presets.given(field_names),
            presets.configured(fields),
            is_open=fmt == "auto" and log_format is None,
        )
        if timezone is not None:
            check_zone(timezone)
        self._given = {"service": service, "host": default_host, "zone": timezone or "UTC"}
        self.findings = Findings(zone=timezone)
        self._layout: Layout | None = None
        self._events: Events | None = None
        self._envelope: envelopes.Envelope | None = None
        if (
            len(self._candidates) == 1
            and not isinstance(self._candidates[0], NamedLayout)
            and self._candidates[0].fields
        ):
            self._check_names(self._candidates[0])

    @property
    def format(self) -> str:
        """The name of the format: that which was given, or that which was found."""
        return self._fmt if self._layout is None or self._fmt != "auto" else self._layout.name

    @property
    def is_backdated(self) -> bool:
        """Whether a line is written at the end of a request with the time of its beginning."""
        return self._layout is not None and any(field.meaning == "t_total" for field in self._layout.fields)

    def _check_names(self, layout: Layout) -> None:
        """Raise for a field that no line can have, before any file is read."""
        Events(layout.fields, self._source, **self._given, has_header=True)

    def prepare(self, lines: Sequence[str]) -> None:
        """Decide by the first lines of a log which layout it has. Raises: UsageError, DataError (no format fits)."""
        lines = [line for line in lines if line.strip()][:SAMPLE]
        if not lines:
            return
        self._envelope = envelopes.found(lines, is_json=any(isinstance(one, NamedLayout) for one in self._candidates))
        frame = self._framed(lines, 1)
        lines = frame["line"].to_list()
        layout, why = detect.chosen(self._candidates, lines, self._fmt)
        layout = layout.prepared(lines, [self._source.field])
        has_header = "header" in frame.columns or frame["line"].str.contains(envelopes.HEADER.pattern).any()
        if isinstance(layout, NamedLayout):
            _check_keys(layout, self._source, has_header=has_header)
        self._layout = layout
        self._events = Events(layout.fields, self._source, **self._given, has_header=has_header)
        sample = layout.split(self._with_header(frame)).filter(pl.col("matched"))
        self._events.calibrated(sample)
        self.findings.begin(self._events, why, sample)

    def _framed(self, lines: Sequence[str], first_number: int) -> pl.DataFrame:
        frame = pl.DataFrame({"line": lines}, schema={"line": pl.String}).with_row_index("number", offset=first_number)
        return frame if self._envelope is None else self._envelope.unwrapped(frame)

    def _with_header(self, frame: pl.DataFrame) -> pl.DataFrame:
        if "header" in frame.columns or self._events is None or not self._events.needs_header:
            return frame
        found = pl.col("line").str.extract_groups(envelopes.HEADER.pattern)
        return frame.with_columns(header=pl.coalesce(found.struct.field("1"), found.struct.field("2")))

    def parse(self, block: bytes, first_number: int) -> Parsed:
        """Parse a block of complete lines, whatever they hold. first_number: number of its first line, from 1."""
        text = block.decode("utf-8", "replace")
        lines = text.removesuffix("\n").split("\n")
        if self._layout is None or self._events is None:
            self.prepare(lines)
        if self._layout is None or self._events is None:
            return Parsed(
                NO_EVENTS, [(first_number + i, "an empty line", "") for i in range(len(lines))], 0, 0, 0, len(lines)
            )
        frame = self._with_header(self._framed(lines, first_number))
        split = self._layout.split(frame)
        wrong = pl.col(WRONG_TYPE) if WRONG_TYPE in split.columns else None
        rows = with_reasons(self._events.read(split), self._events, self._ignore, more=wrong)
        self.findings.count_events(rows.filter(pl.col("reason").is_null()))
        return sorted_out(rows, len(lines), why_not=self._layout.why_not, other_kind=self._layout.other_kind)

    def sample(self, head: bytes) -> Parsed:
        """Parse the first lines without counting what they tell."""
        kept, self.findings = self.findings, Findings(None)
        try:
            return self.parse(head, 1)
        finally:
            self.findings = kept


def _check_keys(layout: NamedLayout, source: RevisionSource, *, has_header: bool) -> None:
    """Raise when the lines lack what every event needs, and say how to name it."""
    is_json = layout.reader.kind == "json"
    # an action is kept whether or not the lines have one
    meanings = {
        found.meaning for found in layout.fields if found.name in layout.keys or (is_json and found.meaning != "action")
    }
    have = f"it has {listed(layout.keys)}" if layout.keys else "its lines are no JSON objects"
    if layout.keys and "status" not in meanings:
        raise DataError(f"no field is known as the status of a request: {have}; name it: --field status=NAME")
    if layout.keys and not meanings & {"path", "request", "action"}:
        raise DataError(f"no field is known as the path or request of a line: {have}; name it: --field path=NAME")
    if layout.keys and "time" not in meanings and not has_header:
        raise DataError(f"no field is known as the time of a request: {have}; name it: --field time=NAME")
    keys = {key.lower() for key in layout.keys}
    missing = [found.name for found in layout.named() if found.name.lower() not in keys]
    if layout.keys and missing:
        raise DataError(f"no line has a field {missing[0]!r}, which is named as a value of the log: {have}")
    known = [found for found in layout.fields if found in layout.candidates]
    if (
        source.field
        and layout.keys
        and source.field.lower() not in keys
        and not any(found.answers_to(source.field) for found in known)
    ):
        raise DataError(f"--revision-from: no line has a field {source.field!r}: {have}")
