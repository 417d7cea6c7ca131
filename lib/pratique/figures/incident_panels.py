"""Panels below the figures of an incident: parts that are not affected, and reasons to distrust the answer."""

from __future__ import annotations

from pratique.figures.labels import label
from pratique.figures.panels import MAX_REASON, SCROLL_ROWS, Panel
from pratique.incident.measures import Investigation
from pratique.incident.model import Unaffected
from pratique.incident.text import short, unaffected_text
from pratique.number_text import count, plural

NONE_SHOWN = "Nothing is shown to be unaffected: there are too few requests, or nothing was compared."
NOTE = "Ratio: upper limit of the share of bad requests after the start by that before, at 97.5 %."
NO_FINDINGS = "No problems found: there is enough history, and no log lines are known to be late or dropped."


def unaffected(investigation: Investigation) -> Panel:
    """Show the revisions, hosts, actions and services that are shown not to be worse, and those of which it is not known."""
    found = investigation.incident.unaffected
    if not found:
        return Panel(f'<div class="findings"><p>{NONE_SHOWN}</p></div>', NONE_SHOWN)
    rows = sorted(found, key=lambda one: (not one.shown, one.dimension, -one.requests))
    long = " long" if len(rows) > SCROLL_ROWS else ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("part", "requests", "ratio", "state"))
    html = (
        f'<div class="scroll{long}"><table class="guards"><caption>{NOTE}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_row, rows))}</tbody></table></div>"
    )
    return Panel(html, "\n".join(_line(one) for one in rows))


def _row(one: Unaffected) -> str:
    state = "✓ not worse" if one.shown else "cannot tell"
    return (
        f'<tr class="{"met" if one.shown else "open"}"><th scope="row">{one.dimension} <strong>{label(one.name, 80)}</strong></th>'
        f'<td title="requests">{count(one.requests)}</td><td title="ratio">{unaffected_text(one)}</td>'
        f'<td title="state">{state}</td></tr>'
    )


def _line(one: Unaffected) -> str:
    state = "not worse" if one.shown else "cannot tell"
    return f"{one.dimension} {short(one.name)}: {state}, {unaffected_text(one)}, {plural(one.requests, 'request')}"


def incident_findings(investigation: Investigation) -> Panel:
    """Show missing or unusual data that makes the answer weaker."""
    found = investigation.incident.findings
    if not found:
        return Panel(f'<div class="findings"><p>{NO_FINDINGS}</p></div>', NO_FINDINGS)
    items = "".join(f"<li>{label(one, MAX_REASON)}</li>" for one in found)
    return Panel(f'<div class="findings"><ul>{items}</ul></div>', "\n".join(short(one, MAX_REASON) for one in found))
