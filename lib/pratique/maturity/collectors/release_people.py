"""Who releases: people, the team, a pipeline, and who approves."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from pratique.maturity.collectors.records import commit_waits, committers, is_pipeline, links, others
from pratique.maturity.collectors.registered import collector
from pratique.maturity.collectors.run_folders import approvals_of
from pratique.maturity.evidence import Evidence, compared, share, share_of_known, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural


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
    waits = list(commit_waits(sources, found).values())
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
