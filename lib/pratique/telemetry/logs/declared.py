"""A format string as a server's configuration writes it: which program it is for, and its fields.

A whole directive may be pasted: nginx's `log_format name '…' '…';`, Apache's `LogFormat "…" name`, HAProxy's
`log-format "…"`, Tomcat's `<Valve … pattern="…"/>`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pratique.errors import UsageError
from pratique.telemetry.logs import apache, envoy, haproxy, nginx, python_logging
from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.template import Template, Value, compiled

_NGINX = re.compile(r"^log_format\s+\S+\s+(?:escape=\w+\s+)?(.*?);?\s*$", re.DOTALL)
_APACHE = re.compile(r'^(?:LogFormat|CustomLog\s+\S+)\s+(?P<quote>["\'])(.*)(?P=quote)(?:\s+\S+)*\s*$', re.DOTALL)
_HAPROXY = re.compile(r"^log-format(?:-sd)?\s+(.*)$", re.DOTALL)
_GUNICORN = re.compile(r"^(?:access_log_format|--access-logformat)\s*[= ]\s*(.*)$", re.DOTALL)
_VALVE = re.compile(r'\bpattern\s*=\s*("[^"]*"|\'[^\']*\')', re.DOTALL)
_PARTS = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_OF_HAPROXY = re.compile(
    r"%(?:\([^)]*\))?(?:\{[+-][QXEjc][^}]*\}|\[)|%(?:\{[^}]*\})?(?:c[ip]|ft|t[rs]|T[qRwcrat]|ST|tsc|H[MPUQV]|CC|CS|hrl?|hsl?|[fb][ip]|[absf]c|[sb]q|rc)\b"
)


@dataclass(frozen=True)
class Declared:
    """A format that a person gave.

    program: whose format string it is. template: of a line, None for JSON. fields: of the line.
    """

    program: str
    template: Template | None
    fields: tuple[Field, ...]


def declared(log_format: str, *, needs_status: bool = True) -> Declared:
    """Return the format that a format string declares.

    Fields keep their names (nginx's variable, Apache's name in braces) for use with --revision-from.
    needs_status: whether a field must be known as the status; not where a person names one.
    Raises: UsageError when it has no field, or no status, or something that cannot be read.
    """
    text, is_xml = _bare(log_format)
    program, reader = _program(text, is_xml=is_xml)
    if program == "HAProxy" and re.search(r"%\{[^}]*\+json[^}]*\}o", text):
        found = Declared(program, None, tuple(haproxy.json_fields(text)))
    elif text.startswith("{") and (fields := _json_fields(text, reader)):
        found = Declared(program, None, fields)
    else:
        template = compiled(reader(text))
        found = Declared(program, template, template.fields)
    _check(found, log_format, needs_status=needs_status)
    return found


def _check(found: Declared, log_format: str, *, needs_status: bool) -> None:
    shown = repr(log_format if len(log_format) <= 120 else f"{log_format[:120]}…")
    if not found.fields:
        raise UsageError(
            f"log format {shown} has no directive: copy it from the server's configuration, as in '$time_local' (nginx) or '%t' (Apache)"
        )
    if needs_status and all(field.meaning != "status" for field in found.fields):
        raise UsageError(
            f"log format {shown} has no status ($status, %>s, %ST or %RESPONSE_CODE%): copy it from the configuration of the server, or name the status: --field status=NAME"
        )


def _bare(log_format: str) -> tuple[str, bool]:
    """The format string without the directive and the quotes around it; whether it was written in XML."""
    # Envoy's strings end with an escaped line end
    text = log_format.strip().removesuffix("\\n").rstrip()
    is_xml = re.search(r"&(?:quot|gt|lt|amp|apos|#\d+);", text) is not None or "<Valve" in text
    valve = _VALVE.search(text) if "<Valve" in text or text.startswith("pattern") else None
    if valve is not None:
        text = valve[1][1:-1]
    text = html.unescape(text) if is_xml else text
    for directive in (_NGINX, _HAPROXY, _GUNICORN):
        found = directive.match(text)
        if found is not None:
            return _joined(found[1]), is_xml
    found = _APACHE.match(text)
    if found is not None:
        return found[2].replace('\\"', '"').replace("\\'", "'"), is_xml
    if re.fullmatch(r"(?:'(?:[^'\\]|\\.)*'\s*){1,};?", text, re.DOTALL) or re.fullmatch(
        r'"(?:[^"\\]|\\.)*"', text, re.DOTALL
    ):
        return _joined(text), is_xml
    # HAProxy's configuration escapes blanks
    return text.replace('\\"', '"').replace("\\ ", " ").replace("\\t", "\t"), is_xml


def _joined(text: str) -> str:
    """The parts in quotes, joined as nginx joins them."""
    parts = [(one or two).replace("\\'", "'").replace('\\"', '"') for one, two in _PARTS.findall(text)]
    if parts and text.lstrip()[0] in "'\"":
        return "".join(parts).replace("\\t", "\t")
    return text.rstrip("; ").replace('\\"', '"').replace("\\ ", " ").replace("\\t", "\t")


def _program(text: str, *, is_xml: bool) -> tuple[str, Callable[[str], list[str | Value]]]:
    if envoy.OPERATOR.search(text):
        return "Envoy", envoy.tokens
    if python_logging.DIRECTIVE.search(text):
        return "gunicorn", python_logging.tokens
    if _OF_HAPROXY.search(text):
        return "HAProxy", haproxy.tokens
    if nginx.VARIABLE.search(text):
        return "nginx", nginx.tokens
    program = "Tomcat" if is_xml else "Apache"
    return program, lambda format_string: apache.tokens(format_string, tomcat=is_xml)


def _json_fields(text: str, reader: Callable[[str], list[str | Value]]) -> tuple[Field, ...]:
    """The fields of a format string that writes JSON: its keys, with the meaning of the directive behind each."""
    values: list[Value] = []
    pieces = []
    for token in reader(text):
        if isinstance(token, str):
            pieces.append(token)
        else:
            pieces.append(f"\\u0000{len(values)}\\u0000")
            values.append(token)
    joined = "".join(pieces)
    # a number stands without quotes
    quoted = re.sub(r"([:,\[]\s*)(\\u0000\d+\\u0000)(?=\s*[,}\]])", r'\1"\2"', joined)
    try:
        body = json.loads(quoted)
    except ValueError:
        return ()
    return tuple(_leaves(body, values, ""))


def _leaves(body: Any, values: list[Value], path: str) -> list[Field]:
    if isinstance(body, dict):
        return [field for name, inner in body.items() for field in _leaves(inner, values, f"{path}{name}.")]
    found = re.fullmatch("\0(\\d+)\0", body) if isinstance(body, str) else None
    if found is None:
        return []
    value = values[int(found[1])]
    name = path.removesuffix(".")
    if value.is_request:
        return [Field(name, value.source, "request", 3)]
    inner = value.fields[0]
    return [replace(inner, name=name, aliases=(*inner.aliases, inner.name))]
