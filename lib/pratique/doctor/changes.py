"""What changed since the run before, kept in the outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pratique.doctor.model import Examination, HostReport
from pratique.errors import UsageError
from pratique.outcomes import OutcomeRecord, Outcomes
from pratique.outcomes.model import JSON

KIND = "check"


def subject_of(host: str) -> str:
    """The subject of a host's records."""
    return f"host@{host}"


@dataclass(frozen=True)
class HostHistory:
    """The run before on a host. at: None when there was none. found: keys of its open findings. key: of its record.

    asked: ids of the checks that ran up to then; empty when that is not known.
    """

    at: datetime | None = None
    key: str = ""
    found: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    details: Mapping[str, JSON] = field(default_factory=dict)

    @classmethod
    def read(cls, outcomes: Outcomes, host: str, key: str = "") -> HostHistory:
        """Read the last run on a host, or the one with a key. Raises: UsageError when there is no such run on any host."""
        if not key:
            records = outcomes.read(KIND, subject_of(host), last=1)
            return cls.of(records[-1]) if records else cls()
        everywhere = outcomes.read(KIND, key=key)
        if not everywhere:
            raise UsageError(f"no earlier examination {key[:80]!r}: leave compare_with empty for the last one")
        records = [record for record in everywhere if record.subject == subject_of(host)]
        return cls.of(records[-1]) if records else cls()

    @classmethod
    def of(cls, record: OutcomeRecord) -> HostHistory:
        """Return what a record says."""
        return cls(record.at, record.key, _texts(record, "found"), _texts(record, "checks"), record.details)


def _texts(record: OutcomeRecord, name: str) -> frozenset[str]:
    found = record.details.get(name)
    return frozenset(map(str, found)) if isinstance(found, list) else frozenset()


def with_changes(report: HostReport, history: HostHistory) -> HostReport:
    """Return a report that says which findings are new, and which of the run before are gone.

    Anything not looked at now is neither: its findings of the run before may still be there. The first run of a check has
    nothing new.
    """
    asked = {result.check.id for result in report.results} | history.asked
    report = replace(report, asked=tuple(sorted(asked)))
    if history.at is None:
        return report
    results = tuple(
        replace(
            result,
            findings=tuple(
                replace(
                    one,
                    is_new=(not history.asked or one.check in history.asked)
                    and one.key not in history.found
                    and not one.accepted,
                )
                for one in result.findings
            ),
        )
        for result in report.results
    )
    now = {finding.key for result in report.results for finding in result.findings}
    whole = {result.check.id for result in report.results if not (result.reason or result.unlisted)}
    gone = sorted(key for key in history.found - now if check_of(key) in whole)
    return replace(
        report,
        results=results,
        gone=tuple(gone),
        compared_with=history.at,
        previous=history.key,
        carried=tuple(sorted(history.found - now - set(gone))),
    )


def check_of(key: str) -> str:
    """The id of the check in the key of a finding."""
    return key.partition(":")[0]


def records_of(examination: Examination, key: str) -> list[OutcomeRecord]:
    """Return a record for each host of an examination. key: of the run.

    Findings of the run before that could not be looked at again are carried on, so that they are not new next time.
    """
    return [_record(examination, report, key) for report in examination.hosts]


def _record(examination: Examination, report: HostReport, key: str) -> OutcomeRecord:
    open_findings = {finding.key for result in report.results for finding in result.open}
    unseen = [result.check.id for result in report.results if result.reason]
    details: dict[str, JSON] = {
        "found": sorted({*open_findings, *report.carried}),
        "not_looked_at": unseen,
        "checks": list(report.asked),
        "score": report.score,
        "looked_at": round(report.looked_at, 3),
        "space": dict(report.space),
    }
    outcome = "found" if open_findings else "not looked at" if unseen else "ok"
    return OutcomeRecord(
        examination.at,
        KIND,
        subject_of(report.name),
        key,
        outcome,
        host=report.name,
        duration_ms=examination.took_ms,
        details=details,
    )
