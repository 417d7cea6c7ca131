"""Which changes may have caused an incident: all that were looked at, the most suspected first."""

from __future__ import annotations

from pratique.figures.labels import label
from pratique.figures.panels import MAX_REASON, SCROLL_ROWS, Panel, unbroken
from pratique.incident.measures import Investigation
from pratique.incident.model import Suspect
from pratique.incident.text import before_text, change_name, suspect_line, suspect_numbers
from pratique.number_text import percent

GRADES = {
    "shown": "▲ shown",
    "fits": "△ fits",
    "alike in time": "alike, in time",
    "in time only": "in time only",
    "alike": "alike",
    "elsewhere": "elsewhere",
    "too late": "too late",
    "cannot tell": "cannot tell",
}
"""Grade → how it is written; only "shown" may be called the cause."""
COLUMNS = ("change", "grade", "before the start", "at the same moments", "reason")
NOTE = (
    "At the same moments: odds of a bad request on the change's revision by those of the others, with 95 % limits. "
    "A grade that rests on time alone has beside it the chance that some change falls into that time by coincidence."
)
NO_CHANGES = "No change is known from 24 hours before the range to the start."


def suspects(investigation: Investigation) -> Panel:
    """Show every change that was looked at, the most suspected first: grade, reason, time, control, and what would settle it."""
    found = investigation.incident.suspects
    if not found:
        return Panel(f'<div class="findings"><p>{NO_CHANGES}</p></div>', NO_CHANGES)
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    long = " long" if len(found) > SCROLL_ROWS else ""
    html = (
        f'<div class="scroll{long}"><table class="guards suspects"><caption>{NOTE}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_row, found))}</tbody></table></div>"
    )
    return Panel(html, "\n".join(map(suspect_line, found)))


def _row(suspect: Suspect) -> str:
    change = suspect.change
    number = f", entry {change.number}" if change.number is not None else f", from {label(change.source, 40)}"
    by = f"<small>{change.time:%H:%M:%S} UTC by {label(change.who, 30)}{number}</small>"
    why = f"<small>{label(change.why, 120)}</small>" if change.why else ""
    lack = f"<small>would settle it: {label(suspect.lack, 200)}</small>" if suspect.lack else ""
    cells = (
        ("grade", f'<span class="grade">{GRADES[suspect.grade]}</span>'),
        ("before the start", f"{before_text(suspect)}{_coincidence(suspect)}"),
        ("at the same moments", suspect_numbers(suspect)),
        ("reason", f"{unbroken(label(suspect.reason, MAX_REASON))}{lack}"),
    )
    kind = suspect.grade.replace(" ", "-")
    title = f'<th scope="row"><strong>{label(change_name(change), 80)}</strong>{by}{why}</th>'
    return f'<tr class="suspect-{kind}">{title}' + "".join(_cell(name, value) for name, value in cells) + "</tr>"


def _cell(name: str, value: str) -> str:
    return f'<td title="{name}">{value}</td>'


def _coincidence(suspect: Suspect) -> str:
    if suspect.grade not in ("fits", "alike in time", "in time only"):
        return ""
    return f"<small>coincidence {percent(suspect.coincidence)}</small>"
