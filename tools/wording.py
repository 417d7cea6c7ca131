"""Refuse phrases that are not plain technical English, wherever a person can meet them.

    python tools/wording.py [PATH …]      default: PATHS below

Checked are prose in Markdown (not its code blocks), comments in TOML and YAML, strings, comments, docstrings and names of
tests in Python, and all cells of notebooks. Each hit is one line: file, line, phrase, suggestion. Exit status 1 when there is one.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATHS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs",
    "lib",
    "notebooks",
    "runbooks",
    "tests",
    "tools",
    "examples",
    "zensical.toml",
)
"""The paths that `make check` looks at."""
SKIPPED = (
    "docs/explanation/faults.md",  # measured: it quotes messages of the time of the measurement
    "docs/assets",
    "examples/shop/releases",  # immutable: a changed word is another digest
    "docs/reference",  # generated: the texts are those of the library
    "tools/wording.py",  # the table of phrases itself, and its test
    "tests/unit/test_wording.py",
)
PHRASES = {
    r"anew": "again, or: start over",
    r"lest": "so that … not",
    r"by now": "already, or leave it out",
    r"(?:gone|going) back(?! to stage)": "rolled back, returned, or: rolling back",
    r"told(?! apart)": "listed, printed, reported",
    r"at work": "active, running",
    r"whole one": "complete example",
    r"in the end": "finally",
    r"of (?:its|their|his|your|our) own": "own, before the noun",
    r"(?<!of )ours": "Pratique's",
    r"as (?:long|often) as you like": "at any time",
    r"last words": "last log lines",
    r"(?:it|he|she) said nothing": "no output",
    r"takes? it away": "delete it",
    r"(?<!there )(?:is|are) no (?:name|address|number|time|code|folder|store|log|path|event|duration|stage|pass|regular expression)":
        "is not a …",
    r"so that [^.;:]* so that": "one 'so that' in a sentence: make two sentences",
}  # fmt: skip
NOUN_CLAUSE = re.compile(
    r"(?P<before>[\w']+)?(?P<gap>[\s,(]*)\bwhat (?:serves|served|runs|ran|stands|stood|comes|came|lives|died|belongs|has|had|"
    r"is|was|were|are)\b",
    re.IGNORECASE,
)
ASKING = re.compile(
    r"about|and|asks?|asked|checks?|decides?|describes?|explains?|find|from|how|knows?|learn|lists?|matter|of|or|records?|"
    r"returns?|says?|see|shows?|shown|tests?|understand",
    re.IGNORECASE,
)
"""Words before an indirect question, as in "shows what was decided"."""
REFUSED = [(re.compile(rf"\b{phrase}\b", re.IGNORECASE), suggestion) for phrase, suggestion in PHRASES.items()]
FENCE = re.compile(r"^\s*(```|~~~)")
FIELD = re.compile(r"(?<!\{)\{[^{}]*\}(?!\})")
"""A replacement field of an f-string: code, which Python before 3.12 does not split off."""


@dataclass(frozen=True)
class Hit:
    """A refused phrase: where it is, and a suggestion in its place."""

    file: str
    line: int
    phrase: str
    suggestion: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.phrase!r}: write {self.suggestion}"


def hits_in(text: str) -> Iterator[tuple[int, str, str]]:
    """The refused phrases of a text: offset, phrase, suggestion."""
    plain = re.sub(r"\s", " ", text)
    for pattern, suggestion in REFUSED:
        for match in pattern.finditer(plain):
            yield match.start(), match[0], suggestion
    for match in NOUN_CLAUSE.finditer(plain):
        question = "?" in re.split(r"[.!;]", plain[match.end() :], maxsplit=1)[0]
        if not question and not ASKING.fullmatch(match["before"] or ""):
            start = match.end() - len(match[0]) + len((match["before"] or "") + match["gap"])
            yield start, plain[start : match.end()], "the thing itself: the revision that …, everything that …"


def pieces_of(path: Path) -> Iterator[tuple[int, str]]:
    """The text of a file that a person can meet, piece by piece, each with its first line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _python(text)
    elif path.suffix == ".ipynb":
        yield from _notebook(text)
    elif path.suffix == ".md":
        yield from _markdown(text)
    elif path.suffix in {".toml", ".yaml", ".yml"} or path.name in {"Makefile", "Dockerfile"}:
        yield from _comments(text)


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs outside of code blocks."""
    fenced, start, lines = False, 1, []
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        fence = FENCE.match(line) is not None
        if fence or fenced or not line.strip():
            if lines:
                yield start, "\n".join(lines)
            lines = []
            fenced ^= fence
        else:
            start = start if lines else number
            lines.append(re.sub(r"`[^`]*`", lambda code: "x" * len(code[0]), line))


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        found = re.search(r"(?:^|\s)#+ (.*)", line)
        if found:
            yield number, found[1]


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Strings and comments, and the names of tests as words. Bytes are data, and fields of f-strings are code."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        prefix = re.match(r"[a-z]*", token.string.lower())[0] if kind == "STRING" else ""
        if "f" in prefix:
            yield token.start[0], _without_fields(token.string)
        elif kind in {"STRING", "COMMENT", "FSTRING_MIDDLE"} and "b" not in prefix:
            yield token.start[0], token.string
        elif kind == "NAME" and before == "def" and token.string.startswith("test_"):
            yield token.start[0], token.string.replace("_", " ")
        before = token.string


def _without_fields(literal: str) -> str:
    """An f-string with its fields replaced, the innermost first, at the same length and on the same lines."""
    while (plain := FIELD.sub(lambda field: re.sub(r"[^\n]", "x", field[0]), literal)) != literal:
        literal = plain
    return literal


def _notebook(text: str) -> Iterator[tuple[int, str]]:
    """Every cell, at the line of the file where it begins."""
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        identity = cell.get("id", "")
        line = text.count("\n", 0, max(text.find(f'"id": "{identity}"'), 0)) + 1
        pieces = _markdown(source) if cell["cell_type"] == "markdown" else _python(source)
        yield from ((line, piece) for _, piece in pieces)


def files_below(paths: list[Path]) -> Iterator[Path]:
    """Every file below some paths that is not skipped."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.as_posix()
            hidden = any(part.startswith((".", "__")) for part in Path(name).parts)
            if file.is_file() and not name.startswith(SKIPPED) and not hidden:
                yield file


def check(paths: list[Path]) -> list[Hit]:
    """Every hit below some paths, in order of file and line."""
    found = []
    for file in files_below(paths):
        name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.as_posix()
        for first, piece in pieces_of(file):
            for offset, phrase, suggestion in hits_in(piece):
                found.append(Hit(name, first + piece.count("\n", 0, offset), phrase, suggestion))
    return sorted(found, key=lambda hit: (hit.file, hit.line))


def main() -> int:
    """Print every hit; 1 when there is one."""
    found = check([Path(path).absolute() for path in sys.argv[1:]] or [ROOT / path for path in PATHS])
    for hit in found:
        print(hit)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
