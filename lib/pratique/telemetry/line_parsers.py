"""Parse log lines to requests, a block at a time, with a reason for each line that is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from pratique.config import FieldNames
from pratique.errors import DataError
from pratique.telemetry.logs import detect, envelopes, presets
from pratique.telemetry.logs.events import Events, RevisionSource
from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.findings import Findings
from pratique.telemetry.logs.layouts import Layout, NamedLayout
from pratique.telemetry.logs.named import WRONG_TYPE, listed
from pratique.telemetry.logs.outer import NamedFields, without
from pratique.telemetry.logs.unwrap import Unwrapper
from pratique.telemetry.logs.zones import check_zone
from pratique.telemetry.parsed import NO_EVENTS, Parsed, nothing, sorted_out, with_reasons, with_rejects

PARTS = "parts of lines that a container engine cut"
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
        self._named = NamedFields(presets.given(field_names), presets.configured(fields), self._source)
        needs_status = all(field.meaning != "status" for field in self._named.given)
        self._candidates = self._named.layouts(
            detect.candidates(fmt, log_format, needs_status=needs_status), is_open=fmt == "auto" and log_format is None
        )
        if timezone is not None:
            check_zone(timezone)
        self._given = {"service": service, "host": default_host, "zone": timezone or "UTC"}
        self.findings = Findings(zone=timezone)
        self._layout: Layout | None = None
        self._events: Events | None = None
        self._unwrapper = Unwrapper(None)
        if (
            len(self._candidates) == 1
            and not isinstance(self._candidates[0], NamedLayout)
            and self._candidates[0].fields
            and not self._named.names_revision()
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
        unwrapper = Unwrapper.of(lines, is_json=any(isinstance(one, NamedLayout) for one in self._candidates))
        inner = unwrapper.frame(lines, 1)["line"].to_list()
        layout, why = detect.chosen(self._candidates, inner, self._fmt)
        layout = layout.prepared(inner, [self._source.field])
        outer = self._named.in_wrapper(layout, unwrapper)
        layout = without(layout, outer)
        unwrapper = unwrapper.fresh(tuple(field.name for field in outer))
        frame = unwrapper.frame(lines, 1)
        has_header = "header" in frame.columns or frame["line"].str.contains(envelopes.HEADER.pattern).any()
        if isinstance(layout, NamedLayout):
            _check_keys(layout, self._source, outer, has_header=has_header)
        self._layout, self._unwrapper = layout, unwrapper.fresh()
        self._events = Events((*layout.fields, *outer), self._source, **self._given, has_header=has_header)
        sample = self._split(frame).filter(pl.col("matched"))
        self._events.calibrated(sample)
        self.findings.begin(self._events, why, sample)

    def _split(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the texts of all fields: those within a line, and behind them those of its wrapper."""
        assert self._layout is not None  # noqa: S101 - the callers check
        within = len(self._layout.fields)
        split = self._layout.split(self._with_header(frame))
        return split.rename({f"w{index}": f"g{within + index}" for index in range(len(self._unwrapper.names))})

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
        split = self._split(self._unwrapper.frame(lines, first_number))
        wrong = pl.col(WRONG_TYPE) if WRONG_TYPE in split.columns else None
        rows = with_reasons(self._events.read(split), self._events, self._ignore, more=wrong)
        self.findings.count_events(rows.filter(pl.col("reason").is_null()))
        parsed = sorted_out(rows, len(lines), why_not=self._layout.why_not, other_kind=self._layout.other_kind)
        return self._with_parts(parsed)

    def reject(self, number: int, reason: str, text: str) -> Parsed:
        """Reject a line that is not read, and the lines whose ends it may be."""
        self._unwrapper.parts.end()
        return self._with_parts(with_rejects(nothing(1), [(number, reason, text)], self._source.revision))

    def end(self) -> Parsed:
        """Return what is left when a file ends: parts of lines whose end is missing."""
        self._unwrapper.parts.end()
        return self._with_parts(nothing(0))

    def _with_parts(self, parsed: Parsed) -> Parsed:
        parts = self._unwrapper.parts
        rejects, joined = parts.taken_rejects(), parts.taken_joined()
        if joined:
            parsed = replace(parsed, others={**parsed.others, PARTS: joined})
        return with_rejects(parsed, rejects, self._source.revision) if rejects else parsed

    def sample(self, head: bytes) -> Parsed:
        """Parse the first lines without counting what they tell."""
        kept, self.findings = self.findings, Findings(None)
        try:
            return self.parse(head, 1)
        finally:
            self.findings, self._unwrapper = kept, self._unwrapper.fresh()


def _check_keys(layout: NamedLayout, source: RevisionSource, outer: Sequence[Field], *, has_header: bool) -> None:
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
    known = [found for found in layout.fields if found in layout.candidates] + [*outer]
    if (
        source.field
        and layout.keys
        and source.field.lower() not in keys
        and not any(found.answers_to(source.field) for found in known)
    ):
        raise DataError(f"--revision-from: no line has a field {source.field!r}: {have}")
