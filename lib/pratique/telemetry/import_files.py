"""Import existing access logs: complete files, each counted once even when it is imported repeatedly.

A log is identified by the beginning of its decompressed content, not by its name. A log that has grown since, or was
rotated or compressed, is the same log: its rows are replaced by the new totals. `imports.json` in the state folder
lists the beginnings of imported logs.
"""

from __future__ import annotations

import hashlib
import json
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pratique.config import Config, check_name
from pratique.errors import DataError
from pratique.telemetry.actions import Actions
from pratique.telemetry.cardinality import MOST_ACTIONS, MOST_HOSTS, MOST_REVISIONS, BoundedNames
from pratique.telemetry.file_reader import LONGEST_LINE, STDIN, Block, LogReader
from pratique.telemetry.import_summary import ImportSummary
from pratique.telemetry.imported_logs import ImportedLogs
from pratique.telemetry.line_parsers import Parsed, Parser
from pratique.telemetry.lost_lines import LostCount, LostLines, record_lost_lines
from pratique.telemetry.rejects import RejectsFile
from pratique.telemetry.rollup_runs import RollupRuns
from pratique.telemetry.rollups import Rollups, Sink

SAMPLE = 1000
"""Lines at the beginning; when more than half of them cannot be read, the format is wrong."""
WITH_A_FORMAT_STRING = frozenset(
    {"auto", "combined", "haproxy", "envoy", "tomcat", "gunicorn", "vhost_combined", "jsonl"}
)
"""Formats that the format string of the service file is for."""
LONGEST_SHOWN = 4000
"""Bytes of a line that is too long, of which the beginning is kept."""
LONGEST_HOST = 100
"""Characters of a host that are stored."""


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
    field_names: Sequence[str] = (),
    timezone: str | None = None,
    rejects: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    notice: Callable[[str], None] = lambda _: None,
) -> ImportSummary:
    """Import log files, all of them or none. Only very large imports are written in several steps: after a crash within
    them, import the files again.

    fmt: a key of `logs.presets.PRESETS`, or "auto". revision: of all lines; revision_from: FIELD or FIELD:REGEX to read it
    from. log_format: format string from the server's configuration; default from the service file. field_names:
    MEANING=NAME[:UNIT]. timezone: of times without a zone; default from the service file, else UTC. rejects: file for rejected lines; default in the state folder. progress: called with the bytes read and in all.
    notice: called with a sentence for each input that is waited for, or "". A path "-" is standard input.
    Raises: UsageError, MissingError, DeniedError, DataError (a wrong format, a truncated file), StorageError.
    """
    check_name("service", service)
    settings = config.service(service)
    parser = parser_for(
        config,
        service,
        fmt,
        revision=revision,
        revision_from=revision_from,
        log_format=log_format,
        field_names=field_names,
        timezone=timezone,
    )
    sizes = [_size(path) for path in paths]
    rejects = rejects or config.state_dir / "rejects" / f"{service}.jsonl"
    rollups = RollupRuns(config.state_dir)
    with RejectsFile(rejects, paths) as kept:
        job = _Import(parser, service, Actions(settings.actions), config.telemetry.window_s, kept, rollups)
        for index, path in enumerate(paths):
            notice(_waits_for(path))
            job.read(path, partial(_report, progress, sum(sizes[:index]), sum(sizes)) if progress else None)
        with ImportedLogs.open(config.state_dir / "imports.json") as known:
            options = (fmt, revision, revision_from, log_format, timezone, *field_names)
            shape, replaced = _shape(config, service, *options), False
            for part in job.named(known, shape):
                store.write(part, instead_of=() if replaced else known.changed)
                replaced = True
            for lost in job.lost(config.store.url):
                record_lost_lines(config.state_dir, service, lost)
            known.keep()
        job.summary.rejects, job.summary.rejects_kept = kept.keep(), kept.kept
    return job.summary


def _shape(config: Config, service: str, *options: str | None) -> str:
    """Return a digest of everything besides its lines that shapes the rows of a log."""
    settings = config.service(service)
    parts = [settings.imports.model_dump(mode="json"), [rule.model_dump(mode="json") for rule in settings.actions]]
    telemetry = config.telemetry
    content = [service, options, telemetry.window_s, telemetry.host, telemetry.httplog.timezone, *parts]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def parser_for(
    config: Config,
    service: str,
    fmt: str,
    *,
    revision: str | None = None,
    revision_from: str | None = None,
    log_format: str | None = None,
    field_names: Sequence[str] = (),
    timezone: str | None = None,
) -> Parser:
    """Return the parser of a service's log, by the arguments of import_files and the service file."""
    imports, httplog = config.service(service).imports, config.telemetry.httplog
    return Parser(
        fmt,
        service=service,
        fields=imports.fields,
        ignore_paths=imports.ignore_paths,
        default_host=config.telemetry.host,
        revision=revision,
        revision_from=revision_from or (imports.revision_from if revision is None else None),
        log_format=log_format or (imports.log_format if fmt in WITH_A_FORMAT_STRING else None),
        timezone=timezone or (httplog.timezone if "timezone" in httplog.model_fields_set else None),
        field_names=tuple(field_names),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading the file raises the error


def _report(progress: Callable[[int, int], None], before: int, total: int, at: int) -> None:
    progress(before + at, total)


def _waits_for(path: Path) -> str:
    """Return what reading an input waits for; "" for a file."""
    if str(path) == STDIN:
        return "reading standard input to its end" if sys.stdin.isatty() else ""
    try:
        is_pipe = stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return ""  # reading the file raises the error
    return f"{str(path)!r} is a pipe: reading until its writer closes it" if is_pipe else ""


class _Import:
    """One import in progress."""

    def __init__(
        self,
        parser: Parser,
        service: str,
        actions: Actions,
        window_s: int,
        rejects: RejectsFile,
        rollups: RollupRuns,
    ) -> None:
        self._parser = parser
        self._service = service
        self._actions = actions
        self._window_s = window_s
        self._rejects = rejects
        self._heads: list[bytes] = []
        self._lines: list[int] = []
        self._bounds = {
            "revision": BoundedNames(MOST_REVISIONS),
            "action": BoundedNames(MOST_ACTIONS),
            "host": BoundedNames(MOST_HOSTS),
        }
        self._rollups = rollups
        self.summary = ImportSummary()
        self._lost: list[LostCount] = []
        self._sources: dict[str, str] = {}

    def read(self, path: Path, progress: Callable[[int], None] | None) -> None:
        """Read one file, without storing anything yet."""
        file, last_ms, before, lost = LogReader(path, progress), 0, self.summary.lines, LostCount()
        for block in file.blocks():
            if block.number == 1 and not block.too_long:
                self._check_sample(path, block.content)
            parsed = _too_long(block) if block.too_long else self._parser.parse(block.content, block.number)
            lost.add(_times_ms(parsed), [reason for _, reason, _ in parsed.rejects])
            lost.without_revision += parsed.without_revision
            last_ms = self._take(parsed, path, last_ms)
        self.summary.files += 1
        findings = self._parser.findings
        self.summary.notes, self.summary.doubts = findings.notes(), findings.warnings()
        self.summary.failed_attempts = dict(findings.failed_attempts)
        self._heads.append(file.head)
        self._lines.append(self.summary.lines - before)
        self._lost.append(lost)

    def named(self, known: ImportedLogs, settings: str) -> Iterator[Rollups]:
        """Yield the rows of all files, each log counted once even when several of the files are the same log."""
        # a shorter copy first: the beginning of a log that has grown is known by then
        sources = {head: known.source(head, settings) for head in sorted(set(self._heads), key=len) if head}
        files = [index for index, head in enumerate(self._heads) if head]
        longest = {sources[self._heads[index]]: index for index in sorted(files, key=self._lines.__getitem__)}
        self.summary.repeated = len(files) - len(longest)
        self._sources = {str(index): source for source, index in longest.items()}
        for part in self._rollups.parts():
            yield _with_sources(part.table, self._sources)

    def lost(self, store: str) -> list[LostLines]:
        """Return the lines of each log that are not in the store, by its URL; call it after `named`."""
        return [self._lost[int(index)].of(source, store) for index, source in self._sources.items()]

    def _check_sample(self, path: Path, block: bytes) -> None:
        head = block.split(b"\n", SAMPLE)[:SAMPLE]
        try:
            self._parser.prepare([line.decode("utf-8", "replace") for line in head])
        except DataError as error:
            raise DataError(f"{str(path)!r}: {error}; nothing was stored") from error
        parsed = self._parser.sample(b"\n".join(head))
        own = parsed.lines - parsed.other_services - sum(parsed.others.values())
        if own and len(parsed.rejects) * 2 > own:
            number, reason, _ = parsed.rejects[0]
            raise DataError(
                f"{str(path)!r} is not a {self._parser.format} log: {len(parsed.rejects):,} of its first {own:,} lines cannot be read, "
                f"first line {number}: {reason}; nothing was stored, check --format"
            )

    def _take(self, parsed: Parsed, path: Path, last_ms: int) -> int:
        summary, events = self.summary, parsed.events
        summary.lines += parsed.lines
        summary.ignored += parsed.ignored
        summary.without_revision += parsed.without_revision
        summary.other_services += parsed.other_services
        for kind, count in parsed.others.items():
            summary.others[kind] = summary.others.get(kind, 0) + count
        for _, reason, _ in parsed.rejects:
            summary.add_reason(reason)
        self._rejects.add(path, parsed.rejects)
        if not len(events):
            return last_ms
        time_ms = events["time_ms"].to_numpy()
        # HAProxy writes a line at the end of a request, with the time of its beginning: up to a minute back is normal
        running = np.maximum.accumulate(np.concatenate([[last_ms], time_ms]))
        behind = time_ms < running[:-1] - (60_000 if self._parser.is_backdated else 1_000)
        summary.backwards += int((behind & ~np.concatenate([[False], behind[:-1]])).sum())
        events = self._bounded(events)
        self._count(events)
        self._rollups.add(Rollups.from_events(self._table(events), window_s=self._window_s))
        return int(running[-1])

    def _bounded(self, events: pl.DataFrame) -> pl.DataFrame:
        """Name the actions, and fold the names beyond the bounds; those with the most requests come first."""
        pairs = events.select("method", "path").unique(maintain_order=True)
        names = [self._actions.action(method, path) for method, path in pairs.iter_rows()]
        events = events.join(
            pairs.with_columns(named=pl.Series(names, dtype=pl.String)),
            on=["method", "path"],
            how="left",
            maintain_order="left",
        ).with_columns(host=pl.col("host").str.slice(0, LONGEST_HOST), action=pl.coalesce("action", "named"))
        for kind, bound in self._bounds.items():
            counts = events[kind].value_counts(sort=True)
            admitted = [bound.admit(name, count) for name, count in counts.iter_rows()]
            folded = counts.select(kind).with_columns(name=pl.Series(admitted, dtype=pl.String))
            if admitted != counts[kind].to_list():
                events = events.with_columns(pl.col(kind).replace_strict(folded[kind], folded["name"]))
        return events

    def _count(self, events: pl.DataFrame) -> None:
        summary = self.summary
        for name, count in events["revision"].value_counts().iter_rows():
            summary.revisions[name] = summary.revisions.get(name, 0) + count
        summary.events += len(events)
        summary.actions = len(self._bounds["action"])
        summary.folded = {kind: bound.folded for kind, bound in self._bounds.items() if bound.folded}
        first, last = (
            datetime.fromtimestamp(int(str(ms)) / 1000, UTC)
            for ms in (events["time_ms"].min(), events["time_ms"].max())
        )
        summary.first = min(summary.first or first, first)
        summary.last = max(summary.last or last, last)

    def _table(self, events: pl.DataFrame) -> pa.Table:
        columns = events.select(
            "time_ms",
            pl.lit(self._service).alias("service"),
            *(pl.col(name).cast(pl.Categorical) for name in ("revision", "action", "host")),
            pl.lit(str(len(self._heads))).alias("source"),
            pl.col("code").cast(pl.Int16),
            "duration_ms",
        )
        return _rollup_types(columns.to_arrow())


def _times_ms(parsed: Parsed) -> npt.NDArray[np.int64]:
    """The times of the requests of a block; a block without one may have no columns."""
    return parsed.events["time_ms"].to_numpy() if len(parsed.events) else np.zeros(0, np.int64)


def _with_sources(table: pa.Table, names: dict[str, str]) -> Rollups:
    """Give rows the source name of their file; rows of other files are left out. names: by the number of the file."""
    table = table.filter(pc.is_in(table["source"], pa.array(list(names), pa.string())))
    found = table["source"].combine_chunks().dictionary_encode()
    sources = pa.array([names[number] for number in found.dictionary.to_pylist()], pa.string())
    renamed = pa.DictionaryArray.from_arrays(found.indices, sources).cast(pa.string())
    return Rollups(table.set_column(table.schema.get_field_index("source"), table.schema.field("source"), renamed))


def _too_long(block: Block) -> Parsed:
    text = block.content[:LONGEST_SHOWN].decode("utf-8", "replace")
    reason = f"it is longer than {LONGEST_LINE:,} bytes"
    return Parsed(
        pl.DataFrame(), [(block.number, reason, text)], ignored=0, without_revision=0, other_services=0, lines=1
    )


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
