"""The maturity review as panels: the profile, the next steps, the changes, and every practice. They are readable without colour."""

from __future__ import annotations

from pratique.figures.labels import label
from pratique.figures.panels import Panel
from pratique.maturity.review import Review
from pratique.maturity.scoring import CategoryResult, ItemResult
from pratique.maturity.text import LEGEND, SIGNS, heat_map, mark
from pratique.number_text import plural

STATES = {"recorded": "recorded", "declared": "declared", "said": "said"}
NO_STEPS = "No practice is known to be unmet: answer the questions, or look at the unknown practices below."
NO_CHANGES = "There is no earlier review to compare with."
MOST_QUESTIONS = 8


def maturity_map(review: Review) -> Panel:
    """Show the profile: categories by levels, a square for each practice; reached levels are outlined, possible ones dashed."""
    levels = review.model.levels
    head = "".join(f'<th scope="col">{label(level, 30)}</th>' for level in levels)
    rows = "".join(_row(category, levels) for category in review.categories)
    who = f"{label(review.repository, 120)}{''.join(f' · {label(name, 60)}' for name in review.services)}"
    html = (
        f'<p>{label(review.model.name, 80)} · {review.made:%Y-%m-%d %H:%M} UTC · {who}</p><div class="scroll"><table class="maturity"><caption>{SIGNS} · solid outline: level reached · dashed: possible</caption>'
        f'<thead><tr><th scope="col">category</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
    words = [f"{category.category.name}: {category.text(levels)}" for category in review.categories]
    return Panel(html, "\n".join([*heat_map(review), LEGEND, *words]))


def _row(category: CategoryResult, levels: tuple[str, ...]) -> str:
    cells = "".join(_cell(category, at, levels[at]) for at in range(len(levels)))
    name = f'<th scope="row"><strong>{label(category.category.name, 60)}</strong><small>{label(category.text(levels), 120)}</small></th>'
    return f"<tr>{name}{cells}</tr>"


def _cell(category: CategoryResult, level: int, name: str) -> str:
    good, wanted = category.counts(level)
    kind = "reached" if level <= category.level else "possible" if level <= category.highest else "open"
    word = {"reached": "reached", "possible": "possible", "open": ""}[kind]
    squares = "".join(
        f'<span class="{_kind(one)}" title="{label(one.item.id, 80)}">{mark(one)}</span>' for one in category.at(level)
    )
    return f'<td class="{kind}" title="{label(name, 30)}"><span class="squares">{squares}</span><small>{good} of {wanted} {word}</small></td>'


def _kind(result: ItemResult) -> str:
    return STATES.get(result.strength or "", "met") if result.state == "met" else result.state.replace(" ", "-")


def next_steps(review: Review) -> Panel:
    """Show at most three next steps with the reason for each, and the first questions that a sentence would settle."""
    steps = "".join(
        f"<li><strong>{label(one.item.next, 200)}</strong><br><small>{label(one.item.practice, 200)} ({label(one.item.id, 80)}): {label(one.reason, 300)}</small></li>"
        for one in review.steps
    )
    shown = review.questions[:MOST_QUESTIONS]
    questions = "".join(
        f"<li>{label(one.item.question, 300)} <small>{label(one.item.id, 80)}</small></li>" for one in shown
    )
    rest = (
        f"<p><small>and {len(review.questions) - len(shown)} more</small></p>"
        if len(review.questions) > len(shown)
        else ""
    )
    findings = "".join(f"<li>{label(text, 300)}</li>" for text in review.findings)
    html = (
        (f"<ol>{steps}</ol>" if steps else f"<p>{NO_STEPS}</p>")
        + (f"<h3>To answer now</h3><ul>{questions}</ul>{rest}" if questions else "")
        + (f"<h3>Findings</h3><ul>{findings}</ul>" if findings else "")
    )
    return Panel(
        f'<div class="findings steps">{html}</div>',
        "\n".join(f"{one.item.next}: {one.reason}" for one in review.steps) or NO_STEPS,
    )


def review_changes(review: Review) -> Panel:
    """Show which practices changed since the last review, and why."""
    if review.before is None:
        return Panel(f'<div class="findings"><p>{NO_CHANGES}</p></div>', NO_CHANGES)
    moved = [change for change in review.changes if change.direction != "new"]
    fresh = len(review.changes) - len(moved)
    rows = "".join(
        f"<li><strong>{change.direction} {label(change.item, 80)}</strong> {change.before} → {change.now}<br><small>{label(change.why, 400)}</small></li>"
        for change in moved
    )
    new = f"<p>New in the model: {plural(fresh, 'practice')}.</p>" if fresh else ""
    since = f"Since the review of {review.before:%Y-%m-%d %H:%M} UTC"
    html = f'<div class="findings"><p>{since}{"" if moved else ", no practice changed"}.</p><ul>{rows}</ul>{new}</div>'
    return Panel(html, "\n".join([since, *(f"{change.direction} {change.item}: {change.why}" for change in moved)]))


def item_table(review: Review) -> Panel:
    """Show every practice with its state, one sentence, and where that was taken from."""
    levels = review.model.levels
    head = "".join(f'<th scope="col">{name}</th>' for name in ("practice", "level", "state", "evidence"))
    parts = []
    for category in review.categories:
        rows = "".join(_item(one, levels) for one in category.items)
        title = f'<tr class="group"><th scope="rowgroup" colspan="4"><strong>{label(category.category.name, 60)}</strong></th></tr>'
        parts.append(f"<tbody>{title}{rows}</tbody>")
    html = (
        f'<div class="scroll"><table class="guards items"><thead><tr>{head}</tr></thead>{"".join(parts)}</table></div>'
    )
    return Panel(html, "\n".join(f"{mark(one)} {one.item.id}: {one.reason}" for one in review.items))


def _item(result: ItemResult, levels: tuple[str, ...]) -> str:
    where = f"<small>{label(', '.join(result.where), 300)}</small>" if result.where else ""
    cells = (
        ("level", label(levels[result.item.level], 30)),
        ("state", f"{mark(result)} {result.state}<small>{result.strength or ''}</small>"),
        ("evidence", f"{label(result.reason, 600)}{where}"),
    )
    name = f'<th scope="row">{label(result.item.practice, 300)}<small>{label(result.item.id, 80)}</small></th>'
    return (
        f'<tr class="{_kind(result)}">{name}'
        + "".join(f'<td title="{title}">{value}</td>' for title, value in cells)
        + "</tr>"
    )
