"""The HTTP API of Prometheus, as far as the store uses it: raw samples of counters in a time range."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from pratique.config import PrometheusSettings
from pratique.config.store import refuse_credentials
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, UnavailableError, UsageError
from pratique.store.prometheus.authentication import request_options

CHUNK_S = 6 * 3600
"""Longest time of one query; a server that refuses so many samples is asked for less."""
SHORTEST_CHUNK_S = 60
_TIMED_OUT = ("timed out", "timeout", "(504)")
_TOO_MUCH = ("too many samples", "too many points", "exceed", "too large", "too many", *_TIMED_OUT)
_SHOWN = 200

Labels = Mapping[str, str]


@dataclass(frozen=True)
class RawSeries:
    """The samples of one series as the server answers them: [seconds, text of the value or a native histogram]."""

    labels: Labels
    values: list[list[Any]]
    histograms: list[list[Any]]


class PrometheusClient:
    """Asks one server. Nothing is sent before the first question."""

    def __init__(self, url: str, settings: PrometheusSettings) -> None:
        """url: prometheus://HOST:PORT/PREFIX, or prometheus+https://….

        Raises: UsageError for an address that holds credentials or has no host.
        """
        refuse_credentials(url)
        parts = urlsplit(url)
        if not parts.hostname or parts.query or parts.fragment:
            raise UsageError(
                f"store {re.split('[?#]', url)[0][:_SHOWN]!r} is not an address: write it like prometheus://HOST:9090, with a path if it has one"
            )
        self.name = url
        scheme = "https" if parts.scheme.lower().endswith("https") else "http"
        self._base = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._settings = settings
        self._session = requests.Session()

    def samples(self, selector: str, start_s: int, end_s: int) -> list[RawSeries]:
        """Return the raw samples of all series that match, in (start, end], oldest first; times in epoch seconds.

        The range is asked in parts. Raises: UnavailableError, DeniedError, DataError.
        """
        found: dict[tuple[tuple[str, str], ...], RawSeries] = {}
        for part in self._parts(selector, start_s, end_s):
            for one in part:
                key = tuple(sorted(one.labels.items()))
                kept = found.setdefault(key, RawSeries(one.labels, [], []))
                kept.values.extend(one.values)
                kept.histograms.extend(one.histograms)
        return list(found.values())

    def names(self, selector: str, start_s: int, end_s: int) -> list[str]:
        """Return the names of the metrics that match and have samples in the range."""
        data = self._ask("label/__name__/values", {"match[]": selector, "start": str(start_s), "end": str(end_s)})
        return [str(name) for name in data]

    def series(self, selector: str, start_s: int, end_s: int) -> list[Labels]:
        """Return the labels of the series that match and have samples in the range. Raises: as `samples`."""
        return list(self._ask("series", {"match[]": selector, "start": str(start_s), "end": str(end_s)}))

    def _parts(self, selector: str, start_s: int, end_s: int) -> Iterator[list[RawSeries]]:
        chunk_s = CHUNK_S
        while start_s < end_s:
            until = min(start_s + chunk_s, end_s)
            try:
                part = self._part(selector, start_s, until)
            except _TooMuchError as error:
                if until - start_s <= SHORTEST_CHUNK_S:
                    if error.timed_out:
                        raise
                    raise DataError(f"{error}: narrow [store.metrics] match, or raise the server's limits") from error
                chunk_s = max(min(chunk_s, until - start_s) // 4, SHORTEST_CHUNK_S)
                continue
            yield part
            start_s = until

    def _part(self, selector: str, start_s: int, end_s: int) -> list[RawSeries]:
        # nocache: VictoriaMetrics would leave out the last half a minute. partial_response: of Thanos
        data = self._ask(
            "query",
            {
                "query": f"{selector}[{end_s - start_s}s]",
                "time": str(end_s),
                "timeout": f"{self._settings.timeout_s:g}s",
                "nocache": "1",
                "partial_response": "false",
            },
        )
        if data.get("resultType") != "matrix":
            raise DataError(f"store {self.name!r} answered with a {data.get('resultType')!r}, not with samples")
        # Prometheus before version 3 includes a sample at the very start, which belongs to the part before
        return [
            RawSeries(
                one["metric"],
                [sample for sample in one.get("values", ()) if sample[0] > start_s],
                [sample for sample in one.get("histograms", ()) if sample[0] > start_s],
            )
            for one in data["result"]
        ]

    def _ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        try:
            answer = self._send(path, parameters)
            body = answer.content
        except requests.exceptions.Timeout as error:
            # a server that works gives up before, and says so
            raise UnavailableError(
                f"store {self.name!r} did not answer within {self._settings.timeout_s:g} s"
            ) from error
        except requests.exceptions.SSLError as error:
            raise UnavailableError(
                f"store {self.name!r}: the certificate is not trusted: set [store.prometheus] ca_file: {_brief(error)}"
            ) from error
        except requests.exceptions.RequestException as error:
            raise UnavailableError(f"store {self.name!r} does not answer: {_brief(error)}") from error
        return self._data(answer.status_code, answer.headers.get("location", ""), body)

    def _data(self, status: int, location: str, body: bytes) -> Any:
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        message = _brief(found.get("error", "")) if isinstance(found, dict) else _brief(body.decode(errors="replace"))
        if status != requests.codes.ok:
            raise self._refused(status, location, message)
        if not isinstance(found, dict) or "data" not in found:
            raise DataError(f"store {self.name!r} does not answer like Prometheus, or its answer was cut: {message!r}")
        if found.get("status") != "success":
            raise UnavailableError(f"store {self.name!r} failed: {message}")
        if found.get("isPartial") or found.get("warnings"):
            why = _brief("; ".join(map(str, found.get("warnings", ())))) or "a part of it did not answer"
            raise UnavailableError(f"store {self.name!r} gave an answer that may lack counts: {why}")
        return found["data"]

    def _refused(self, status: int, location: str, message: str) -> PratiqueError:
        if status in (401, 403):
            return DeniedError(
                f"store {self.name!r} refuses access ({status}): set [store.prometheus] bearer_token, password or headers"
            )
        if 300 <= status < 400:
            return UnavailableError(f"store {self.name!r} redirects to {location[:_SHOWN]!r}: set that address")
        if status == 404:
            return MissingError(f"store {self.name!r} has no Prometheus API (404): check the path of the address")
        if any(sign in message.lower() for sign in _TOO_MUCH) or status in (413, 504):
            return _TooMuchError(f"store {self.name!r} refuses to read so much ({status}): {message}")
        kind = DataError if status < 500 else UnavailableError
        return kind(f"store {self.name!r} refused a query ({status}): {message}")

    def _send(self, path: str, parameters: Mapping[str, str]) -> requests.Response:
        options = request_options(self._settings, "[store.prometheus]")
        question = {**options, "timeout": self._timeouts(), "allow_redirects": False}
        url = f"{self._base}/api/v1/{path}"
        if path == "query":
            return self._session.post(url, data=parameters, **question)
        return self._session.get(url, params=parameters, **question)

    def _timeouts(self) -> tuple[float, float]:
        """The longest times to connect, and to wait for an answer; the server itself should give up first."""
        longest_s = self._settings.timeout_s
        return min(10.0, longest_s), longest_s + min(5.0, longest_s / 2.0)


class _TooMuchError(UnavailableError):
    """The server does not read so many samples at once. timed_out: within the time that it has, which depends on its load."""

    @property
    def timed_out(self) -> bool:
        return any(sign in str(self).lower() for sign in _TIMED_OUT)


def selector(names: str, equal: Mapping[str, str], among: Mapping[str, Sequence[str]]) -> str:
    """Return a selector of series in PromQL. Every text is quoted, so that none can end its string.

    names: of metrics, with `|` between them. equal: labels with their value. among: labels with their possible values.
    """
    found = [_matcher("__name__", names.split("|"))]
    found += [f"{label}={quoted(value)}" for label, value in equal.items()]
    found += [_matcher(label, values) for label, values in among.items()]
    return "{" + ",".join(found) + "}"


def _matcher(label: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{label}={quoted(values[0])}"
    return f"{label}=~{quoted('|'.join(map(_literal, values)))}"


def quoted(text: str) -> str:
    """Return a string literal of PromQL: that of Go, of which JSON's is a part when it is all ASCII."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _literal(text: str) -> str:
    """Return a regular expression of RE2 that matches exactly a text."""
    return "".join(f"\\{sign}" if sign in "\\.+*?()|[]{}^$" else sign for sign in text)


def _brief(error: object) -> str:
    return " ".join(str(error).split())[:_SHOWN]
