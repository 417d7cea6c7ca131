"""Single lines of the format strings that the service file declares, read by the fields and rules of an import.

A log that is collected and the same log imported must count the same: both take the expression, the fields and their
meanings from `logs.declared`, and the rules from `logs.meaning`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pratique.config import Config
from pratique.errors import UsageError
from pratique.telemetry.access_line import NONE, AccessLine
from pratique.telemetry.logs.declared import declared
from pratique.telemetry.logs.events import RevisionSource
from pratique.telemetry.logs.fields import MS_IN, Field, best
from pratique.telemetry.logs.meaning import active_ms, answer_code, is_no_name
from pratique.telemetry.logs.template import Template, groups_of
from pratique.telemetry.logs.zones import header_instant, instant_by_header

_EPOCH_MS = {"epoch_s": 1000.0, "epoch_ms": 1.0, "epoch_us": 0.001, "epoch_ns": 0.000001}


class DeclaredFormat:
    """The format of one service's lines."""

    def __init__(self, service: str, template: Template, source: RevisionSource, zone: str) -> None:
        """source: of the revision. zone: of times without one. Raises: UsageError for a field that the format lacks."""
        self._service, self._fields, self._zone = service, template.fields, ZoneInfo(zone)
        self._pattern = "^ *" + "".join(piece.pattern for piece in template.pieces)
        self._source = source
        named = next((field for field in self._fields if source.field and field.answers_to(source.field)), None)
        self._revision = named or (None if source.field else best(self._fields, "revision"))
        if self._revision is None:
            raise UsageError(f"services.{service}.imports.log_format has no field for the revision: set revision_from")

    @property
    def service(self) -> str:
        """The service whose lines have the format."""
        return self._service

    def groups(self, text: str) -> tuple[str | None, ...] | None:
        """Return the values in a line; None when it has another form."""
        found = groups_of(self._pattern, text)
        return None if found is None else found[1:]

    def read(self, groups: tuple[str | None, ...], header: str) -> AccessLine:
        """Return the request of a line. groups: its values. header: the ISO time in front, or "".

        Raises: ValueError for a value that cannot be read.
        """
        values = {id(field): group for field, group in zip(self._fields, groups, strict=True)}
        duration, total_ms = self._durations(values)
        return AccessLine(
            time_ms=self._time_ms(values, total_ms if total_ms is not None else duration or 0.0, header),
            service=self._service,
            revision=self._revision_of(values) or NONE,
            method=self._text(values, "method") or "-",
            path=self._text(values, "path") or "-",
            code=answer_code(int(_last(self._text(values, "status"))), self._text(values, "state")),
            duration_ms=duration,
            host=self._text(values, "host"),
            boot="",
            sequence=0,
            failed_attempts=self._failed_attempts(values),
        )

    def _text(self, values: Mapping[int, str | None], meaning: str) -> str:
        field = best(self._fields, meaning)
        return (values[id(field)] or "") if field is not None else ""

    def _durations(self, values: Mapping[int, str | None]) -> tuple[float | None, float | None]:
        """The duration, and the total from the time of the line to its end, in ms."""
        field, total = best(self._fields, "duration"), self._text(values, "t_total")
        if field is None and total:
            request, response = (int(self._text(values, name) or 0) for name in ("t_request", "t_response"))
            number = int(total.lstrip("+"))
            return active_ms(number, request, response, unfinished=total.startswith("+")), max(0.0, number)
        text = (values[id(field)] or "") if field is not None else ""
        is_number = field is not None and re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text) is not None
        return (
            float(text) * MS_IN[field.kind] if field is not None and is_number and field.kind in MS_IN else None
        ), None

    def _time_ms(self, values: Mapping[int, str | None], took_ms: float, header: str) -> int:
        field = best(self._fields, "time")
        if field is None:
            return round(datetime.fromisoformat(header).timestamp() * 1000)
        text = values[id(field)] or ""
        if field.kind in _EPOCH_MS:
            return round(float(text) * _EPOCH_MS[field.kind])
        time = _time(text, field)
        ms = round(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)
        fraction = best(self._fields, "time_fraction")
        if fraction is not None and field.kind != "haproxy":
            ms += round(float(values[id(fraction)] or 0.0) * MS_IN[fraction.kind])
        return ms if time.tzinfo else instant_by_header(ms, round(took_ms), header_instant(header), self._zone)

    def _revision_of(self, values: Mapping[int, str | None]) -> str:
        assert self._revision is not None  # noqa: S101 - checked at the beginning
        text = values[id(self._revision)] or ""
        text = _last(text) if self._revision.upstreams else text
        if is_no_name(text) or not self._source.pattern:
            return "" if is_no_name(text) else text
        part = re.search(self._source.pattern, text)
        return "" if part is None or is_no_name(part[1] or "") else part[1]

    def _failed_attempts(self, values: Mapping[int, str | None]) -> int:
        """See `Events`: HAProxy's retries, or the servers before the last one in nginx's list."""
        retries = best(self._fields, "retries")
        if retries is not None:
            return max(0, int((values[id(retries)] or "0").lstrip("+")))
        lists = [values[id(field)] or "" for field in self._fields if field.upstreams]
        return lists[0].count(",") if lists else 0


class DeclaredLines:
    """The formats of all services that declare one."""

    def __init__(self, config: Config) -> None:
        """A format that a line cannot be read by, such as JSON, is left to the import."""
        self.services = frozenset(config.services)
        self._formats: list[DeclaredFormat] = []
        httplog = config.telemetry.httplog
        for name, settings in config.services.items():
            if not settings.imports.log_format:
                continue
            # `pratique import` reports a wrong format; it must not stop the collector
            try:
                template = declared(settings.imports.log_format).template
                if template is not None:
                    source = RevisionSource.of(None, settings.imports.revision_from or httplog.revision_from)
                    self._formats.append(DeclaredFormat(name, template, source, httplog.timezone))
            except UsageError:
                continue

    def read(self, text: str, header: str, app: str) -> AccessLine | None:
        """Return the request in a line; None when no service declares its form, or several do and `app` names none of them.

        app: the name of the program in the syslog header. Raises: ValueError.
        """
        found = self._format_of(text, app)
        return None if found is None else found[0].read(found[1], header)

    def without_query(self, text: str, app: str) -> str | None:
        """Return a line without the queries of its values; None when it is not read here."""
        found = self._format_of(text, app)
        if found is None:
            return None
        for value in found[1]:
            if value is not None and "?" in value:
                text = text.replace(value, re.sub(r"\?[^\s\"]*", "", value))
        return text

    def _format_of(self, text: str, app: str) -> tuple[DeclaredFormat, tuple[str | None, ...]] | None:
        found = [(one, groups) for one in self._formats if (groups := one.groups(text)) is not None]
        if len(found) == 1:
            return found[0]
        return next((pair for pair in found if pair[0].service == app), None)


def _last(text: str) -> str:
    """The value of the server that gave the client's answer: the last of nginx's list."""
    return re.split(r"[ ,]+", text.strip())[-1]


def _time(text: str, field: Field) -> datetime:
    if field.kind == "haproxy":
        return datetime.strptime(text, "%d/%b/%Y:%H:%M:%S.%f")  # noqa: DTZ007 - the zone is found by the header
    if field.kind == "clf":
        return datetime.strptime(text.strip("[]"), "%d/%b/%Y:%H:%M:%S %z")
    return datetime.fromisoformat(text)
