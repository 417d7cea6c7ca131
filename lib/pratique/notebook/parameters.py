"""The parameters of a notebook, read from its parameters cell, and checks of values before a kernel starts.

papermill only warns about an unknown name, passes "0.2" for a float as text, cannot read annotations such as
`float | None`, treats a "#" inside a string as a comment, and fails without a kernelspec. This module handles
each of these correctly or raises an error.
"""

from __future__ import annotations

import ast
import io
import json
import math
import tokenize
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.errors import DataError, UsageError
from pratique.notebook.find import find_notebook, read_notebook, tagged

SCALARS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
NOTHING = ("", "None", "null")
"""How a command line gives None to an optional parameter."""
WORDS = {"true": True, "false": False}


class NotFiniteError(ValueError):
    """A value is or holds NaN or an infinity."""


@dataclass(frozen=True)
class Parameter:
    """One parameter. type: str, int, float, bool, list[…] or Optional[…], as written. help: the comment on its line."""

    name: str
    type: str
    default: Any
    help: str

    def __str__(self) -> str:
        comment = f"  {self.help}" if self.help else ""
        return f"{self.name}: {self.type} = {self.default!r}{comment}"


def read_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Return the parameters of a notebook by name, in their order; empty when no cell is tagged "parameters".

    Raises: MissingError, UsageError; DataError when a line of the cell is not `name: type = value  # help`.
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
            f"cannot read the parameters cell of {path.name}: {error}: write one 'name: type = value  # help' per line"
        ) from error
    return {parameter.name: parameter for parameter in found}


def check_parameters(notebook: str | Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert values to the types of the notebook's parameters; text from a command line is parsed.

    Raises: UsageError for an unknown name, listing the accepted ones, or for a value of the wrong type.
    """
    accepted = read_parameters(notebook)
    unknown = [name for name in values if name not in accepted]
    if unknown:
        name = find_notebook(notebook).stem
        raise UsageError(f"{name} has no parameter {str(unknown[0])[:80]!r}: it accepts {_listed(accepted)}")
    return {name: _checked(accepted[name], value) for name, value in values.items()}


def describe_parameters(notebook: str | Path) -> str:
    """Return the parameters as text, one per line."""
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
        raise ValueError(f"line {statement.lineno} does not assign one name")
    default = ast.literal_eval(value)
    comment = comments.get(statement.end_lineno or statement.lineno, "")
    return Parameter(target, kind or _type_of(default), default, comment)


def _type_of(default: Any) -> str:
    return (
        type(default).__name__ if type(default) in SCALARS.values() else "list" if isinstance(default, list) else "Any"
    )


def _checked(parameter: Parameter, value: Any) -> Any:
    try:
        return finite(_as(parameter.type, value))
    except NotFiniteError:
        raise UsageError(
            f"parameter {parameter.name!r} is {value!r:.80}: NaN and infinities cannot be kept in a notebook: give a finite number"
        ) from None
    except ValueError:
        raise UsageError(
            f"parameter {parameter.name!r} is {value!r:.80} (a {type(value).__name__}), not {parameter.type}"
            f"{': ' + parameter.help if parameter.help else ''}"
        ) from None


def _as(kind: str, value: Any) -> Any:
    choices = _choices(kind.replace("typing.", ""))
    if len(choices) > 1:
        return _as_one_of(choices, value)
    outer, _, inner = choices[0].removesuffix("]").partition("[")
    if outer in ("list", "List"):
        return [_as(inner, item) if inner else item for item in _items(value)]
    if outer in SCALARS:
        return _scalar(SCALARS[outer], value)
    return value


def _choices(kind: str) -> list[str]:
    """Return the members of a union, however it is written: `X | None`, `Optional[X]`, `Union[X, Y]`."""
    node = ast.parse(kind or "Any", mode="eval").body
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_choices(ast.unparse(node.left)), *_choices(ast.unparse(node.right))]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in ("Optional", "Union"):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        members = [member for part in parts for member in _choices(ast.unparse(part))]
        return [*members, "None"] if node.value.id == "Optional" else members
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # a type in quotes
        return _choices(node.value)
    return [ast.unparse(node)]


def _as_one_of(choices: list[str], value: Any) -> Any:
    if "None" in choices and (value is None or value in NOTHING):
        return None
    for choice in choices:
        if choice != "None":
            with suppress(ValueError):
                return finite(_as(choice, value))
    raise ValueError(value)


def finite(value: Any) -> Any:
    """Return a value that JSON can hold. Raises: NotFiniteError when it is or holds NaN or an infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        raise NotFiniteError(value)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        finite(inner)
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
        raise ValueError(value)  # noqa: TRY004 - the caller reports it as a wrong parameter
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
