"""Flux as a syntax tree. Values and names that come from outside are nodes of it, and are never parsed as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

Tree = dict[str, Any]


@dataclass(frozen=True)
class Predicate:
    """A condition on rows: each of these columns has one of its values. Columns without values are not looked at."""

    among: Mapping[str, Sequence[str]]


Value = str | int | datetime | Predicate


def assignment(name: str, value: Value) -> Tree:
    """Return the assignment of a value to a name that a query uses; a Predicate is a function of a row."""
    node = _function(value) if isinstance(value, Predicate) else _literal(value)
    return {"type": "VariableAssignment", "id": {"type": "Identifier", "name": name}, "init": node}


def _literal(value: str | int | datetime) -> Tree:
    if isinstance(value, datetime):
        return {"type": "DateTimeLiteral", "value": value.isoformat()}
    if isinstance(value, int):
        return {"type": "IntegerLiteral", "value": str(value)}
    return {"type": "StringLiteral", "value": value}


def _function(predicate: Predicate) -> Tree:
    chosen = [_among(column, values) for column, values in predicate.among.items() if values]
    parameter = {"type": "Property", "key": {"type": "Identifier", "name": "r"}, "value": None}
    return {"type": "FunctionExpression", "params": [parameter], "body": reduce(_joined_by("and"), chosen)}


def _among(column: str, values: Sequence[str]) -> Tree:
    member = {
        "type": "MemberExpression",
        "object": {"type": "Identifier", "name": "r"},
        "property": _literal(column),
    }
    equal = [
        {"type": "BinaryExpression", "operator": "==", "left": member, "right": _literal(value)} for value in values
    ]
    return reduce(_joined_by("or"), equal)


def _joined_by(operator: str) -> Any:
    def joined(left: Tree, right: Tree) -> Tree:
        return {"type": "LogicalExpression", "operator": operator, "left": left, "right": right}

    return joined
