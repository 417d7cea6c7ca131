"""The page of the public Python API, from `pratique.__all__` and the docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel

import pratique
from pratique.config.reference import summary
from pratique.runbook.release.session import ReleaseSession
from pratique.runbook.rollback.session import RollbackSession
from pratique.runbook.scheduled_job.session import JobSession
from pratique.store.base import Store
from tools.reference.markdown import cell, explained, plain, table

TEXT = """# Python API

Everything that `import pratique` offers is public; all other modules may change without notice. Names are loaded on first use, so the import is
fast. Every error derives from `pratique.PratiqueError`: see [Exit status](exit-status.md)."""
PYDANTIC = {name for name in dir(BaseModel) if not name.startswith("_")}
TABLES = {"Policy": "services.NAME.judge", "GuardPolicy": "services.NAME.judge.guards.5xx"}
"""The models whose fields are keys of the service file, by the table that explains them."""
RETURNED = (JobSession, ReleaseSession, RollbackSession, Store)
"""What the functions return, and notebooks use, under no public name."""


def _signature(value: Any) -> str:
    """The parameters and the result of a function, as they are written in its source."""
    found = inspect.signature(value)
    parts, starred = [], False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        parts.append(_parameter(parameter))
    result = found.return_annotation
    return f"({', '.join(parts)})" + ("" if result is inspect.Signature.empty else f" -> {result}")


def _parameter(parameter: inspect.Parameter) -> str:
    text = parameter.name
    if parameter.annotation is not inspect.Parameter.empty:
        text += f": {parameter.annotation}"
    if parameter.default is inspect.Parameter.empty:
        return text
    return f"{text} = {parameter.default!r}".replace("''", '""')


def _wrapped(name: str, signature: str) -> str:
    """A signature with a parameter a line, where it is long."""
    if len(name + signature) <= 100:
        return name + signature
    try:
        body, end = signature[1:].rsplit(") -> ", 1)
        end = f") -> {end}"
    except ValueError:
        body, end = signature[1:-1], ")"
    return f"{name}(\n" + "".join(f"    {part},\n" for part in _split(body)) + end


def _split(body: str) -> Iterable[str]:
    """The parameters of a signature; commas in brackets and strings belong to one."""
    depth, start = 0, 0
    for at, character in enumerate(body):
        depth += (character in "[({") - (character in "])}")
        if character == "," and not depth:
            yield body[start:at].strip()
            start = at + 1
    yield body[start:].strip()


def _text(value: Any, names: Iterable[str]) -> list[str]:
    doc = explained(inspect.getdoc(value), names)
    parts = [plain(paragraph) for paragraph in doc.text]
    if doc.names:
        parts.append(table(("name", "meaning"), [(f"`{n}`", cell(text)) for n, text in doc.names.items()]))
    return [*parts, f"Raises: {plain(doc.raises)}"] if doc.raises else parts


def _function(name: str, value: Any) -> list[str]:
    names = [n for n in inspect.signature(value).parameters if n != "self"]
    return [f"```python\n{_wrapped(name, _signature(value))}\n```", *_text(value, names)]


def _members(value: type) -> Iterable[tuple[str, str, str]]:
    for name, member in inspect.getmembers(value):
        if name.startswith("_") or name in PYDANTIC or not inspect.getdoc(member):
            continue
        first = (inspect.getdoc(member) or "").split("\n\n", maxsplit=1)[0]
        if isinstance(member, property):
            yield f"`{name}`", "property", cell(first)
        elif inspect.isfunction(member):
            yield (
                f"`{name}{_signature(member)}`".replace("(self, ", "(").replace("(self)", "()").replace("|", "\\|"),
                "method",
                cell(first),
            )


def _class(value: type) -> list[str]:
    model_fields = getattr(value, "model_fields", {})
    names = [item.name for item in fields(value)] if is_dataclass(value) else list(model_fields)
    parts = _text(value, names)
    if value.__name__ in TABLES:
        rows = [(f"`{name}`", _meaning(value, name)) for name in model_fields]
        parts += [
            "The fields are keys of the service file: see [Configuration](configuration.md).",
            table(("field", "meaning"), rows),
        ]
    members = [row for row in _members(value) if row[0].strip("`") not in names]
    return [*parts, table(("member", "kind", "meaning"), members)] if members else parts


def _meaning(model: type, name: str) -> str:
    key = f"{TABLES[model.__name__]}.{name}"
    return "the guards, by name" if name == "guards" else cell(summary(key))


def _module(value: ModuleType) -> list[str]:
    names = getattr(value, "__all__", None) or sorted(n for n, item in vars(value).items() if inspect.isclass(item))
    rows = []
    for name in names:
        member = getattr(value, name)
        shown = name + _signature(member) if inspect.isfunction(member) else name
        first = (inspect.getdoc(member) or "").split("\n\n", maxsplit=1)[0]
        rows.append((f"`{shown}`".replace("|", "\\|"), cell(first)))
    return [plain((inspect.getdoc(value) or "").split("\n\n", maxsplit=1)[0]), table(("name", "meaning"), rows)]


def page() -> str:
    """The whole page."""
    parts = [TEXT]
    for name in sorted(getattr(pratique, "__all__", []), key=str.lower):
        if name.startswith("__"):
            continue
        value = getattr(pratique, name)
        parts.append(f"## pratique.{name} {{#{name}}}")
        if inspect.ismodule(value):
            parts += _module(value)
        elif inspect.isclass(value):
            parts += _class(value)
        else:
            parts += _function(name, value)
    parts.append("## Returned objects")
    for kind in RETURNED:
        parts += [f"### {kind.__name__}", *_class(kind)]
    return "\n\n".join(part.strip() for part in parts)
