"""A review as plain text for a terminal; it is readable without colour."""

from __future__ import annotations

from collections.abc import Iterator

from pratique.maturity.review import Review
from pratique.maturity.scoring import CategoryResult, ItemResult, ItemState
from pratique.number_text import plural
from pratique.text_table import aligned

MARKS: dict[ItemState, str] = {"met": "■", "not met": "✕", "unknown": "○", "not applicable": "–", "not wanted": "✻"}
MET = {"recorded": "■", "declared": "▨", "said": "▤"}
"""How a met item is drawn, by the strength of what shows it."""
SIGNS = "■ recorded  ▨ declared in a file  ▤ said by the team  ○ unknown  ✕ not met  – not applicable  ✻ not wanted"
LEGEND = f"{SIGNS}  [ ] level reached  ( ) possible"
MOST_QUESTIONS = 5


def mark(result: ItemResult) -> str:
    """Return the sign of an item."""
    return MET.get(result.strength or "", "■") if result.state == "met" else MARKS[result.state]


def review_lines(review: Review, *, every_question: bool = False) -> Iterator[str]:
    """Yield the lines: profile, levels, next steps, what to answer, what changed, findings, and every item."""
    services = f" · {', '.join(review.services)}" if review.services else ""
    yield f"{review.model.name} · {review.made:%Y-%m-%d %H:%M} UTC · {review.repository}{services}"
    yield ""
    yield from heat_map(review)
    yield LEGEND
    yield ""
    width = max(len(category.category.name) for category in review.categories)
    for category in review.categories:
        yield f"{category.category.name.ljust(width)}  {category.text(review.model.levels)}"
    yield from _section(
        "Next steps",
        [
            f"{number}. {one.item.next} ({one.item.id}): {one.reason}"
            for number, one in enumerate(review.steps, start=1)
        ],
    )
    yield from _section("To answer now", _questions(review, every=every_question))
    if review.before:
        yield from _section(f"Since the review of {review.before:%Y-%m-%d}", _changes(review))
    yield from _section("Findings", review.findings)
    for category in review.categories:
        yield from _section(category.category.name, [_item(one, review) for one in category.items])


def heat_map(review: Review) -> Iterator[str]:
    """Yield one line for each category, with a column for each level."""
    levels = review.model.levels
    rows = [
        [category.category.name, *(_cell(category, at) for at in range(len(levels)))] for category in review.categories
    ]
    yield from aligned([["", *(f" {level}" for level in levels)], *rows])


def _cell(category: CategoryResult, level: int) -> str:
    items = category.at(level)
    if not items:
        return "–"
    good, wanted = category.counts(level)
    signs = "".join(map(mark, items))
    opened, closed = ("[", "]") if level <= category.level else ("(", ")") if level <= category.highest else (" ", " ")
    return f"{opened}{signs}{closed} {good}/{wanted}"


def _questions(review: Review, *, every: bool) -> list[str]:
    shown = review.questions if every else review.questions[:MOST_QUESTIONS]
    rest = len(review.questions) - len(shown)
    more = [f"… and {plural(rest, 'further question')}: --questions lists them"] if rest else []
    return [f"{one.item.question}  pratique answer {one.item.id} yes --why …" for one in shown] + more


def _changes(review: Review) -> list[str]:
    """What moved, one line for each item; items that are new in the model are only counted."""
    moved = [change for change in review.changes if change.direction != "new"]
    fresh = [change.item for change in review.changes if change.direction == "new"]
    lines = [f"{change.direction} {change.item}: {change.before} → {change.now}; {change.why}" for change in moved]
    return (
        [*lines, f"new in the model: {', '.join(fresh[:5])}{' …' if len(fresh) > 5 else ''}"]
        if fresh
        else lines or ["nothing changed"]
    )


def _section(title: str, lines: list[str] | tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _item(result: ItemResult, review: Review) -> str:
    where = f"  [{', '.join(result.where)}]" if result.where else ""
    return f"{mark(result)} {review.model.levels[result.item.level]:<12} {result.item.id}: {result.item.practice}. {_capital(result.reason)}{where}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
