"""The reader of each input of an import: lines of a log, or rows of a CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from typing_extensions import override

from pratique.config import Config
from pratique.errors import DataError, UsageError
from pratique.number_text import plural
from pratique.telemetry.file_reader import LONGEST_LINE, Block, LogReader
from pratique.telemetry.line_parsers import Parser
from pratique.telemetry.logs import presets
from pratique.telemetry.logs.findings import Findings
from pratique.telemetry.parsed import NO_EVENTS, Parsed
from pratique.telemetry.tables.csv_dialect import dialect_of
from pratique.telemetry.tables.csv_file import CsvFile
from pratique.telemetry.tables.parquet_file import MAGIC, ParquetFile
from pratique.telemetry.tables.parser import TableOptions, TableParser

SAMPLE = 1000
"""Rows at the beginning; when more than half of them cannot be read, the format is wrong."""
TABLES = ("csv", "parquet")
"""Formats of tables."""
WITH_A_FORMAT_STRING = frozenset(
    {"auto", "combined", "haproxy", "envoy", "tomcat", "gunicorn", "vhost_combined", "jsonl"}
)
"""Formats that the format string of the service file is for."""
LONGEST_SHOWN = 4000
"""Bytes of a line that is too long, of which the beginning is kept."""


@dataclass(frozen=True)
class ReadOptions:
    """How a person says that inputs are to be read; see `import_files`."""

    fmt: str
    revision: str | None = None
    revision_from: str | None = None
    log_format: str | None = None
    field_names: tuple[str, ...] = ()
    timezone: str | None = None
    interval_s: int | None = None


class Input:
    """One input that is being read. format: its name. findings: what its reader tells. back_ms: see RequestCounter."""

    format = ""
    back_ms = 1_000
    window_s: int | None = None
    """Length of the windows of counts; None for single requests."""
    findings: Findings
    known_by_path = False
    """Whether the head is the whole content, so that only the path tells that the input was written again."""

    @property
    def head(self) -> bytes:
        """What identifies the content; complete when all of it is read."""
        raise NotImplementedError

    def sample(self) -> Parsed:
        """Return the first rows, which `blocks` yields all the same. Raises: DataError when nothing can be read."""
        raise NotImplementedError

    def preview(self) -> Parsed:
        """Return the first rows, with what they tell in `findings`; nothing else can be read afterwards."""
        raise NotImplementedError

    def blocks(self) -> Iterator[Parsed]:
        """Yield all rows. Raises: DataError; as LogReader."""
        raise NotImplementedError


class Readers:
    """Opens the inputs of one import, for one service."""

    def __init__(self, config: Config, service: str, options: ReadOptions) -> None:
        """Raises: UsageError for options that fit no input."""
        self._config, self._service, self._options = config, service, options
        only_tables = {name.partition("=")[0] for name in options.field_names} & set(presets.ONLY_TABLES)
        if options.fmt in TABLES:
            if options.log_format is not None:
                raise UsageError(f"--log-format is for lines of a log, not for {options.fmt}: give --field")
            self.table  # noqa: B018 - wrong options fail here, before anything is read
        elif options.fmt != "auto" or not only_tables:
            self.text  # noqa: B018

    @cached_property
    def text(self) -> Parser:
        """The parser of lines."""
        given, imports = self._options, self._config.service(self._service).imports
        if given.interval_s is not None and given.fmt != "auto":
            raise UsageError("--interval is for rows that count requests, in CSV or Parquet")
        # an input without a row has no format
        is_table = given.fmt in TABLES
        common = self._common | ({"field_names": ()} if is_table else {})
        return Parser(
            "auto" if is_table else given.fmt,
            **common,
            log_format=given.log_format
            or ((imports.log_format or None) if given.fmt in WITH_A_FORMAT_STRING else None),
        )

    @property
    def _common(self) -> dict[str, Any]:
        given, settings, httplog = self._options, self._config.service(self._service), self._config.telemetry.httplog
        imports = settings.imports
        return {
            "service": self._service,
            "fields": imports.fields,
            "ignore_paths": imports.ignore_paths,
            "default_host": self._config.telemetry.host,
            "revision": given.revision,
            "revision_from": given.revision_from
            or ((imports.revision_from or None) if given.revision is None else None),
            "timezone": given.timezone or (httplog.timezone if "timezone" in httplog.model_fields_set else None),
            "field_names": given.field_names,
        }

    @cached_property
    def table(self) -> TableParser:
        """The parser of tables."""
        given = self._options
        options = TableOptions(
            **self._common,
            window_s=self._config.telemetry.window_s,
            interval_s=given.interval_s,
            is_ours=given.fmt in TABLES,
        )
        return TableParser(options, given.fmt)

    def open(self, path: Path, progress: Callable[[int], None] | None = None) -> Input:
        """Open one input. progress: called with the bytes read. Raises: as LogReader; UsageError, DataError."""
        if self._options.fmt == "parquet":
            return TableInput(path, ParquetFile(path, progress), self.table, "parquet")
        reader = LogReader(path, progress)
        kind = self._kind(path, reader.peek())
        if kind == "parquet":
            reader.close()
            return TableInput(path, ParquetFile(path, progress), self.table, "parquet")
        if kind == "csv":
            return TableInput(path, CsvFile(path, reader), self.table, "csv", reader)
        return TextInput(path, reader, self.text)

    def _kind(self, path: Path, first: bytes) -> str:
        """Whether an input is a table: "csv", "parquet" or ""."""
        fmt, is_parquet = self._options.fmt, first.startswith(MAGIC)
        if fmt == "csv" and is_parquet:
            raise DataError(f"{str(path)!r} is a Parquet file: give --format parquet; nothing was stored")
        if not first.strip() or (fmt not in ("auto", "csv")) or self._options.log_format is not None:
            return ""
        if is_parquet:
            return "parquet"
        return "csv" if fmt == "csv" or self._is_csv(first) else ""

    def _is_csv(self, first: bytes) -> bool:
        """Whether the first line names the columns of requests."""
        if first.lstrip()[:1] in (b"{", b"[", b"<"):
            return False
        try:
            found = dialect_of(first)
        except DataError:
            return False
        return found.has_header and self.table.knows(found.names)


class TextInput(Input):
    """Lines of a log."""

    def __init__(self, path: Path, reader: LogReader, parser: Parser) -> None:
        self._path, self._reader, self._parser = path, reader, parser
        self._blocks = reader.blocks()
        self._first: Block | None = None
        self.findings = parser.findings

    @property
    @override
    def head(self) -> bytes:
        return self._reader.head

    @property
    @override
    def back_ms(self) -> int:  # type: ignore[override]
        # HAProxy writes a line at the end of a request, with the time of its beginning: up to a minute back is normal
        return 60_000 if self._parser.is_backdated else 1_000

    @property
    @override
    def format(self) -> str:  # type: ignore[override]
        return self._parser.format

    @override
    def sample(self) -> Parsed:
        self._first = next(self._blocks, None)
        if self._first is None or self._first.too_long:
            return Parsed(NO_EVENTS, [], 0, 0, 0, 0)
        head = _beginning(self._first)
        self._parser.prepare([line.decode("utf-8", "replace") for line in head.split(b"\n")])
        return self._parser.sample(head)

    @override
    def preview(self) -> Parsed:
        first = next((block for block in self._blocks if not block.too_long), Block(1, b""))
        self._reader.close()
        return self._parser.parse(_beginning(first), 1)

    @override
    def blocks(self) -> Iterator[Parsed]:
        for block in chain([self._first] if self._first else [], self._blocks):
            yield self._too_long(block) if block.too_long else self._parser.parse(block.content, block.number)
        yield self._parser.end()

    def _too_long(self, block: Block) -> Parsed:
        text = block.content[:LONGEST_SHOWN].decode("utf-8", "replace")
        return self._parser.reject(block.number, f"it is longer than {LONGEST_LINE:,} bytes", text)


def _beginning(block: Block) -> bytes:
    return b"\n".join(block.content.split(b"\n", SAMPLE)[:SAMPLE])


class TableInput(Input):
    """Rows of a table."""

    def __init__(
        self, path: Path, file: CsvFile | ParquetFile, parser: TableParser, name: str, reader: LogReader | None = None
    ) -> None:
        self._path, self._file, self._parser, self._reader = path, file, parser, reader
        self.format, self.findings = name, parser.findings
        self.known_by_path = isinstance(file, ParquetFile)
        # the rows of a table have no order
        self.back_ms = 1 << 60
        self._rows: Iterator[pl.DataFrame] | None = None
        self._first: pl.DataFrame | None = None

    @property
    @override
    def head(self) -> bytes:
        return self._file.head if isinstance(self._file, ParquetFile) else self._reader.head if self._reader else b""

    @override
    def sample(self) -> Parsed:
        self._rows = self._file.batches(self._parser.begin(self._file.names))
        self._first = next(self._rows, pl.DataFrame())
        return self._parser.sample(self._first.head(SAMPLE), self._file.first_row)

    @override
    def preview(self) -> Parsed:
        self._rows = self._file.batches(self._parser.begin(self._file.names))
        first = next(self._rows, pl.DataFrame())
        return self._parser.parse(first.head(SAMPLE), self._file.first_row)

    @override
    def blocks(self) -> Iterator[Parsed]:
        if self._rows is None:
            self.sample()
        number, frame = self._file.first_row, self._first
        while frame is not None and len(frame):
            parsed = self._parser.parse(frame, number)
            self.window_s = self._parser.window_s
            yield parsed
            number += len(frame)
            frame = next(self._rows, None) if self._rows is not None else None
        if self._file.swallowed:
            self.findings.warn(
                f"{plural(self._file.swallowed, 'line')} of {str(self._path)!r} cannot be divided from the next ones: a quote is never closed"
            )
        if isinstance(self._file, ParquetFile):
            self._file.close()
