"""What the folders of runs say: acceptance tests, migrations, approvals; and whether anything drifted from what was set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pratique.ledger.history import ReleaseRecord
from pratique.maturity.collectors.records import link, links, others
from pratique.maturity.collectors.registered import collector
from pratique.maturity.collectors.run_folders import approvals_of, lines_of, run_folder
from pratique.maturity.evidence import Evidence, compared, share_of_known, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural

ACCEPTANCE = "acceptance test"
"""The key of the step in journals."""
MIGRATIONS = re.compile(r"(.*/)?(migrations?|alembic/versions|db/migrate)/.+", re.IGNORECASE)


def _accepted(sources: Sources, record: ReleaseRecord) -> Mapping[str, Any] | None:
    """What the acceptance test of a release ran; None where its journal does not tell."""
    folder = run_folder(sources, record.run or "")
    done = (
        [
            line.get("data")
            for line in lines_of(folder / "journal.jsonl")
            if line.get("step") == ACCEPTANCE and line.get("event") == "done"
        ]
        if folder
        else []
    )
    last = done[-1] if done else None
    return last if isinstance(last, dict) and "command" in last else None


@collector("runs.acceptance", "ledger", "runs")
def acceptance(sources: Sources, rule: Rule) -> Evidence:
    """How many releases ran an acceptance test."""
    told = [
        (record, ran) for record in sources.deployments(rule.days) if (ran := _accepted(sources, record)) is not None
    ]
    tested = [record for record, ran in told if ran.get("command") or ran.get("paths")]
    return compared(
        rule,
        len(tested),
        len(told),
        f"{len(tested)} of {plural(len(told), 'release')} ran an acceptance test",
        [link(sources, record) for record in tested],
    )


@collector("runs.full_acceptance", "ledger", "runs")
def full_acceptance(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases that a command accepted and no person approved."""
    found = sources.deployments(rule.days)
    told = [(record, ran) for record in found if (ran := _accepted(sources, record)) is not None]
    alone = [record for record, ran in told if ran.get("command") and not approvals_of(sources, record.run or "")]
    return share_of_known(
        rule,
        len(alone),
        len(found) - len(told),
        len(found),
        "releases were accepted by a command, without a person",
        links(sources, others([record for record, _ in told], alone) or alone),
    )


@collector("runs.migrations", "ledger", "runs", "repository")
def migrations(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases with changed migrations whose acceptance ran a command that applies or checks them."""
    pattern = re.compile(
        "|".join(f"(?:{one})" for one in sources.model.steps.get("migrate", ())) or r"(?!)", re.IGNORECASE
    )
    changed = _with_migrations(sources, rule)
    ran: list[ReleaseRecord] = []
    lost: list[ReleaseRecord] = []
    for record in changed:
        accepted = _accepted(sources, record)
        if accepted is None:
            lost.append(record)
            continue
        command = accepted.get("command")
        if isinstance(command, list) and (
            pattern.search(" ".join(map(str, command))) or "migrat" in " ".join(map(str, command)).casefold()
        ):
            ran.append(record)
    if not changed:
        return unknown("no release on record changed a migration")
    few = rule.model_copy(update={"of": min(rule.of, 2)})
    return share_of_known(
        few,
        len(ran),
        len(lost),
        len(changed),
        "releases that changed migrations ran them",
        links(sources, others(changed, ran) or ran),
    )


def _with_migrations(sources: Sources, rule: Rule) -> list[ReleaseRecord]:
    """The deployments of the window that changed a migration since the one before."""
    commits: dict[str, str] = {}
    before: dict[tuple[str, str | None], str] = {}
    for record in sources.deployed:
        before[record.service, record.run] = commits.get(record.service, "")
        commits[record.service] = sources.commit_of(record)
    found = sources.deployments(rule.days)
    pairs = [(before[record.service, record.run], sources.commit_of(record)) for record in found]
    changes = sources.git.changed_files(pairs)
    return [
        record
        for record, files in zip(found, changes, strict=True)
        if files and any(MIGRATIONS.fullmatch(path) for path in files)
    ]


@collector("runs.drift", "drift", "ledger")
def drift(sources: Sources, rule: Rule) -> Evidence:
    """Differences from what was set: those that this review sees, and those that earlier reviews in the window saw."""
    seen = [
        (f"ledger {entry.number}", entry.data["drift"])
        for entry in sources.entries_of("review", since=sources.start(rule.days))
        if isinstance(entry.data.get("drift"), int) and not isinstance(entry.data.get("drift"), bool)
    ]
    now = sources.differences
    if now is not None:
        seen.append(("now", len(now)))
    worst = max((number for _, number in seen), default=0)
    if now is None and rule.is_met_by(worst):
        # what cannot be examined now may differ, whatever earlier reviews saw
        return unknown(f"{', '.join(sources.unseen[:3]) or 'no running service'} could not be examined now")
    example = f", such as {now[0]}" if now else ""
    return compared(
        rule,
        worst,
        len(seen),
        f"{plural(len(seen), 'check')} of the services, at most {plural(worst, 'difference')}{example}",
        [where for where, number in seen if number],
    )
