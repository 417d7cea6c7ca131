"""Describe a wrong value of the service file in plain words: the problem, the values that are accepted, an example."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from pratique.config.notify import NotifySettings
from pratique.config.reference import example, known_keys
from pratique.config.store import ENVIRONMENT_NAME, REFERENCE
from pratique.config.types import ADDRESS, LOOPBACK_ADDRESS, NAME, OUTCOME

UNKNOWN = "unknown key"
WANTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": 'text in quotes, such as "text"',
    "tuple": "a list in brackets",
    "list": "a list in brackets",
    "dict": "a table",
    "model": "a table",
}
"""The accepted values, by the beginning of pydantic's kind of error."""
WORDS = {
    "missing": "is missing",
    "string_pattern_mismatch": "has the wrong form",
    "int_from_float": "must be a whole number",
}
FORMS = {
    NAME: "must be a name of letters, digits, '.', '_' and '-'",
    ADDRESS: "must be HOST:PORT",
    OUTCOME: 'must be codes, as 5xx, 503, "no answer", other or "fewer 4xx", or a quantile of latency, as p95',
    ENVIRONMENT_NAME: "must be the name of an environment variable, and not the token itself",
    REFERENCE: "must be env:NAME or file:PATH, and not the secret itself",
    LOOPBACK_ADDRESS: "must be HOST:PORT of this machine, such as 127.0.0.1:8081",
}
"""The accepted values, by the pattern of a text."""
OTHER_NAMES = {"imports.fields": {"status": "code", "url": "path", "uri": "path"}}
"""Names that --field takes too, by the table; their nearest key is another one."""
LISTED_TABLES = {"actions": ("path", "method", "action"), "notify": tuple(NotifySettings.model_fields)}
"""The keys of each table of a list of tables."""
SECRET_KEYS = frozenset({"password", "bearer_token", "token_env", "read_token_env", "webhook_token", "to"})
"""Keys whose wrong value is often the secret itself, and is not shown."""
LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def describe(keys: Sequence[str | int], problems: Sequence[ErrorDetails]) -> str:
    """Return one sentence on the problems of one value; a value of several types has a problem for each of them."""
    if problems[0]["type"] == "extra_forbidden":
        return f"{UNKNOWN}: {_closest(keys)}"
    wanted = list(dict.fromkeys(filter(None, map(_wanted, problems))))
    got = problems[0].get("input")
    # a wrong name of a variable is often the secret itself
    secret = problems[0].get("ctx", {}).get("pattern") in {ENVIRONMENT_NAME, REFERENCE} or bool(
        SECRET_KEYS & set(keys[-1:])
    )
    shown = f" (got {_as_toml(got)})" if problems[0]["type"] != "missing" and _is_plain(got) and not secret else ""
    shown_example = f"; for example: {example(keys)}" if example(keys) else ""
    first, *others = wanted
    return f"{' or '.join([first, *(other.removeprefix('must be ') for other in others)])}{shown}{shown_example}"


def _wanted(problem: ErrorDetails) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    limits = [f"must be {word} {context[name]:g}" for name, word in LIMITS.items() if name in context]
    if limits:
        return limits[0]
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", '"')
        return f"must be {choices}"
    if kind in WORDS:
        return FORMS.get(str(context.get("pattern")), WORDS[kind])
    found = next((words for start, words in WANTED.items() if kind.startswith(start)), None)
    message = problem["msg"].removeprefix("Value error, ")
    return f"must be {found}" if found else message[0].lower() + message[1:]


def _closest(keys: Sequence[str | int]) -> str:
    name, table = str(keys[-1]), keys[:-1]
    other = OTHER_NAMES.get(".".join(map(str, table[-2:])), {}).get(name)
    known = LISTED_TABLES.get(str(table[-2:-1][0]) if table[1:] else "") or known_keys(table)
    near = [other] if other else difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else "remove it or check the spelling"


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | tuple) and not isinstance(value, Mapping)


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else f"{list(value)!r}" if isinstance(value, tuple) else f"{value!r}"
    return text if len(text) <= 60 else text[:59] + "…"
