"""Show how the first lines of a log would be read, without storing anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pratique.config import Config, check_name
from pratique.errors import DataError
from pratique.number_text import plural
from pratique.telemetry.actions import Actions
from pratique.telemetry.import_files import expanded
from pratique.telemetry.parsed import Parsed
from pratique.telemetry.readers import Readers, ReadOptions
from pratique.telemetry.reasons import way_out
from pratique.telemetry.request_counter import requests_of
from pratique.text_table import aligned

EVENTS = 5
"""Requests that are shown of each file."""
LONGEST_REJECT = 200


def preview_files(
    paths: Sequence[Path],
    *,
    service: str,
    fmt: str,
    config: Config,
    field_names: Sequence[str] = (),
    interval: int | None = None,
    **options: Any,
) -> str:
    """Return the first requests of each file as a table, which field tells which value, and the first rejected lines.

    The arguments are those of import_files. Raises: UsageError, MissingError, DeniedError, DataError.
    """
    check_name("service", service)
    actions = Actions(config.service(service).actions)
    read_options = ReadOptions(fmt, field_names=tuple(field_names), interval_s=interval, **options)
    text = []
    for path in expanded(paths):
        opened = Readers(config, service, read_options).open(path)
        try:
            parsed = opened.preview()
        except DataError as error:
            raise error if str(path) in str(error) else DataError(f"{str(path)!r}: {error}") from error
        text += [f"{path}: {opened.format}, nothing is stored"]
        text += [f"  {note}" for note in opened.findings.notes()]
        text += [f"  warning: {warning}" for warning in opened.findings.warnings()]
        text += [f"  {line}" for line in _table(parsed, actions)]
        text += _others(parsed)
    return "\n".join(text)


def _table(parsed: Parsed, actions: Actions) -> list[str]:
    counted = "n" in parsed.events.columns
    rows = [("time (UTC)", "revision", "action", "code", "requests" if counted else "duration", "host")]
    for event in parsed.events.head(EVENTS).iter_rows(named=True):
        took = event["duration_ms"]
        time = datetime.fromtimestamp(event["time_ms"] / 1000, UTC)
        rows.append(
            (
                f"{time:%Y-%m-%d %H:%M:%S}.{event['time_ms'] % 1000:03d}",
                event["revision"],
                event["action"] or actions.action(event["method"], event["path"]),
                str(event["code"]),
                f"{event['n']:,}" if counted else "untimed" if took is None else f"{took:.10g} ms",
                event["host"],
            )
        )
    return aligned(rows)


def _others(parsed: Parsed) -> list[str]:
    text = [f"  {plural(requests_of(parsed.events), 'request')} in the first {plural(parsed.lines, 'line')}"]
    text += [f"  {plural(count, 'line')} without a request: {kind}" for kind, count in parsed.others.items()]
    text += [f"  {plural(parsed.without_revision, 'line')} without a revision"] if parsed.without_revision else []
    text += [f"  {plural(parsed.other_services, 'line')} of other services"] if parsed.other_services else []
    text += (
        [f"  {plural(parsed.ignored, 'line')} ignored by ignore_paths of the service file"] if parsed.ignored else []
    )
    for number, reason, line in parsed.rejects[:EVENTS]:
        text.append(f"  line {number} would be rejected: {reason}: {line[:LONGEST_REJECT]!r}")
    if parsed.rejects and not len(parsed.events):
        text.append(f"  an import would store nothing: {way_out(parsed.rejects[0][1])}")
    return text
