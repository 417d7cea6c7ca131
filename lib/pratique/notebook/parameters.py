"""What a notebook takes: names, types, defaults and help from its parameters cell, checked before a kernel starts.

papermill only warns of an unknown name, leaves "0.2" for a float as text, cannot see annotations such as
`float | None`, takes a "#" inside a text for a comment, and fails without a kernelspec. Here each is
an error or read rightly.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.errors import DataError, UsageError
from pratique.notebook.notebooks import find_notebook, read_notebook, tagged

SCALARS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Parameter:
    """One parameter. type: str, int, float, bool, list[…] or Optional[…] of these, as written. help: its comment."""

    name: str
    type: str
    default: Any
    help: str

    def __str__(self) -> str:
        told = f"  {self.help}" if self.help else ""
        return f"{self.name}: {self.type} = {self.default!r}{told}"


def read_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """The parameters of a notebook, by name, in their order; none where no cell is tagged "parameters".

    Raises: MissingError, UsageError, DataError when the cell holds anything but `name: type = value  # help`.
    """
    path = find_notebook(notebook)
    cell = tagged(read_notebook(path), "parameters")
    if cell is None:
        return {}
    source = str(cell["source"])
    try:
        statements = ast.parse(source).body
        comments = _comments(source)
        found = [_parameter(statement, comments) for statement in statements]
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise DataError(
            f"the parameters cell of {path.name} cannot be read: {error}: write one 'name: type = value  # help' a line"
        ) from error
    return {parameter.name: parameter for parameter in found}


def check_parameters(notebook: str | Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the notebook's types; text, as a command line gives it, is read as the type.

    Raises: UsageError for a name that it does not take or a value that is not of the type, listing what it takes.
    """
    accepted = read_parameters(notebook)
    unknown = [name for name in values if name not in accepted]
    if unknown:
        name = find_notebook(notebook).stem
        raise UsageError(f"{name} takes no parameter {str(unknown[0])[:80]!r}: it takes {_listed(accepted)}")
    return {name: _checked(accepted[name], value) for name, value in values.items()}


def describe_parameters(notebook: str | Path) -> str:
    """The parameters, one a line, for a person."""
    return "\n".join(map(str, read_parameters(notebook).values()))


def _listed(accepted: Mapping[str, Parameter]) -> str:
    return ", ".join(f"{parameter.name} ({parameter.type})" for parameter in accepted.values()) or "none"


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _parameter(statement: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
        target, kind, value = statement.target.id, ast.unparse(statement.annotation), statement.value
    elif (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    ):
        target, kind, value = statement.targets[0].id, "", statement.value
    else:
        raise ValueError(f"line {statement.lineno} is not an assignment of one name")
    default = ast.literal_eval(value)
    told = comments.get(statement.end_lineno or statement.lineno, "")
    return Parameter(target, kind or _type_of(default), default, told)


def _type_of(default: Any) -> str:
    return (
        type(default).__name__ if type(default) in SCALARS.values() else "list" if isinstance(default, list) else "Any"
    )


def _checked(parameter: Parameter, value: Any) -> Any:
    try:
        return _as(parameter.type, value)
    except ValueError:
        raise UsageError(
            f"parameter {parameter.name!r} is {value!r:.80} (a {type(value).__name__}), not {parameter.type}"
            f"{': ' + parameter.help if parameter.help else ''}"
        ) from None


def _as(kind: str, value: Any) -> Any:
    outer, _, inner = kind.replace("typing.", "").removesuffix("]").partition("[")
    if outer == "Optional":
        return None if value is None or value in ("", "None", "null") else _as(inner, value)
    if outer in ("list", "List"):
        return [_as(inner, item) if inner else item for item in _items(value)]
    if outer in SCALARS:
        return _scalar(SCALARS[outer], value)
    return value


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        found = (
            json.loads(value)
            if value.lstrip().startswith("[")
            else [part.strip() for part in value.split(",") if part.strip()]
        )
        return _items(found)
    if not isinstance(value, list | tuple):
        raise ValueError(value)  # noqa: TRY004 - the caller tells it as a wrong parameter
    return list(value)


def _scalar(kind: type, value: Any) -> Any:
    if type(value) is kind:
        return value
    if kind is str and isinstance(value, Path):
        return str(value)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, str) and kind is bool and value.lower() in WORDS:
        return WORDS[value.lower()]
    if isinstance(value, str) and kind in (int, float):
        return kind(value)
    raise ValueError(value)
