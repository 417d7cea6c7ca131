"""The commands behind `make TARGET`, `npm run SCRIPT` and `./script.sh`, which pipelines call in place of the commands themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from pratique.maturity.pipelines.model import Command, Pipeline

DEEPEST = 5
MOST = 2000
"""Commands that are added for all calls together."""
_MAKE = re.compile(r"(?:^|[;&|(]\s*|\s)(?:make|gmake)\s+((?:[^\s;&|]+\s*)+)")
_SCRIPT = re.compile(r"\b(?:npm|yarn|pnpm|bun)\s+(?:run(?:-script)?\s+)?([\w:.-]+)")
_FILE = re.compile(
    r"^(?:(?:sudo|time|exec|source|\.|(?:/bin/)?(?:ba|da|z)?sh)\s+(?:-\w+\s+)*)?(?:\./|\$\{?\w+\}?/)*([\w-][\w./-]*\.(?:sh|bash)|(?:\.?[\w-]+/)+[\w-]+(?:\.sh)?)(?=\s|$)|^(?:bash|sh)\s+(?:-\w+\s+)*(?:\./)?(\.[\w./-]+)"
)
_RULE = re.compile(r"^([A-Za-z0-9][\w./%-]*(?:\s+[\w./%-]+)*)\s*::?(?!=)([^=#\n]*)(?:#.*)?$")
_FOLDER = re.compile(r"(?:^|\s)-C\s+(\S+)")

Reader = Callable[[str], "bytes | None"]


def expanded(commands: list[Command], read: Reader) -> list[Command]:
    """Return the commands, each followed by what it calls in a Makefile or package.json of the repository."""
    found: list[Command] = []
    budget = [MOST]
    seen: set[tuple[str, str]] = set()
    for command in commands:
        found.append(command)
        found += _behind(command, read, seen, budget, 0)
    return found


def _behind(
    command: Command, read: Reader, seen: set[tuple[str, str]], budget: list[int], depth: int
) -> Iterator[Command]:
    if depth >= DEEPEST or budget[0] <= 0:
        return
    for file, target, recipe in (
        *_make_calls(command, read),
        *_script_calls(command, read),
        *_file_calls(command, read),
    ):
        if (file, target) in seen:
            continue
        seen.add((file, target))
        for inner in recipe:
            budget[0] -= 1
            if budget[0] <= 0:
                return
            yield inner
            yield from _behind(inner, read, seen, budget, depth + 1)


def _make_calls(command: Command, read: Reader) -> Iterator[tuple[str, str, list[Command]]]:
    call = _MAKE.search(command.text.replace("$(MAKE)", "make"))
    if not call:
        return
    folder = _FOLDER.search(call[1])
    base = f"{folder[1].strip('/').removeprefix('./')}/" if folder else ""
    file, rules = next(
        (
            (name, parsed)
            for name in (f"{base}Makefile", f"{base}makefile", f"{base}GNUmakefile")
            if (parsed := _rules(name, read))
        ),
        ("", {}),
    )
    words = [word for word in call[1].split() if not word.startswith("-") and "=" not in word and "$" not in word]
    waiting = [word for word in words if word in rules] or list(rules)[: not words]
    done: set[str] = set()
    while waiting and len(done) < 200:
        target = waiting.pop(0)
        if target in done:
            continue
        done.add(target)
        needs, recipe = rules[target]
        waiting += [need for need in needs if need in rules]
        yield file, target, recipe


def _rules(file: str, read: Reader) -> dict[str, tuple[list[str], list[Command]]]:
    """Target → what it needs, and its commands."""
    content = read(file)
    found: dict[str, tuple[list[str], list[Command]]] = {}
    current: list[str] = []
    for number, line in enumerate((content or b"").decode("utf-8", "replace").splitlines(), start=1):
        if line.startswith("\t"):
            recipe = Pipeline(file)
            recipe.run(line.strip().lstrip("@-+"), number)
            for target in current:
                found[target][1].extend(recipe.commands)
        elif rule := _RULE.match(line[:2000]):
            current = [name for name in rule[1].split() if "%" not in name]
            for target in current:
                needs, recipe_so_far = found.setdefault(target, ([], []))
                needs += rule[2].split()
                found[target] = (needs, recipe_so_far)
        elif line.strip() and not line.lstrip().startswith("#"):
            current = []
    return found


def _script_calls(command: Command, read: Reader) -> Iterator[tuple[str, str, list[Command]]]:
    names = [name for name in _SCRIPT.findall(command.text) if name not in ("install", "ci")]
    if not names:
        return
    try:
        package = json.loads(read("package.json") or b"{}")
    except (ValueError, RecursionError):
        return
    scripts = package.get("scripts") if isinstance(package, dict) else None
    for name in names:
        script = scripts.get(name) if isinstance(scripts, dict) else None
        if isinstance(script, str):
            yield "package.json", name, [Command(script[:2000], "package.json", 1)]


def _file_calls(command: Command, read: Reader) -> Iterator[tuple[str, str, list[Command]]]:
    call = _FILE.match(command.text)
    name = (call[1] or call[2] or "") if call else ""
    content = read(name) if name and ".." not in name else None
    if (
        content is not None
        and content[:200].lstrip().startswith((b"#!", b"#", b"set "))
        and b"python" not in content[:60]
    ):
        script = Pipeline(name)
        script.run(content.decode("utf-8", "replace"), 1)
        yield name, "", script.commands
