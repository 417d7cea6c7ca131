"""Import existing access logs: complete files, each counted once even when it is imported repeatedly.

A log is identified by the beginning of its decompressed content, not by its name. A log that has grown since, or was
rotated or compressed, is the same log: its rows are replaced by the new totals. `imports.json` in the state folder
lists the beginnings of imported logs.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from pratique.config import Config, check_name
from pratique.errors import DataError, StorageError
from pratique.files import replace_file
from pratique.number_text import plural
from pratique.telemetry.actions import Actions
from pratique.telemetry.file_reader import blocks
from pratique.telemetry.line_parsers import Parsed, Parser
from pratique.telemetry.lost_lines import LostLines, record_lost_lines
from pratique.telemetry.rollups import Rollups, Sink

HEAD = 1 << 16
"""Bytes at the beginning of a log that identify it."""
SAMPLE = 1000
"""Lines at the beginning; when more than half of them cannot be read, the format is wrong."""
MAX_LINE = 2000
"""Characters of a rejected line that are kept."""


@dataclass
class ImportSummary:
    """The result of an import.

    lines: lines read; each is one of events (stored requests), rejected, ignored, or without_revision.
    backwards: how often the clock in the log was set back. reasons: rejected lines by reason. first, last: times of the
    first and last request, UTC. revisions: requests by revision. rejects: the file of rejected lines, if any.
    """

    files: int = 0
    lines: int = 0
    events: int = 0
    rejected: int = 0
    ignored: int = 0
    without_revision: int = 0
    backwards: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    revisions: dict[str, int] = field(default_factory=dict)
    actions: int = 0
    rejects: Path | None = None

    def to_text(self) -> str:
        """Return a few lines for a terminal."""
        span = f" from {self.first:%Y-%m-%d %H:%M:%S} to {self.last:%Y-%m-%d %H:%M:%S} UTC" if self.first else ""
        read = f"{plural(self.events, 'request')} of {plural(self.lines, 'line')}"
        text = [f"{read}{span}, {plural(self.actions, 'action')}"]
        text += [f"  revision {name}: {count:,}" for name, count in sorted(self.revisions.items())]
        if self.without_revision:
            text.append(f"  {plural(self.without_revision, 'line')} without a revision, not stored")
        if self.ignored:
            text.append(f"  {plural(self.ignored, 'line')} ignored by ignore_paths of the service file")
        if self.backwards:
            text.append(
                f"  the clock was set back {plural(self.backwards, 'time')}; each line counts in the window of its time"
            )
        if self.rejected:
            text.append(f"  {plural(self.rejected, 'line')} rejected, see {self.rejects}")
            text += [f"    {count:,}: {reason}" for reason, count in sorted(self.reasons.items(), key=lambda i: -i[1])]
        return "\n".join(text)


def import_files(
    paths: Sequence[Path],
    *,
    service: str,
    fmt: str,
    config: Config,
    store: Sink,
    revision: str | None = None,
    revision_from: str | None = None,
    log_format: str | None = None,
    rejects: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportSummary:
    """Import log files, all of them or none.

    fmt: "haproxy", "combined" or "jsonl". revision: of all lines; revision_from: FIELD or FIELD:REGEX to read it from.
    log_format: format string of combined lines, from nginx's log_format or Apache's LogFormat; default from the service
    file. rejects: file for rejected lines; default in the state folder. progress: called with the bytes read and in all.
    Raises: UsageError, MissingError, DeniedError, DataError (a wrong format, a truncated file), StorageError.
    """
    check_name("service", service)
    settings = config.service(service)
    parser = Parser(
        fmt,
        service=service,
        fields=settings.imports.fields,
        ignore_paths=settings.imports.ignore_paths,
        default_host=config.telemetry.host,
        revision=revision,
        revision_from=revision_from,
        log_format=log_format or (settings.imports.log_format if fmt == "combined" else None),
    )
    known = ImportedLogs(config.state_dir / "imports.json")
    job = _Import(parser, fmt, service, Actions(settings.actions), config.telemetry.window_s, known)
    sizes = [_size(path) for path in paths]
    for index, path in enumerate(paths):
        job.read(path, partial(_report, progress, sum(sizes[:index]), sum(sizes)) if progress else None)
    job.keep_rejects(rejects or config.state_dir / "rejects" / f"{service}.jsonl")
    store.write(job.rollups)
    for lost in job.lost.values():
        record_lost_lines(config.state_dir, service, lost)
    known.keep()
    return job.summary


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading the file raises the error


def _report(progress: Callable[[int, int], None], before: int, total: int, at: int) -> None:
    progress(before + at, total)


class _Import:
    """One import in progress."""

    def __init__(
        self, parser: Parser, fmt: str, service: str, actions: Actions, window_s: int, known: ImportedLogs
    ) -> None:
        self._parser = parser
        self._fmt = fmt
        self._service = service
        self._actions = actions
        self._window_s = window_s
        self._known = known
        self._names: dict[tuple[str, str], str] = {}
        self._rejects: list[dict[str, object]] = []
        self.rollups = Rollups.empty()
        self.summary = ImportSummary()
        self.lost: dict[str, LostLines] = {}

    def read(self, path: Path, progress: Callable[[int], None] | None) -> None:
        """Read one file, without storing anything yet."""
        number, source, last_ms = 1, "", 0
        for block in blocks(path, progress):
            source = source or self._known.source(block[:HEAD])
            if number == 1:
                self._check_sample(path, block)
            parsed = self._parser.parse(block, number)
            number += parsed.lines
            last_ms = self._take(parsed, path, source, last_ms)
        self.summary.files += 1

    def _check_sample(self, path: Path, block: bytes) -> None:
        head = block.split(b"\n", SAMPLE)[:SAMPLE]
        parsed = self._parser.parse(b"\n".join(head), 1)
        if parsed.lines and len(parsed.rejects) * 2 > parsed.lines:
            number, reason, _ = parsed.rejects[0]
            raise DataError(
                f"{str(path)!r} is not a {self._fmt} log: {len(parsed.rejects):,} of its first {parsed.lines:,} lines cannot be read, "
                f"first line {number}: {reason}; nothing was stored, check --format"
            )

    def _take(self, parsed: Parsed, path: Path, source: str, last_ms: int) -> int:
        summary, events = self.summary, parsed.events
        summary.lines += parsed.lines
        summary.ignored += parsed.ignored
        summary.without_revision += parsed.without_revision
        summary.rejected += len(parsed.rejects)
        self._note_lost(parsed, source)
        for number, reason, line in parsed.rejects:
            summary.reasons[reason] = summary.reasons.get(reason, 0) + 1
            self._rejects.append({"file": str(path), "line": number, "reason": reason, "text": line[:MAX_LINE]})
        if not len(events):
            return last_ms
        time_ms = events["time_ms"].to_numpy()
        # HAProxy writes a line at the end of a request, with the time of its beginning: up to a minute back is normal
        running = np.maximum.accumulate(np.concatenate([[last_ms], time_ms]))
        behind = time_ms < running[:-1] - (60_000 if self._fmt == "haproxy" else 1_000)
        summary.backwards += int((behind & ~np.concatenate([[False], behind[:-1]])).sum())
        self._count(events["revision"].value_counts().iter_rows(), time_ms)
        table = self._table(events, source)
        self.rollups = self.rollups.merge(Rollups.from_events(table, window_s=self._window_s))
        return int(running[-1])

    def _note_lost(self, parsed: Parsed, source: str) -> None:
        """Add the lines of a block that were not counted, for the findings of a later comparison."""
        before = self.lost.get(source, LostLines(source, 1 << 62, 0, 0))
        reasons = Counter(before.lost)
        reasons.update(reason for _, reason, _ in parsed.rejects)
        if parsed.without_revision:
            reasons["no revision"] += parsed.without_revision
        times = parsed.events["time_ms"].to_numpy() if len(parsed.events) else np.zeros(0, np.int64)
        self.lost[source] = LostLines(
            source,
            min(before.first, int(times.min(initial=1 << 62))),
            max(before.last, int(times.max(initial=0))),
            before.counted + len(times),
            dict(reasons),
        )

    def _count(self, revisions: object, time_ms: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        summary = self.summary
        for name, count in revisions:  # type: ignore[attr-defined]
            summary.revisions[name] = summary.revisions.get(name, 0) + count
        summary.events += len(time_ms)
        first, last = (datetime.fromtimestamp(int(ms) / 1000, UTC) for ms in (time_ms.min(), time_ms.max()))
        summary.first = min(summary.first or first, first)
        summary.last = max(summary.last or last, last)

    def _table(self, events: object, source: str) -> pa.Table:
        import polars as pl  # noqa: PLC0415 - loaded by the parser already

        assert isinstance(events, pl.DataFrame)  # noqa: S101 - what the parser gives
        pairs = events.select("method", "path").unique(maintain_order=True)
        names = [self._actions.action(method, path) for method, path in pairs.iter_rows()]
        named = events.join(
            pairs.with_columns(named=pl.Series(names, dtype=pl.String)),
            on=["method", "path"],
            how="left",
            maintain_order="left",
        )
        columns = named.select(
            "time_ms",
            pl.lit(self._service).alias("service"),
            pl.col("revision").cast(pl.Categorical),
            pl.coalesce("action", "named").cast(pl.Categorical).alias("action"),
            pl.col("host").str.slice(0, 100).cast(pl.Categorical),
            pl.lit(source).alias("source"),
            pl.col("code").cast(pl.Int16),
            "duration_ms",
        )
        self.summary.actions = max(self.summary.actions, named["named"].n_unique())
        return _rollup_types(columns.to_arrow())

    def keep_rejects(self, path: Path) -> None:
        """Write the rejected lines to a file, as JSON, because they may hold anything. Raises: StorageError."""
        if not self._rejects:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{json.dumps(reject)}\n" for reject in self._rejects), encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"rejects file {str(path)!r} cannot be written: {error.strerror}; nothing was stored"
            ) from error
        self.summary.rejects = path


def _rollup_types(table: pa.Table) -> pa.Table:
    """Cast the string and dictionary types of polars to those of rollups."""
    kinds = []
    for column in table.schema:
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = pa.dictionary(pa.int32(), pa.string())
        elif pa.types.is_large_string(kind) or "string_view" in str(kind):
            kind = pa.string()
        kinds.append(pa.field(column.name, kind))
    return table.cast(pa.schema(kinds)).unify_dictionaries()


class ImportedLogs:
    """The logs imported before, by the beginning of their content."""

    def __init__(self, path: Path) -> None:
        """path: of the JSON file with the list. Raises: DataError when the file is corrupt."""
        self._path = path
        try:
            self._logs: list[dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._logs = []
        except ValueError as error:
            raise DataError(f"{str(path)!r} is corrupt: delete it and import the logs again") from error

    def source(self, head: bytes) -> str:
        """Return the source name of a log that begins with `head`: that of a known log, or a new one."""
        for log in self._logs:
            length = int(str(log["length"]))
            if length <= len(head) and hashlib.sha256(head[:length]).hexdigest() == log["sha256"]:
                log.update(length=len(head), sha256=hashlib.sha256(head).hexdigest())
                return str(log["source"])
        digest = hashlib.sha256(head).hexdigest()
        source = f"file:{digest[:16]}"
        self._logs.append({"source": source, "length": len(head), "sha256": digest})
        return source

    def keep(self) -> None:
        """Replace the file atomically. Raises: StorageError."""
        try:
            replace_file(self._path, json.dumps(self._logs))
        except OSError as error:
            raise StorageError(f"{str(self._path)!r} cannot be written: {error.strerror}") from error
