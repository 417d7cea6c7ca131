"""Earlier reviews and reports, which the ledger recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pratique.ledger.entry import Entry
from pratique.maturity.collectors.records import NO_RELEASE, links, others
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural


@collector("ledger.reviews", "ledger")
def reviews(sources: Sources, rule: Rule) -> Evidence:
    """How many reviews were made in the window."""
    found = [
        entry
        for entry in sources.entries_of("review", since=sources.start(rule.days))
        if isinstance(entry.data.get("items"), Mapping)
    ]
    days = {entry.time.date() for entry in found}
    return compared(
        rule,
        len(days),
        max(rule.of, len(days)),
        f"reviews on {plural(len(days), 'day')} since {sources.start(rule.days):%Y-%m-%d}",
        [f"ledger {entry.number}" for entry in found],
    )


@collector("ledger.steps_taken", "ledger")
def steps_taken(sources: Sources, rule: Rule) -> Evidence:
    """How many next steps of an earlier review were met in a later one."""
    taken = _taken(sources, rule)
    number = len(sources.entries_of("review", since=sources.start(rule.days)))
    if number < 2:
        return unknown(f"{plural(number, 'review')} on record: two are needed to compare")
    steps = sorted({item for _, items in taken for item in items})
    named = f": {', '.join(steps[:3])}" if steps else ""
    return compared(
        rule,
        len(steps),
        number,
        f"{plural(len(steps), 'next step')} of an earlier review taken{named}",
        [f"ledger {entry.number}" for entry, items in taken if items],
    )


@collector("ledger.reviews_with_steps", "ledger")
def reviews_with_steps(sources: Sources, rule: Rule) -> Evidence:
    """How many reviews found a next step of the review before taken."""
    taken = [(entry, items) for entry, items in _taken(sources, rule) if items]
    number = len(sources.entries_of("review", since=sources.start(rule.days)))
    few = rule.model_copy(update={"of": 1})
    return compared(
        few,
        len(taken),
        number,
        f"{len(taken)} of {plural(number, 'review')} since {sources.start(rule.days):%Y-%m-%d} found that a next step was taken",
        [f"ledger {entry.number}" for entry, _ in taken],
    )


def _taken(sources: Sources, rule: Rule) -> list[tuple[Entry, set[str]]]:
    """Each review with the next steps of the one before that it found met."""
    found = []
    before: set[str] = set()
    for entry in sources.entries_of("review", since=sources.start(rule.days)):
        items = entry.data.get("items")
        states = (
            {name: one.get("state") for name, one in items.items() if isinstance(one, Mapping)}
            if isinstance(items, Mapping)
            else {}
        )
        found.append((entry, {item for item in before if states.get(item) == "met"}))
        steps = entry.data.get("next_steps")
        before = {str(step) for step in steps} if isinstance(steps, list) else set()
    return found


def _written(sources: Sources, start: datetime) -> list[Entry]:
    """The reports that tell their file."""
    return [entry for entry in sources.entries_of("report", since=start) if isinstance(entry.data.get("html"), str)]


@collector("ledger.reports", "ledger")
def reports(sources: Sources, rule: Rule) -> Evidence:
    """How many reports were written in the window."""
    found = _written(sources, sources.start(rule.days))
    if not found and not sources.releases:
        return unknown(NO_RELEASE)
    return compared(
        rule,
        len(found),
        max(rule.of, len(found)),
        f"{plural(len(found), 'report')} since {sources.start(rule.days):%Y-%m-%d}",
        [f"ledger {entry.number}" for entry in found[-3:]],
    )


@collector("ledger.report_weeks", "ledger")
def report_weeks(sources: Sources, rule: Rule) -> Evidence:
    """The share of weeks with a report."""
    start = sources.start(rule.days)
    weeks = int((sources.now - start) / timedelta(days=7))
    found = _written(sources, start)
    if not found and not sources.releases:
        return unknown(NO_RELEASE)
    told = {week for entry in found if 0 <= (week := (sources.now - entry.time) // timedelta(days=7)) < weeks}
    return share(rule, len(told), weeks, "weeks have a report", [f"ledger {entry.number}" for entry in found[-3:]])


@collector("ledger.reports_kept", "ledger")
def reports_kept(sources: Sources, rule: Rule) -> Evidence:
    """The share of the latest promoted releases whose report can be opened."""
    latest = sources.deployments(rule.days, rule.last)
    kept = [record for record in latest if record.report and _opens(Path(str(record.report)))]
    return share(
        rule,
        len(kept),
        len(latest),
        "latest promoted releases have a report that opens",
        links(sources, others(latest, kept) or kept),
    )


def _opens(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"<html" in file.read(1000).lower()
    except (OSError, ValueError):
        return False
