"""The first lines of an incident: the answer in one sentence, and five facts."""

from __future__ import annotations

from pratique.figures.labels import label, utc_time
from pratique.figures.panels import MAX_REASON, Panel, fact_list, unbroken
from pratique.incident.measures import Investigation
from pratique.incident.model import Answer, Incident
from pratique.incident.text import (
    GOES_ON,
    evidence_text,
    part_of_excess,
    place_name,
    place_numbers,
    span_text,
    summary_lines,
)
from pratique.number_text import span

ANSWERS: dict[Answer, tuple[str, str, str]] = {
    "a release of ours": ("rollback", "▲", "Caused by a release"),
    "a change fits": ("", "?", "A change fits"),
    "no change of ours explains it": ("", "○", "No known change explains it"),
    "nothing shown": ("quiet", "–", "Nothing is shown"),
    "cannot tell": ("", "?", "Cannot tell"),
}
"""Answer → class of the banner, mark, and title."""
MEANINGS: dict[Answer, str] = {
    "a release of ours": "its requests fail more often than those of the other revisions at the same moments",
    "a change fits": "in time and place; without a control, another cause at the same minute looks the same",
    "no change of ours explains it": "nothing in the ledger fits in time and place",
    "nothing shown": "this is no proof that nothing happened",
    "cannot tell": "the data does not allow an answer",
}


def incident_banner(investigation: Investigation) -> Panel:
    """Show the answer in one sentence, and since when, whether it is over, where, how much of it, and how to undo it."""
    incident = investigation.incident
    kind, mark, title = ANSWERS[incident.answer]
    facts = [
        ("since", _since(incident)),
        ("now", _now(incident)),
        ("where", _where(incident)),
        ("undo", f"<code>{label(incident.undo, 200)}</code>" if incident.undo else "no change to undo is shown"),
        ("looked at", _range(incident)),
    ]
    html = (
        f'<div class="verdict {kind}"><p class="answer"><span class="mark">{mark}</span> <strong>{title}</strong>'
        f' <span class="meaning">{MEANINGS[incident.answer]}</span></p>'
        f'<p class="reason">{unbroken(label(incident.sentence, MAX_REASON))}</p>{fact_list(facts)}</div>'
    )
    return Panel(html, "\n".join(summary_lines(incident)))


def _since(incident: Incident) -> str:
    if incident.onset is None:
        return "no start is shown"
    onset = incident.onset
    evidence = evidence_text(onset.e_value, incident.alpha)
    within = span_text(onset.started, incident.end)
    chance = f"within {within}" if onset.started.first != onset.started.last else "in this window"
    return f"{utc_time(onset.best)}<br><small>{chance} with 95 %, as a {onset.shape}; evidence {evidence}</small>"


def _now(incident: Incident) -> str:
    if incident.onset is None:
        return "–"
    ended = incident.onset.ended
    return GOES_ON if ended is None else f"ended {span_text(ended, incident.end)}"


def _where(incident: Incident) -> str:
    if incident.places is None or not incident.places.found:
        return label(incident.places.reason, 200) if incident.places and incident.places.reason else "no place is shown"
    first = incident.places.found[0]
    more = len(incident.places.found) - 1
    others = f" and {more} more" if more else ""
    numbers = f"{part_of_excess(first)} of the excess: {place_numbers(first)}"
    return f"<strong>{label(place_name(first), 90)}</strong>{others}<br><small>{unbroken(label(numbers, 120))}</small>"


def _range(incident: Incident) -> str:
    length = span((incident.end - incident.start).total_seconds())
    return f"{utc_time(incident.start)}, {length}<br><small>compared with the time since {utc_time(incident.before)}</small>"
