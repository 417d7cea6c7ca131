"""An incident as plain text: names of places and changes, times, and the few lines that a terminal shows.

Names come from log lines: every line is shortened and free of control characters. Nothing here is escaped for HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pratique.incident.model import Change, Incident, Onset, Place, Places, Span, Suspect, Unaffected
from pratique.number_text import count, evidence, factor, interval, percent, plural

LISTED = 3
"""How many places, and how many suspects, a terminal lists."""
LARGEST = 1000
"""Beyond this ratio hardly anything was expected, and its size depends on very few requests."""
GOES_ON = "still going on"
NAMED = 40
"""Longest text that names a change without a revision, in characters."""
WIDEST = 150
"""Longest line of a terminal, in characters."""


def short(text: str, limit: int = 80) -> str:
    r"""Return text from the data as one line of at most `limit` characters, without control or direction characters.

    >>> short("GET /cart\r\n" * 9, 12)
    'GET /cart G…'
    """
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    line = " ".join(kept.split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1].rstrip()}…"


def times(ratio: float | None) -> str:
    """Format how many times the expected number: 2.4x, 140x; "new" where nothing was expected.

    >>> times(2.44), times(140.2), times(81_536), times(None)
    ('2.4x', '140x', '> 1,000x', 'new')
    """
    if ratio is None:
        return "new"
    if ratio > LARGEST:
        return f"> {LARGEST:,}x"
    if ratio < 0.095:
        return f"{ratio:.2g}x"
    return f"{ratio:.1f}x" if ratio < 9.95 else f"{ratio:,.0f}x"


def clock_time(moment: datetime, beside: datetime) -> str:
    """Format a time as short as it is clear beside another one: 14:02, or 2026-11-19 14:02 on another day."""
    return f"{moment:%H:%M}" if moment.date() == beside.date() else f"{moment:%Y-%m-%d %H:%M}"


def span_text(span: Span, beside: datetime) -> str:
    """Format a set of windows by its ends: "14:01–14:04", or one time."""
    first, last = clock_time(span.first, beside), clock_time(span.last, beside)
    return first if first == last else f"{first}–{last}"


def onset_text(onset: Onset, end: datetime) -> str:
    """Return when it began, with both ends, and whether it is over: "since 14:02 (14:01–14:04), still going on"."""
    best, within = clock_time(onset.best, end), span_text(onset.started, end)
    since = f"since {best}" if within == best else f"since {best} ({within})"
    return f"{since}, {GOES_ON if onset.ended is None else f'ended {span_text(onset.ended, end)}'}"


def place_name(place: Place) -> str:
    """Return the parts that make up a place: "POST /checkout · 503 · revision r42"; "the whole service" for none."""
    parts = [
        place.action,
        place.code,
        place.revision and f"revision {place.revision}",
        place.host and f"host {place.host}",
    ]
    return short(" · ".join(part for part in parts if part)) or "the whole service"


def place_numbers(place: Place) -> str:
    """Return the numbers of a place: "212 bad of 1,900, 9 expected; 0.47 % → 11 %, 24x"."""
    seen = f"{count(place.bad)} bad of {count(place.requests)}, {count(round(place.expected, 1))} expected"
    return f"{seen}; {percent(place.before)} → {percent(place.after)}, {times(place.ratio)}"


def change_name(change: Change) -> str:
    """Return what was changed: "release r42 of shop", or with the text of a change without a revision, "flag new-cart of shop"."""
    what = f"{change.kind} {change.revision or short(change.why, NAMED)}".strip()
    return short(f"{what} of {change.service}" if change.service else what)


def suspect_line(suspect: Suspect) -> str:
    """Return a suspect in one line: its grade, the change, and the reason."""
    return f"{suspect.grade:<13} {change_name(suspect.change)}, {before_text(suspect)}: {short(suspect.reason, WIDEST)}"


def before_text(suspect: Suspect) -> str:
    """Return how long before the start a change was made: "2 min before", "14 min after"."""
    minutes = suspect.minutes_before
    size = abs(minutes)
    length = f"{size * 60:.0f} s" if size < 1 else f"{size:.0f} min" if size < 120 else f"{size / 60:.1f} h"
    return f"{length} {'before' if minutes >= 0 else 'after'}"


def suspect_numbers(suspect: Suspect) -> str:
    """Return what the change's own requests are by those of the others: "12x [6.0, 25]", or "no control"."""
    if suspect.ratio is None:
        return "no control"
    return f"{factor(suspect.ratio)} {interval(suspect.ratio_low, suspect.ratio_high)}"


def unaffected_text(one: Unaffected) -> str:
    """Return what is known of a part that may be left alone: "at most 1.2x", or "cannot tell"."""
    if one.ratio_high is None:
        return "cannot tell"
    return f"at most {times(one.ratio_high)}"


def equation(places: Places) -> str:
    """Return how the bad requests are shared out: "221 bad = 12 expected + 3 mix of traffic + …"."""
    parts = [f"{count(places.bad)} bad = {count(places.expected)} expected"]
    parts.append(_signed(places.mix, "mix of traffic"))
    parts += [_signed(part, f"place {number}") for number, part in enumerate(contributions(places), start=1)]
    return " ".join([*parts, _signed(places.rest, "not explained")])


def part_of_excess(place: Place) -> str:
    """Return the part of the excess that a place tells, to a tenth of a percent: it is an estimate."""
    return percent(round(place.part, 3))


def contributions(places: Places) -> tuple[float, ...]:
    """Return how many bad requests more each place explains, in the order of the places."""
    excess = places.bad - places.expected
    return tuple(place.part * excess for place in places.found)


def _signed(number: float, name: str) -> str:
    return f"{'-' if round(number) < 0 else '+'} {count(abs(number))} {name}"


def summary_lines(incident: Incident, *, listed: int = LISTED) -> list[str]:
    """Return an incident in at most 20 lines of a terminal: the sentence, the places, the suspects, what to distrust.

    listed: how many places and suspects at most.
    """
    lines = [f"{incident.answer}: {short(incident.sentence, 500)}"]
    if incident.undo:
        lines.append(f"undo      {short(incident.undo, 200)}")
    lines += _place_lines(incident.places, listed) + _suspect_lines(incident.suspects, listed)
    if incident.findings:
        more = f" (and {plural(len(incident.findings) - 1, 'other')})" if len(incident.findings) > 1 else ""
        lines.append(f"distrust  {short(incident.findings[0], WIDEST)}{more}")
    return lines


def _place_lines(places: Places | None, listed: int) -> list[str]:
    if places is None:
        return []
    if not places.found:
        return [f"where     {short(places.reason, WIDEST)}"] if places.reason else []
    shown = [
        f"{part_of_excess(place):>9} {place_name(place)}: {place_numbers(place)}" for place in places.found[:listed]
    ]
    return [f"where     {_first(listed, len(places.found), 'place')}", *shown]


def _suspect_lines(suspects: Sequence[Suspect], listed: int) -> list[str]:
    if not suspects:
        return []
    return [f"changes   {_first(listed, len(suspects), 'change')}", *map(suspect_line, suspects[:listed])]


def _first(listed: int, total: int, noun: str) -> str:
    return plural(total, noun) if total <= listed else f"{listed} of {plural(total, noun)}"


def service_line(incident: Incident, width: int = 16) -> str:
    """Return an incident in one line: service, answer, and since when."""
    when = onset_text(incident.onset, incident.end) if incident.onset else short(incident.sentence, WIDEST)
    where = place_name(incident.places.found[0]) if incident.places and incident.places.found else ""
    return f"{short(incident.service):<{width}}  {incident.answer}: {when}{f'; {where}' if where else ''}"


def evidence_text(e_value: float, alpha: float) -> str:
    """Return evidence, and how much of it is needed: "412 of 100"."""
    return f"{evidence(e_value)} of {evidence(1 / alpha)}"
