"""Apache's LogFormat, with its kin: Tomcat's AccessLogValve, Traefik's CLF and aiohttp write the same directives.

Source: Apache HTTP Server 2.4, mod_log_config and mod_logio; Apache Tomcat 9 to 11, AccessLogValve.
"""

from __future__ import annotations

import re

from pratique.telemetry.logs import strftime
from pratique.telemetry.logs.fields import UNITS, Field
from pratique.telemetry.logs.nginx import ADDRESS
from pratique.telemetry.logs.template import Value

DIRECTIVE = re.compile(r"%[!0-9,]*([<>]?)(?:\{([^}]+)\})?(\^(?:FB|FU|ti|to)|Tf(?![A-Za-z])|[A-Za-z%])")
CLF_TIME = r"\[([^\]]+)\]"
STATUS = r"([0-9]{3}|-)"
NUMBER = r"(-|\+?-?[0-9]*)"
DECIMAL = r"(-|-?[0-9]*\.?[0-9]*)"

_APACHE_D = "as Apache writes it; for Tomcat before 10.1 give --field duration=%D:ms"
_TOMCAT_D = "as Tomcat before 10.1 writes it; from 10.1 on give --field duration=%D:us"
_NAMES = {"h": "client", "a": "client", "t": "time", "s": "status", "m": "method", "U": "path", "v": "host"}
_NAMES |= {"V": "host", "u": "remote_user", "l": "ident", "b": "bytes", "D": "request_time", "T": "request_time"}
_BODIES = {**dict.fromkeys(("b", "B", "O"), NUMBER), "p": "([0-9]+|-)", **dict.fromkeys(("v", "V"), r"([^ :;,|\"]*)")}
_CLOCKS = {"sec": "epoch_s", "msec": "epoch_ms", "usec": "epoch_us"}
_FRACTIONS = {"msec_frac": "ms", "usec_frac": "us"}
# Java's SimpleDateFormat, which Tomcat takes in the braces of %{}t
_JAVA = {"yyyy": "%Y", "yy": "%y", "MMM": "%b", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_JAVA |= {"SSS": "%f", "Z": "%z", "XXX": "%z", "XX": "%z", "EEE": "%a"}


def tokens(text: str, *, tomcat: bool) -> list[str | Value]:
    """Return the literals and values of a format string. tomcat: whether it stands in a server.xml.

    Raises: UsageError for a time format that is unknown.
    """
    found: list[str | Value] = []
    at = 0
    for match in DIRECTIVE.finditer(text):
        which, braces, letter = match.groups()
        found += [
            text[at : match.start()],
            "%" if letter == "%" else _value(match[0], which, braces, letter, tomcat=tomcat),
        ]
        at = match.end()
    return [*found, text[at:]]


def _value(source: str, which: str, braces: str | None, letter: str, *, tomcat: bool) -> Value:
    if letter == "r" and braces is None:
        return Value(source, (Field("method", source, "method", 3), Field("path", source, "path", 3)), is_request=True)
    if letter == "t":
        return _time(source, braces)
    if letter in {"D", "T", "Tf"}:
        body = DECIMAL if letter != "D" else "([0-9]+|-)"
        return Value(source, (duration(source, letter, braces, tomcat=tomcat),), body=body)
    if letter == "s":
        return Value(source, (Field("status", source, "status", {">": 3, "": 2, "<": 1}[which]),), body=STATUS)
    name = braces.lower() if braces and braces != "c" else _NAMES.get(letter, letter)
    if letter in {"h", "a", "A"}:
        return Value(source, (Field(name, source),), body=ADDRESS)
    meaning, rank = {"m": ("method", 2), "U": ("path", 1 if which == ">" else 2), "v": ("host", 1)}.get(letter, ("", 1))
    text = letter in {"i", "o", "u", "C", "e", "n", "f", "q"} or (letter in {"c", "x", "r"} and braces is not None)
    body = _BODIES.get(letter, "") if braces is None else ""
    return Value(
        source, (Field(name, source, "" if braces and letter != "v" else meaning, rank),), body=body, text=text
    )


def duration(source: str, letter: str, braces: str | None, *, tomcat: bool) -> Field:
    """Return the field of %D, %T, %{unit}T or aiohttp's %Tf; the finer one wins."""
    unit, assumed = braces if braces in UNITS else "s", ""
    if letter == "D":
        unit, assumed = ("ms", _TOMCAT_D) if tomcat else ("us", _APACHE_D)
    rank = {"us": 5, "ns": 5, "ms": 4, "s": 2}[unit] + (letter == "Tf")
    return Field("request_time", source, "duration", rank, unit, assumed)


def _time(source: str, braces: str | None) -> Value:
    text = braces or ""
    rank = 1 if text.startswith("end:") else 3
    text = re.sub(r"^(begin|end):?", "", text)
    if text in _CLOCKS:
        return Value(source, (Field("time", source, "time", rank + 1, _CLOCKS[text]),), body="([0-9]+)")
    if text in _FRACTIONS:
        return Value(
            source, (Field("time_fraction", source, "time_fraction", rank, _FRACTIONS[text]),), body="([0-9]+)"
        )
    if not text:
        return Value(source, (Field("time", source, "time", rank, "clf"),), body=CLF_TIME)
    if "%" not in text:
        text = re.sub(
            "|".join(sorted(_JAVA, key=len, reverse=True)), lambda part: _JAVA[part[0]], text.replace("'", "")
        )
    field = Field("time", source, "time", rank, f"strftime:{text}")
    return Value(source, (field,), body=f"({strftime.plain(text)})")
