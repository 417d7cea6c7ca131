"""What the ledger recorded of releases: how many, of which commit, and whether they were measured. What older entries lack is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pratique.ledger.entry import Entry
from pratique.ledger.history import ReleaseRecord
from pratique.maturity.collectors.records import NO_RELEASE, commit_waits, incidents, links, others
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural

TOGETHER = timedelta(hours=1)
"""Releases of two services within this time count as released together."""


@collector("ledger.releases", "ledger")
def releases(sources: Sources, rule: Rule) -> Evidence:
    """Promoted releases in the window."""
    found = sources.deployments(rule.days)
    return compared(
        rule,
        len(found),
        len(found),
        f"{plural(len(found), 'release')} promoted since {sources.start(rule.days):%Y-%m-%d}",
        links(sources, found[-3:]),
    )


@collector("ledger.deployments", "ledger")
def deployments(sources: Sources, rule: Rule) -> Evidence:
    """Promoted releases on record, which is what delivery metrics are measured from."""
    found = sources.deployments(rule.days)
    if not sources.releases:
        return unknown(NO_RELEASE)
    return compared(
        rule,
        len(found),
        max(rule.of, len(found)),
        f"{plural(len(found), 'deployment')} on record since {sources.start(rule.days):%Y-%m-%d}",
        links(sources, found[-3:]),
    )


@collector("ledger.commits", "ledger")
def commits(sources: Sources, rule: Rule) -> Evidence:
    """The share of promoted releases whose commit is recorded."""
    found = sources.deployments(rule.days)
    known = [record for record in found if sources.commit_of(record)]
    return share(
        rule,
        len(known),
        len(found),
        "promoted releases record their commit",
        links(sources, others(found, known) or known),
    )


@collector("ledger.lead_time", "ledger", "repository")
def lead_time(sources: Sources, rule: Rule) -> Evidence:
    """The share of deployments whose lead time is known: the commit is recorded, and git knows it."""
    if sources.git.is_shallow:
        return unknown("the clone is shallow: its history is cut off; fetch it with `git fetch --unshallow`")
    found = sources.deployments(rule.days)
    waits = commit_waits(sources, found)
    known = [record for record in found if (record.service, record.run) in waits]
    return share(
        rule,
        len(known),
        len(found),
        "deployments have a commit that git knows, so their lead time is known",
        links(sources, others(found, known) or known),
    )


@collector("ledger.coverage", "ledger", "store")
def coverage(sources: Sources, rule: Rule) -> Evidence:
    """The share of revisions with traffic that were put in place by a run."""
    store = sources.store
    if store is None:
        return unknown("the store has no requests, or cannot be read")
    wanted = set(sources.services)
    seen = [
        one
        for one in store.revisions(None, sources.start(rule.days), sources.now)
        if not wanted or one.service in wanted
    ]
    released: set[tuple[str, str | None]] = set()
    services: set[str] = set()
    for entry in sources.entries_of("release"):
        # only the first revision of a service cannot come by a run; a later `pratique up` is a way around it
        if entry.run or entry.service not in services:
            released.add((entry.service, entry.revision))
        services.add(entry.service)
    by_run = [one for one in seen if (one.service, one.revision) in released]
    around = [f"{one.service} {one.revision}" for one in seen if one not in by_run]
    what = f"revisions with traffic were put in place by a run{': not ' + ', '.join(around[:3]) if around else ''}"
    return share(rule, len(by_run), len(seen), what)


@collector("ledger.independence", "ledger")
def independence(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases without a release of another service within an hour."""
    found = sources.deployments(rule.days)
    services = {record.service for record in found}
    if len(services) < 2:
        return unknown(f"releases of {plural(len(services), 'service')} are on record: two are needed to compare")
    ordered = sorted(found, key=lambda record: record.start)
    together = [*_after_others(ordered), *_after_others(ordered[::-1])]
    alone = others(found, together)
    return share(
        rule,
        len(alone),
        len(found),
        "releases were made without another service within an hour",
        links(sources, others(found, alone)),
    )


def _after_others(ordered: Sequence[ReleaseRecord]) -> Iterator[ReleaseRecord]:
    """The releases that come within an hour of one of another service before them. ordered: by their start, in either direction."""
    latest: dict[str, datetime] = {}
    for record in ordered:
        if any(abs(record.start - time) < TOGETHER for service, time in latest.items() if service != record.service):
            yield record
        latest[record.service] = record.start


@collector("ledger.verdicts", "ledger")
def verdicts(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases in which a guard of latency was evaluated."""
    by_run: dict[str, list[Entry]] = {}
    for entry in sources.entries_of("verdict"):
        by_run.setdefault(entry.run or "", []).append(entry)
    found = sources.deployments(rule.days)
    told = [record for record in found if any(_guards(entry) for entry in by_run.get(record.run or "", ()))]
    timed = [record for record in told if any(_has_latency(entry) for entry in by_run[record.run or ""])]
    if found and not told:
        return unknown("the ledger's verdicts do not record their guards")
    return share(
        rule,
        len(timed),
        len(told),
        "releases were judged by their latency",
        links(sources, others(told, timed) or timed),
    )


def _guards(entry: Entry) -> Sequence[Mapping[str, object]]:
    """The guards of a verdict, as a list of tables or a table by name."""
    given = entry.data.get("guards")
    if isinstance(given, Mapping):
        given = [{"guard": name, **(value if isinstance(value, Mapping) else {})} for name, value in given.items()]
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _has_latency(entry: Entry) -> bool:
    return any(
        re.fullmatch(r"p[0-9.]+", str(guard.get("outcome") or guard.get("guard") or "")) and _is_evaluated(guard)
        for guard in _guards(entry)
    )


def _is_evaluated(guard: Mapping[str, object]) -> bool:
    """Whether a guard was evaluated: by its state, or else by the requests that it was judged from."""
    if "state" in guard:
        return guard["state"] != "not evaluated"
    requests = guard.get("requests")
    return isinstance(requests, Mapping) and any(isinstance(n, int) and n > 0 for n in requests.values())


@collector("ledger.joins", "ledger")
def joins(sources: Sources, rule: Rule) -> Evidence:
    """The share of deployments for which commit, digest, run, requests and incidents are connected; the weakest connection is named."""
    found = sources.deployments(rule.days)
    store = sources.store
    if store is None:
        return unknown("the store has no requests, or cannot be read, so deployments cannot be linked to requests")
    seen = {(one.service, one.revision) for one in store.revisions(None, sources.start(rule.days), sources.now)}
    connected = bool(incidents(sources))
    parts = {
        "commit": [record for record in found if sources.commit_of(record)],
        "digest": [record for record in found if record.digest],
        "run": [record for record in found if record.run],
        "requests": [record for record in found if (record.service, record.revision) in seen],
        "incidents": found if connected else [],
    }
    weakest = min(parts, key=lambda name: len(parts[name]))
    lacking = {id(record) for part in parts.values() for record in others(found, part)}
    whole = [record for record in found if id(record) not in lacking]
    return share(
        rule,
        len(whole),
        len(found),
        f"deployments are linked to commit, digest, run, requests and incidents; the weakest link is {weakest} with {len(parts[weakest])}",
        links(sources, others(found, whole)),
    )
