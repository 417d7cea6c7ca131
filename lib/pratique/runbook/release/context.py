"""What all steps of a release share: what was asked, the parts, and what is known so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pratique.judge.model import Verdict
from pratique.release import configuration_digest, find_release
from pratique.runbook.canary.analysis import Watch
from pratique.runbook.canary.approval import Approver, make_approver
from pratique.runbook.canary.traffic_split import Arms, arms_of, baseline_of
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.service.context import CHECK, Outcome, Surroundings
from pratique.runbook.service.parameters import ReleaseAsked
from pratique.runtime.base import Instance
from pratique.store import open_store

START = "start the canary"
JOIN = "take into the pool"
ROLL_OUT = "roll out"
CONCLUDE = "conclude"
REPORT = "report"

OUTCOMES: dict[str, Outcome] = {"promote": "promoted", "rollback": "rolled back", "inconclusive": "inconclusive"}
AFTER_DEADLINE_MIN = 15.0
"""What a run may take beyond the judge's deadline: to start, to drain, to be asked of a person."""


@dataclass(frozen=True)
class Found:
    """What the check found: the baseline and its servers, and what the canary is."""

    baseline: str
    addresses: tuple[str, ...]
    digest: str
    configuration: str


class Context(Surroundings):
    """A release's surroundings."""

    runbook = "release"

    def __init__(self, asked: ReleaseAsked) -> None:
        """Read the service file and name the parts; nothing is written."""
        super().__init__(asked)
        self.wanted = asked
        rollout = self.settings.rollout
        self.stages: tuple[float, ...] = asked.stages or rollout.stages
        self.fresh: bool = (asked.baseline or rollout.baseline) == "fresh"
        self.approver: Approver | None = None
        self.last: Verdict | None = None

    def steps(self) -> dict[str, Step]:
        """All steps of a release."""
        from pratique.runbook.release.steps import steps_of  # noqa: PLC0415 - the steps know this class

        return steps_of(self)

    @property
    def identity(self) -> Data:
        """What the run is of: the stages too."""
        return {**super().identity, "stages": list(self.stages), "fresh": self.fresh}

    @property
    def time_limit(self) -> timedelta:
        """The judge's deadline and some more, unless another one was asked for."""
        return timedelta(minutes=self.wanted.deadline_min or self.settings.judge.deadline_min + AFTER_DEADLINE_MIN)

    @property
    def title(self) -> str:
        """What it is."""
        return f"the release of {self.service} {self.asked.revision}"

    def choose_approver(self) -> Approver:
        """Who approves between stages.

        Raises: UsageError when there would be nobody to ask.
        """
        mode = self.wanted.approval or self.settings.rollout.approval
        self.approver = make_approver(mode, self.wanted.approvals, self.stages)
        return self.approver

    # -- what is known

    def look(self) -> Found:
        """Find the baseline and the canary's release.

        Raises: MissingError, UsageError, UnavailableError.
        """
        release = find_release(self.target, self.asked.revision)
        pool = self.balancer.pool(self.service)
        baseline = baseline_of(pool, self.service, self.asked.revision)
        addresses = pool.servers[baseline] if pool else ()
        return Found(baseline, addresses, release.digest, configuration_digest(release))

    @property
    def found(self) -> Found:
        """What the check found, then."""
        data = self.run.journal.data(CHECK)
        if not data:
            return self.look()
        return Found(**{**data, "addresses": tuple(data["addresses"])})

    @property
    def revision(self) -> str:
        """The canary."""
        return self.asked.revision

    @property
    def arms(self) -> Arms:
        """The revisions of this rollout."""
        return arms_of(self.found.baseline, self.asked.revision, fresh=self.fresh)

    @property
    def decision(self) -> str | None:
        """What the rollout came to; None before."""
        return self.run.journal.data(ROLL_OUT).get("decision")

    @property
    def concluded(self) -> bool:
        """Whether the decision was carried out."""
        return self.run.journal.state(CONCLUDE) == "done"

    @property
    def outcome(self) -> Outcome:
        """The outcome as the ledger has it: "failed" until the decision was carried out."""
        return OUTCOMES.get(self.decision or "", "failed") if self.concluded else "failed"

    @property
    def winner(self) -> str:
        """The canary when it is promoted, else the baseline."""
        return self.asked.revision if self.decision == "promote" else self.found.baseline

    @property
    def result(self) -> Data:
        """Verdict, baseline and report."""
        report = self.run.journal.data(REPORT)
        return {
            "verdict": self.decision,
            "baseline": self.run.journal.last_done(CHECK).get("baseline"),
            "report": report.get("html"),
            "report_json": report.get("json"),
            "report_sha256": report.get("sha256"),
        }

    def newcomers(self) -> list[Instance]:
        """The canary's instances."""
        return [instance for instance in self.mine() if instance.role == "canary"]

    def watch(self, since: datetime) -> Watch:
        """The judge over what the store has from `since` on."""
        return Watch(self.target, self.arms, self.run.ledger, open_store(self.config.store), since=since)
