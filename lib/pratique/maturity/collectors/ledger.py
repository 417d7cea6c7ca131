"""What the ledger recorded of releases, reviews, reports and incidents. Entries of older versions lack fields: those are unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from pratique.delivery.deployments import Record
from pratique.delivery.metrics import Failure, failures_of
from pratique.ledger.entry import Entry
from pratique.ledger.history import ReleaseRecord
from pratique.ledger.incidents import IncidentRecord, incidents_of
from pratique.maturity.collectors.registered import collector
from pratique.maturity.collectors.run_folders import approvals_of
from pratique.maturity.evidence import Evidence, compared, share, share_of_known, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural

NO_RELEASE = "no release is recorded"
TOGETHER = timedelta(hours=1)
"""Releases of two services within this time count as released together."""


def link(sources: Sources, record: ReleaseRecord) -> str:
    """Return a release as a link of evidence."""
    return f"ledger {sources.started(record).number}"


def links(sources: Sources, records: Sequence[ReleaseRecord]) -> list[str]:
    """Return releases as links of evidence."""
    return [link(sources, record) for record in records]


def others(found: Sequence[ReleaseRecord], known: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """Return the releases that are not among those known, in their order."""
    runs = {(record.service, record.run) for record in known}
    return [record for record in found if (record.service, record.run) not in runs]


def is_pipeline(sources: Sources, who: str) -> bool:
    """Return whether a user of the ledger is a pipeline, by the pattern of the model."""
    return bool(re.search(sources.model.pipeline_users, who, re.IGNORECASE))


def committers(sources: Sources) -> set[str]:
    """Return every name by which the committers of a year are known: name, address and its part before the @."""
    repository = sources.repository
    if repository is None:
        return set()
    known = [one for one in repository.commits if one.time >= sources.now - timedelta(days=365)]
    return {
        name
        for one in known
        for name in (one.author, one.author.partition("@")[0].rpartition("+")[2], one.name)
        if name
    }


def incidents(sources: Sources) -> list[IncidentRecord]:
    """Return the incidents of the ledger."""
    return incidents_of(sources.entries_of("incident"))


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


@collector("ledger.people", "ledger")
def people(sources: Sources, rule: Rule) -> Evidence:
    """How many people released or went back."""
    start = sources.start(rule.days)
    runs = [record for record in (*sources.releases, *sources.rollbacks) if record.start >= start]
    found = {record.who for record in runs if not is_pipeline(sources, record.who)}
    return compared(
        rule,
        len(found),
        len(runs),
        f"{plural(len(found), 'person', 'people')} in {plural(len(runs), 'release')} and rollbacks",
    )


@collector("ledger.team", "ledger", "repository")
def team(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases by committers or their pipeline."""
    known = committers(sources)
    found = sources.deployments(rule.days)
    own = [record for record in found if record.who.casefold() in known or is_pipeline(sources, record.who)]
    return share(
        rule,
        len(own),
        len(found),
        "releases were made by committers or their pipeline",
        links(sources, others(found, own) or own),
    )


@collector("ledger.pipeline", "ledger")
def by_pipeline(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases by a pipeline."""
    found = sources.deployments(rule.days)
    own = [record for record in found if is_pipeline(sources, record.who)]
    return share(rule, len(own), len(found), "releases were started by a pipeline", links(sources, own))


@collector("ledger.zero_touch", "ledger", "repository", "runs")
def zero_touch(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases by a pipeline without approval, if the median commit waits a day at most."""
    found = sources.deployments(rule.days)
    waits = list(_waits(sources, found).values())
    own = [record for record in found if is_pipeline(sources, record.who)]
    approved = {record.run: approvals_of(sources, record.run or "") for record in own}
    alone = [record for record in own if approved[record.run] == set()]
    lost = [record for record in own if approved[record.run] is None]
    if found and len(waits) < min(rule.of, len(found)):
        return unknown(f"the commits of {len(found) - len(waits)} of {len(found)} releases are not known")
    days = median(waits) if waits else 0.0
    wait = (
        f"; but the median commit waits {days:.1f} days" if days > 1 else f"; the median commit waits {days * 24:.1f} h"
    )
    what = f"releases needed no person{wait if waits else ''}"
    result = share_of_known(rule, len(alone), len(lost), len(found), what, links(sources, alone))
    return replace(result, state="not met", value=0.0) if days > 1 and result.state == "met" else result


def _waits(sources: Sources, found: Sequence[ReleaseRecord]) -> dict[tuple[str, str | None], float]:
    """Days from the commit of a release to its start, by service and run, of those releases whose commit git knows."""
    if sources.repository is None:
        return {}
    times = sources.repository.commit_times([sources.commit_of(record) for record in found])
    return {
        (record.service, record.run): max(0.0, (record.start - made).total_seconds() / 86400)
        for record in found
        if (made := times.get(sources.commit_of(record))) is not None
    }


@collector("ledger.approvals", "ledger", "runs")
def approvals(sources: Sources, rule: Rule) -> Evidence:
    """How many releases were approved by committers."""
    known = committers(sources)
    found = [
        (record, names)
        for record in sources.deployments(rule.days)
        if (names := approvals_of(sources, record.run or ""))
    ]
    own = [record for record, names in found if {name.casefold() for name in names} <= known]
    return compared(
        rule,
        len(own),
        len(found),
        f"{len(own)} of {plural(len(found), 'approval')} by committers",
        links(sources, own),
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
    waits = _waits(sources, found)
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


@collector("ledger.rework", "ledger")
def rework(sources: Sources, rule: Rule) -> Evidence:
    """The share of failed deployments that the next release mended, and no rollback. Drills do not count."""
    start = sources.start(rule.days)
    known = incidents(sources)
    forward: list[bool] = []
    for service, record in sources.deliveries.items():
        own = [incident for incident in known if incident.service == service]
        forward += [
            _is_mended_forward(record, failure)
            for failure in failures_of(record, own)
            if start <= failure.deployment.time <= sources.now
        ]
    return share(
        rule, sum(forward), len(forward), f"failed deployments since {start:%Y-%m-%d} were fixed by the next release"
    )


def _is_mended_forward(record: Record, failure: Failure) -> bool:
    """Whether a later release, and no rollback, took a failed deployment out and names one of its incidents."""
    return failure.rolled_back is None and any(
        later.incident in failure.incidents
        and later.revision != failure.deployment.revision
        and later.time > failure.deployment.time
        for later in (*record.deployments, *record.redeployments)
    )


@collector("ledger.rollbacks", "ledger")
def rollbacks(sources: Sources, rule: Rule) -> Evidence:
    """How many rollbacks went back, drills too."""
    found = [
        record
        for record in sources.rollbacks
        if record.outcome in ("reverted", "promoted") and record.start >= sources.start(rule.days)
    ]
    return compared(
        rule,
        len(found),
        max(rule.of, len(found)),
        f"{plural(len(found), 'rollback')} since {sources.start(rule.days):%Y-%m-%d}",
        links(sources, found),
    )


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


@collector("incidents.connected", "ledger", presence=True)
def incidents_connected(sources: Sources, rule: Rule) -> Evidence:
    """Whether incidents are recorded at all."""
    found = incidents(sources)
    if not found:
        return unknown("no incident is recorded: perhaps nobody records incidents")
    return compared(
        rule.model_copy(update={"of": 1}),
        len(found),
        len(found),
        f"{plural(len(found), 'incident')} recorded, the latest of {_latest(found):%Y-%m-%d}",
        [f"ledger {one.number}" for one in found[-3:]],
    )


def _latest(found: Sequence[IncidentRecord]) -> datetime:
    return max(one.began for one in found)


@collector("incidents.people", "ledger", "repository")
def incident_people(sources: Sources, rule: Rule) -> Evidence:
    """How many committers recorded incidents or took part in them by a release or rollback."""
    known = committers(sources)
    entries = sources.entries_of("incident", since=sources.start(rule.days))
    found = {entry.who.casefold() for entry in entries} & known
    return compared(
        rule.model_copy(update={"of": 1}),
        len(found),
        len(entries),
        f"{plural(len(found), 'committer')} among those who recorded {plural(len(entries), 'entry', 'entries')} on incidents",
    )
