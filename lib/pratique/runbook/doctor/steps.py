"""The steps of an examination, in order. None changes a host, so none has anything to undo.

    step         what it does
    -----------  ------------------------------------------------------------------
    Examine      read every host at the same time, and run the checks
    Keep         keep the result of each host, and notify of new findings
    Record       write the ledger's last entry and result.json

A run that is resumed examines again: the result from before its process died is old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from pratique.doctor.examine import checks_of, hosts_of
from pratique.doctor.facts.model import host_name
from pratique.doctor.text import score_line
from pratique.number_text import plural
from pratique.runbook.common.steps import Record, RunStep
from pratique.runbook.doctor.context import EXAMINE, KEEP, DoctorContext
from pratique.runbook.doctor.examination import examine_hosts, record_examination
from pratique.runbook.engine.step import Attempt, Data, Step


class Examine(RunStep[DoctorContext]):
    """Read every host at the same time, and run the checks."""

    key = EXAMINE
    title = "Examine"
    description = "read every host, and run the checks"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context, given = self._context, self._context.parameters
        context.outbox.record(context.entry_kind, {"event": "started", "runbook": context.runbook})
        found = examine_hosts(
            context.config,
            hosts=given.hosts,
            only=given.only,
            skip=given.skip,
            fail_on=given.risk,
            compare_with=given.compare_with,
        )
        context.examination = replace(found, run=context.run_id)
        for host in found.hosts:
            attempt.say(score_line(host))
        scores = {host.name: host.score for host in found.hosts}
        return {"summary": found.sentence, "exit_status": found.exit_status, "scores": scores}

    @override
    def effects(self) -> Sequence[str]:
        config, given = self._context.config, self._context.parameters
        checks = checks_of(config, given.only, given.skip)
        return [f"read {host_name(host)}: {plural(len(checks), 'check')}" for host in hosts_of(config, given.hosts)]

    @override
    def holds(self, data: Data) -> bool:
        return self._context.examination is not None


class Keep(RunStep[DoctorContext]):
    """Keep the result of each host, and notify of new findings."""

    key = KEEP
    title = "Keep"
    description = "keep the result of each host, and notify of new findings"

    @override
    def do(self, attempt: Attempt) -> Data:
        context = self._context
        number = record_examination(context.config, context.found, context.run_id)
        attempt.say(plural(number, "new finding"))
        return {"new": number}

    @override
    def effects(self) -> Sequence[str]:
        return [f"write {self._context.state_dir / 'outcomes.sqlite'}", "notify of new findings"]


def steps_of(context: DoctorContext) -> list[Step]:
    """Return the steps of an examination, in order."""
    return [Examine(context), Keep(context), Record(context)]
