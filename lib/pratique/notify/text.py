"""The text of a message: one event in full, or several in what fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pratique.clock import iso
from pratique.config.notify import Risk
from pratique.notify.event import RISKS, Event

LONGEST_TITLE = 150
LONGEST_BODY = 3000
"""Characters: less than every common service takes in one message."""
LINES_SHOWN = (10, 3, 1, 0)
"""How many of the last lines each event keeps, tried in this order until all fit."""
MAYBE_AGAIN = (
    "This text may have come before: the process that sent it ended, or the receiver did not answer, "
    "before that was noted."
)


@dataclass(frozen=True)
class Message:
    """One text. risk: the greatest of its events."""

    title: str
    body: str
    risk: Risk


def message_of(events: Sequence[Event], *, again: bool = False, longest: int = LONGEST_BODY) -> Message:
    """Return the text of one or more events. again: whether the receiver may have got some of them before."""
    ordered = sorted(events, key=lambda event: -RISKS.index(event.risk))
    first = ordered[0]
    note = [MAYBE_AGAIN] if again else []
    if len(ordered) == 1:
        title = f"[{first.risk}] {first.subject}: {first.what}"
        bodies: Iterator[str] = ("\n".join([*_lines(first, shown), *note]) for shown in LINES_SHOWN)
    else:
        title = f"[{first.risk}] {len(ordered)} notifications: {_counts(ordered)}"
        bodies = _bodies(ordered, note, longest)
    return Message(_cut(title, LONGEST_TITLE), _cut(_first_that_fits(bodies, longest), longest), first.risk)


def _bodies(events: Sequence[Event], note: Sequence[str], longest: int) -> Iterator[str]:
    head = [f"{len(events)} notifications: {_counts(events)}.", *note, ""]
    for shown in LINES_SHOWN:
        # a hundred blocks without any line are too long already
        if len(events) <= 100:
            yield "\n".join([*head, *(line for event in events for line in [*_lines(event, shown), ""])]).rstrip()
    room = longest - len("\n".join(head)) - 100
    rows = []
    for event in events:
        row = _row(event)
        room -= len(row) + 1
        if room < 0:
            break
        rows.append(row)
    left = events[len(rows) :]
    more = [f"and {len(left)} more: {_counts(left)}"] if left else []
    yield "\n".join([*head, *rows, *more])


def _lines(event: Event, shown: int) -> list[str]:
    since = iso(event.since) if event.since else ""
    parts = {
        "What": f"{event.kind} of {event.subject}, risk {event.risk}",
        "Where": event.where,
        "Since": since,
        "Next": event.command,
        "Report": event.report,
    }
    last = [f"  {line}" for line in event.last_lines[-shown:]] if shown else []
    return [
        event.what,
        *(f"{name}: {text}" for name, text in parts.items() if text),
        *(["Last lines:", *last] if last else []),
    ]


def _row(event: Event) -> str:
    since = f" since {iso(event.since)}" if event.since else ""
    where = f" on {event.where}" if event.where else ""
    rest = "".join(f"; {name}: {text}" for name, text in (("next", event.command), ("report", event.report)) if text)
    return f"- [{event.risk}] {event.subject}: {event.what}{where}{since}{rest}"


def _counts(events: Iterable[Event]) -> str:
    counted = Counter(event.kind for event in events).most_common()
    shown = [f"{number} {kind}" for kind, number in counted[:5]]
    return ", ".join([*shown, f"{sum(number for _, number in counted[5:])} others"] if counted[5:] else shown)


def _first_that_fits(bodies: Iterable[str], longest: int) -> str:
    body = ""
    for body in bodies:
        if len(body) <= longest:
            break
    return body


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
