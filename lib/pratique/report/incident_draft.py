"""A draft of the review after an incident, from its analysis and its record: timeline, impact, end, and everything that nobody knows.

It holds what the store and the ledger show, and leaves the rest to people: those parts are marked. Names come from log lines and webhooks, so each is
escaped: the Markdown shows it as text wherever it is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.clock import iso
from pratique.incident.model import Change, Incident, Onset, Places, Span
from pratique.incident.text import change_name, part_of_excess, place_name, short, suspect_numbers, times
from pratique.number_text import count, percent
from pratique.report.written_page import write_text

if TYPE_CHECKING:
    from pratique.ledger.incidents import IncidentRecord

_NUMBERED = re.compile(r"^(\d+)([.)])")
"""The beginning of a numbered list."""
AROUND = timedelta(hours=1)
"""How long before the start and after the end the timeline lists changes."""
ENDING = timedelta(minutes=15)
"""How long before the end a change may have ended it."""
MOST_EVENTS = 100
LONGEST = 300
_SPECIAL = re.compile(r"([\\`*_\[\]<|~&@]|:(?=//)|(?<=www)\.|^[-+#>=])")
"""Signs of Markdown, of entities, and of what some renderers make links and mentions of."""


def incident_draft(incident: Incident, changes: Sequence[Change], record: IncidentRecord | None = None) -> str:
    """Return the draft in Markdown. changes: all that were looked at. record: of the ledger, if the incident is recorded.

    Times are UTC. Impact is counted from the onset that was found, and not from the recorded beginning.
    """
    title = f"{incident.service}: {record.title if record else incident.outcome}"
    parts = [
        f"# {_text(title)} (draft)",
        f"Written by pratique {_text(incident.version)} from the store and the ledger. Parts in *italics* are for you to write.",
        "## Summary",
        _text(incident.sentence),
        _table(("", ""), _facts(incident, record)),
        "## Impact",
        *_impact(incident),
        "*What did users notice, and how many?*",
        "## Timeline",
        _table(("time (UTC)", "event"), _timeline(incident, changes, record)),
        "## Evidence",
        *_evidence(incident),
        "## End",
        *_end(incident, changes, record),
        "## Unknown",
        "\n".join(f"- {_text(line)}" for line in _unknown(incident, record)),
        "## Lessons",
        "*Why was it not found before users met it? What is changed so that it cannot happen again, by whom, until when?*",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def draft_page(draft: str, title: str) -> str:
    """Return the draft as one HTML page that opens offline."""
    from pratique.report.page import render  # noqa: PLC0415 - only for pages

    return render({"cells": [{"id": "draft", "cell_type": "markdown", "source": draft}]}, short(title, 150))


def save_draft(
    incident: Incident, changes: Sequence[Change], out: Path, stem: str, record: IncidentRecord | None = None
) -> tuple[Path, Path]:
    """Write the draft as Markdown and HTML into a folder, and return both paths. A Markdown file that is there is kept.

    Raises: DeniedError, StorageError; UsageError when the Markdown is there, because somebody may have worked on it.
    """
    from pratique.errors import UsageError  # noqa: PLC0415

    text, page = out / f"{stem}-draft.md", out / f"{stem}-draft.html"
    if text.exists():
        raise UsageError(f"{str(text)!r} exists: move it away, or choose another folder with --out")
    draft = incident_draft(incident, changes, record)
    write_text(text, draft)
    write_text(page, draft_page(draft, f"{incident.service} {incident.outcome}: draft"))
    return text, page


def _facts(incident: Incident, record: IncidentRecord | None) -> Iterator[tuple[str, str]]:
    onset = incident.onset
    if onset:
        yield "began", f"{iso(onset.best)} ({_span(onset.started)})"
        yield "ended", _span(onset.ended) if onset.ended else f"still going on at {iso(incident.end)}"
    if record is not None:
        yield "recorded as", f"{record.id}, by {record.who}" + (f", {record.severity}" if record.severity else "")
        yield "recorded beginning", iso(record.began)
        if record.detected:
            yield (
                "detected",
                f"{iso(record.detected)}, {_minutes(record.detected - record.began)} after the recorded beginning",
            )
        if record.restored:
            yield (
                "users well again",
                f"{iso(record.restored)}, {_minutes(record.restored - record.began)} after the recorded beginning",
            )
        yield "recorded cause", record.cause or "unknown"
    yield "answer of the analysis", incident.answer


def _impact(incident: Incident) -> Iterator[str]:
    onset, places = incident.onset, incident.places
    if onset is None:
        yield "No rise is shown in this range, so nothing is counted."
        return
    more = max(onset.bad - onset.expected, 0.0)
    yield _text(
        f"{count(onset.requests)} requests since {iso(onset.best)}: {count(onset.bad)} of them bad ({incident.outcome}), "
        f"{count(onset.expected)} were to be expected. So about {count(more)} requests failed that would not have."
    )
    yield _places(places) if places else ""


def _places(places: Places) -> str:
    rows = [
        (
            place_name(place),
            part_of_excess(place),
            f"{count(place.bad)} of {count(place.requests)}",
            f"{percent(place.before)} to {percent(place.after)}",
            times(place.ratio),
        )
        for place in places.found
    ]
    return _table(("place", "part of it", "bad requests", "share", "of the expected"), rows) if rows else ""


def _timeline(
    incident: Incident, changes: Sequence[Change], record: IncidentRecord | None
) -> Iterator[tuple[str, str]]:
    events = [(change.time, _change_text(change)) for change in changes if _is_near(incident, change)]
    if incident.onset:
        events += _onset_events(incident.onset, incident)
    if record is not None:
        named = {
            "recorded beginning": record.began,
            "detected": record.detected,
            "users well again, as recorded": record.restored,
            "closed": record.closed,
        }
        events += [(time, name) for name, time in named.items() if time is not None]
    events.sort(key=lambda event: event[0])
    for time, text in events[-MOST_EVENTS:]:
        yield iso(time), text


def _onset_events(onset: Onset, incident: Incident) -> Iterator[tuple[datetime, str]]:
    yield onset.best, f"{incident.outcome} rises ({onset.shape}, {times(onset.ratio)})"
    if onset.ended:
        yield onset.ended.last, f"{incident.outcome} is over"


def _is_near(incident: Incident, change: Change) -> bool:
    first = incident.onset.started.first if incident.onset else incident.start
    return first - AROUND <= change.time < incident.end + AROUND


def _change_text(change: Change) -> str:
    shares = ", ".join(f"{name} {percent(share)}" for name, share in (change.shares or {}).items())
    by = f"by {change.who}" if change.who else ""
    source = "" if change.source == "ledger" else f"from {change.source}"
    number = f"ledger entry {change.number}" if change.number is not None else ""
    return "; ".join(
        filter(None, [change_name(change), change.why if change.revision else "", shares, by, source, number])
    )


def _evidence(incident: Incident) -> Iterator[str]:
    rows = [
        (suspect.grade, change_name(suspect.change), iso(suspect.change.time), suspect.reason, suspect_numbers(suspect))
        for suspect in incident.suspects
    ]
    yield (
        _table(("grade", "change", "time (UTC)", "reason", "beside the others"), rows)
        if rows
        else ("No change that is known falls near the start.")
    )
    if incident.suspects:
        chance = max(suspect.coincidence for suspect in incident.suspects)
        yield _text(f"Some change falls that near to the start by chance in {percent(chance)} of all cases.")


def _end(incident: Incident, changes: Sequence[Change], record: IncidentRecord | None) -> Iterator[str]:
    ended = incident.onset.ended if incident.onset else None
    if ended is None:
        yield "The analysis shows no end." + (
            f" Users were well again at {iso(record.restored)}, as recorded." if record and record.restored else ""
        )
        return
    yield _text(f"It ended {_span(ended)}.")
    near = [
        change
        for change in changes
        if ended.first - ENDING <= change.time <= ended.last and _since_start(incident, change)
    ]
    if near:
        yield f"Changes within {_minutes(ENDING)} before the end; near in time is not a proof that one of them ended it:"
        yield "\n".join(f"- {iso(change.time)}: {_text(_change_text(change))}" for change in near[-10:])
    else:
        yield f"No change that is known was made within {_minutes(ENDING)} before the end: it ended by itself, or by a change that nobody reported."


def _since_start(incident: Incident, change: Change) -> bool:
    return incident.onset is not None and change.time > incident.onset.started.last


def _unknown(incident: Incident, record: IncidentRecord | None) -> Iterator[str]:
    onset = incident.onset
    if onset and onset.started.first != onset.started.last:
        yield f"The exact beginning: anywhere {_span(onset.started)}."
    if incident.answer != "a release of ours":
        yield f"The cause: {incident.answer}."
    if record is None:
        yield "When somebody noticed, and when users were well again: the incident is not recorded (pratique incident open)."
    else:
        yield from _unknown_of_record(record, onset)
    for suspect in incident.suspects:
        if suspect.lack and suspect.grade in {"fits", "alike in time", "cannot tell"}:
            yield f"Whether {change_name(suspect.change)} did it: {suspect.lack}."
    if incident.places and round(incident.places.rest) > 0:
        yield f"The place of {count(incident.places.rest)} bad requests, which no place explains."
    yield from incident.findings


def _unknown_of_record(record: IncidentRecord, onset: Onset | None) -> Iterator[str]:
    if onset and not onset.started.first <= record.began <= onset.started.last:
        yield f"Why the recorded beginning ({iso(record.began)}) is not among the possible starts that the requests show."
    if record.restored is None:
        yield "When users were well again: it is not recorded (pratique incident restored)."
    if not record.cause:
        yield "The cause, as people see it: it is not recorded (pratique incident cause)."


def _span(span: Span) -> str:
    if span.first == span.last:
        return f"at {iso(span.first)}"
    return f"between {iso(span.first)} and {iso(span.last)}"


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:,.0f} min"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head)]
    cells = [[_text(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *cells]) if cells else ""


def _text(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", short(text, LONGEST)))
