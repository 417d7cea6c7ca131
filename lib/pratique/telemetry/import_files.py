"""Import existing access logs: complete files, each counted once even when it is imported repeatedly.

A log is identified by the beginning of its decompressed content, not by its name. A log that has grown since, or was
rotated or compressed, is the same log: its rows are replaced by the new totals. `imports.json` in the state folder
lists the beginnings of imported logs.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from glob import glob
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pratique.config import Config, check_name
from pratique.errors import DataError, MissingError
from pratique.telemetry.actions import Actions
from pratique.telemetry.file_reader import STDIN
from pratique.telemetry.import_summary import ImportSummary
from pratique.telemetry.imported_logs import ImportedLogs, Place
from pratique.telemetry.lost_lines import LostCount, LostLines, record_lost_lines
from pratique.telemetry.readers import Input, Readers, ReadOptions
from pratique.telemetry.reasons import way_out
from pratique.telemetry.rejects import RejectsFile
from pratique.telemetry.request_counter import RequestCounter
from pratique.telemetry.rollup_runs import RollupRuns
from pratique.telemetry.rollups import Rollups, Sink


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
    interval: int | None = None,
    rejects: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    notice: Callable[[str], None] = lambda _: None,
) -> ImportSummary:
    """Import log files and tables, all of them or none. Only very large imports are written in several steps: after a crash within
    them, import the files again.

    paths: files; a name that no file has, with "*", "?" or "[", stands for all files that it matches.
    fmt: a key of `logs.presets.PRESETS`, "csv", "parquet", or "auto". revision: of all lines; revision_from: FIELD or FIELD:REGEX to read it
    from. log_format: format string from the server's configuration; default from the service file. field_names:
    MEANING=NAME[:UNIT]. timezone: of times without a zone; default from the service file, else UTC for logs; a table with
    such times needs one. interval: seconds that a row of counts covers; default by its times. rejects: file for rejected lines; default in the state folder. progress: called with the bytes read and in all.
    notice: called with a sentence for each input that is waited for, or "". A path "-" is standard input.
    Raises: UsageError, MissingError, DeniedError, DataError (a wrong format, a truncated file), StorageError.
    """
    check_name("service", service)
    settings = config.service(service)
    options = ReadOptions(fmt, revision, revision_from, log_format, tuple(field_names), timezone, interval)
    readers = Readers(config, service, options)
    paths = expanded(paths)
    sizes = [_size(path) for path in paths]
    rejects = rejects or config.state_dir / "rejects" / f"{service}.jsonl"
    rollups = RollupRuns(config.state_dir)
    counter = RequestCounter(service, Actions(settings.actions), config.telemetry.window_s)
    with RejectsFile(rejects, paths) as kept:
        job = _Import(readers, counter, kept, rollups)
        for index, path in enumerate(paths):
            notice(_waits_for(path))
            job.read(path, partial(_report, progress, sum(sizes[:index]), sum(sizes)) if progress else None)
        with ImportedLogs.open(config.state_dir / "imports.json") as known:
            shaping = (
                fmt,
                revision,
                revision_from,
                log_format,
                timezone,
                *field_names,
                *([str(interval)] if interval else []),
            )
            shape, replaced = _shape(config, service, *shaping), False
            for part in job.named(known, shape):
                store.write(part, instead_of=() if replaced else known.changed)
                replaced = True
            for lost in job.lost(config.store.url):
                record_lost_lines(config.state_dir, service, lost)
            known.keep()
        counter.summary.rejects, counter.summary.rejects_kept = kept.keep(), kept.kept
    return counter.summary


def expanded(paths: Sequence[Path]) -> list[Path]:
    """Return the paths, with a pattern replaced by the files that it matches. Raises: MissingError when there are none."""
    found: list[Path] = []
    for path in paths:
        if not any(sign in str(path) for sign in "*?[") or path.exists():
            found.append(path)
            continue
        matching = sorted(glob(str(path), recursive=True))  # noqa: PTH207 - the path may be absolute
        if not matching:
            raise MissingError(f"no file matches {str(path)!r}: check the path")
        found += [Path(name) for name in matching if not Path(name).is_dir()]
    return found


def _shape(config: Config, service: str, *options: str | None) -> str:
    """Return a digest of everything besides its lines that shapes the rows of a log."""
    settings = config.service(service)
    parts = [settings.imports.model_dump(mode="json"), [rule.model_dump(mode="json") for rule in settings.actions]]
    telemetry = config.telemetry
    content = [service, options, telemetry.window_s, telemetry.host, telemetry.httplog.timezone, *parts]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


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

    def __init__(self, readers: Readers, counter: RequestCounter, rejects: RejectsFile, rollups: RollupRuns) -> None:
        self._readers = readers
        self._counter = counter
        self._rejects = rejects
        self._rollups = rollups
        self._heads: list[bytes] = []
        self._paths: list[str] = []
        self._grows: list[bool] = []
        self._lines: list[int] = []
        self._lost: list[LostCount] = []
        self._sources: dict[str, str] = {}

    def read(self, path: Path, progress: Callable[[int], None] | None) -> None:
        """Read one file, without storing anything yet."""
        summary, lost = self._counter.summary, LostCount()
        before, number = summary.lines, str(len(self._heads))
        opened = self._readers.open(path, progress)
        self._check_sample(path, opened)
        self._counter.begin_file()
        for parsed in opened.blocks():
            lost.take(parsed)
            self._rejects.add(path, parsed.rejects)
            found = self._counter.take(parsed, number, back_ms=opened.back_ms, window_s=opened.window_s)
            if len(found):
                self._rollups.add(found)
        summary.files += 1
        summary.notes, summary.doubts = opened.findings.notes(), opened.findings.warnings()
        summary.failed_attempts = dict(opened.findings.failed_attempts)
        self._heads.append(opened.head)
        self._paths.append("" if str(path) == STDIN else os.path.realpath(path))
        self._grows.append(not opened.known_by_path)
        self._lines.append(summary.lines - before)
        self._lost.append(lost)

    def named(self, known: ImportedLogs, settings: str) -> Iterator[Rollups]:
        """Yield the rows of all files, each log counted once even when several of the files are the same log."""
        # a shorter copy first: the beginning of a log that has grown is known by then
        places = {head: self._place(index) for index, head in enumerate(self._heads)}
        sources = {head: known.source(head, settings, places[head]) for head in sorted(places, key=len) if head}
        self._counter.summary.rewritten = known.rewritten
        self._counter.summary.overlapping = known.overlapping
        files = [index for index, head in enumerate(self._heads) if head]
        longest = {sources[self._heads[index]]: index for index in sorted(files, key=self._lines.__getitem__)}
        self._counter.summary.repeated = len(files) - len(longest)
        self._sources = {str(index): source for source, index in longest.items()}
        for part in self._rollups.parts():
            yield _with_sources(part.table, self._sources)

    def _place(self, index: int) -> Place | None:
        read = self._lost[index].of("", "")
        if not self._paths[index] or not read.counted:
            return None
        return Place(self._paths[index], read.first, read.last, self._grows[index])

    def lost(self, store: str) -> list[LostLines]:
        """Return the lines of each log that are not in the store, by its URL; call it after `named`."""
        return [self._lost[int(index)].of(source, store) for index, source in self._sources.items()]

    def _check_sample(self, path: Path, opened: Input) -> None:
        try:
            parsed = opened.sample()
        except DataError as error:
            told = str(path) in str(error)
            raise error if told else DataError(f"{str(path)!r}: {error}; nothing was stored") from error
        own = parsed.lines - parsed.other_services - sum(parsed.others.values())
        if own and len(parsed.rejects) * 2 > own:
            number, reason, _ = parsed.rejects[0]
            raise DataError(
                f"{str(path)!r} cannot be read as {opened.format}: {len(parsed.rejects):,} of its first {own:,} lines are rejected, "
                f"first line {number}: {reason}; nothing was stored, {way_out(reason)}"
            )


def _with_sources(table: pa.Table, names: dict[str, str]) -> Rollups:
    """Give rows the source name of their file; rows of other files are left out. names: by the number of the file."""
    table = table.filter(pc.is_in(table["source"], pa.array(list(names), pa.string())))
    found = table["source"].combine_chunks().dictionary_encode()
    sources = pa.array([names[number] for number in found.dictionary.to_pylist()], pa.string())
    renamed = pa.DictionaryArray.from_arrays(found.indices, sources).cast(pa.string())
    return Rollups(table.set_column(table.schema.get_field_index("source"), table.schema.field("source"), renamed))
