"""The context of a release: its plan, its arms, and its decision according to the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from pratique.judge.model import Verdict
from pratique.release import configuration_digest, find_release
from pratique.runbook.canary.approval import Approver, make_approver
from pratique.runbook.canary.measuring import CollectorWatch, Measuring, ScrapeWatch
from pratique.runbook.canary.traffic_split import Arms, arms_of, baseline_of
from pratique.runbook.common.context import Outcome
from pratique.runbook.common.steps import CHECK
from pratique.runbook.engine.step import Data
from pratique.runbook.release.parameters import ReleaseParameters
from pratique.runbook.service.context import ServiceContext
from pratique.runtime.base import Instance
from pratique.store import is_scraped, open_store

if TYPE_CHECKING:
    from pratique.runbook.canary.analysis import LiveAnalysis

START = "start the canary"
JOIN = "take into the pool"
ROLL_OUT = "roll out"
CONCLUDE = "conclude"
REPORT = "report"
"""Keys of the steps, in the journal and the ledger."""

OUTCOMES: dict[str, Outcome] = {"promote": "promoted", "rollback": "rolled back", "inconclusive": "inconclusive"}
EXIT_STATUSES = {"promote": 0, "rollback": 1, "inconclusive": 2}
AFTER_DEADLINE_MIN = 15.0
"""How much longer than the judge's deadline a run may take: to start, to drain, to wait for a person."""


@dataclass(frozen=True)
class ReleasePlan:
    """The result of the check: the baseline and its servers, and the canary's digests. Also the journal's format."""

    baseline: str
    addresses: tuple[str, ...]
    digest: str
    configuration: str


class ReleaseContext(ServiceContext[ReleaseParameters]):
    """Everything that the steps of a release share."""

    runbook = "release"

    def __init__(self, parameters: ReleaseParameters) -> None:
        """Read the service file and open what the release needs; nothing is written."""
        super().__init__(parameters)
        rollout = self.settings.rollout
        self.stages: tuple[float, ...] = parameters.stages or rollout.stages
        self.fresh: bool = (parameters.baseline or rollout.baseline) == "fresh"
        self.approver: Approver | None = None
        self.last_verdict: Verdict | None = None

    @property
    @override
    def identity(self) -> Data:
        return {**super().identity, "stages": list(self.stages), "fresh": self.fresh}

    @property
    @override
    def time_limit(self) -> timedelta:
        default_min = self.settings.judge.deadline_min + AFTER_DEADLINE_MIN
        return timedelta(minutes=self.parameters.deadline_min or default_min)

    @property
    @override
    def title(self) -> str:
        return f"release of {self.service} {self.revision}"

    def choose_approver(self) -> Approver:
        """Return who approves between stages. Raises: UsageError for an approval of an unknown stage."""
        mode = self.parameters.approval or self.settings.rollout.approval
        self.approver = make_approver(mode, self.parameters.approvals, self.stages, self.folder)
        return self.approver

    # -- known facts

    def make_plan(self) -> ReleasePlan:
        """Find the baseline and the canary's release.

        Raises: MissingError, UsageError, UnavailableError.
        """
        release = find_release(self.target, self.revision)
        pool = self.balancer.pool(self.service)
        baseline = baseline_of(pool, self.service, self.revision)
        addresses = pool.servers[baseline] if pool else ()
        return ReleasePlan(baseline, addresses, release.digest, configuration_digest(release))

    @property
    def plan(self) -> ReleasePlan:
        """The plan that the check made; before the check, a new one."""
        data = self.journal.data(CHECK)
        if not data:
            return self.make_plan()
        return ReleasePlan(**{**data, "addresses": tuple(data["addresses"])})

    @property
    @override
    def revision(self) -> str:
        return self.parameters.revision

    @property
    def arms(self) -> Arms:
        """The revisions of this rollout."""
        return arms_of(self.plan.baseline, self.revision, fresh=self.fresh)

    @property
    def decision(self) -> str | None:
        """The rollout's decision; None before it."""
        return self.journal.data(ROLL_OUT).get("decision")

    @property
    @override
    def outcome(self) -> Outcome:
        concluded = self.journal.state(CONCLUDE) == "done"
        return OUTCOMES.get(self.decision or "", "failed") if concluded else "failed"

    @property
    @override
    def reason(self) -> str:
        return str(self.journal.data(ROLL_OUT).get("reason", ""))

    @property
    @override
    def exit_status(self) -> int:
        return EXIT_STATUSES[self.decision or "inconclusive"]

    @property
    @override
    def winner(self) -> str:
        return self.revision if self.decision == "promote" else self.plan.baseline

    @property
    @override
    def result(self) -> Data:
        report = self.journal.data(REPORT)
        return {
            "verdict": self.decision,
            "baseline": self.journal.last_done(CHECK).get("baseline"),
            "report": report.get("html"),
            "report_json": report.get("json"),
            "report_sha256": report.get("sha256"),
        }

    @override
    def new_instances(self) -> list[Instance]:
        return [instance for instance in self.own_instances() if instance.role == "canary"]

    @override
    def bound_to(self, revision: str) -> dict[str, str] | None:
        """Return the digests of the ledger, or of this run's plan for a canary that never ran."""
        planned = bool(self.journal.data(CHECK)) and revision == self.revision
        plan = {"digest": self.plan.digest, "configuration": self.plan.configuration} if planned else None
        return super().bound_to(revision) or plan

    def servers(self) -> dict[str, tuple[str, ...]]:
        """Return the pool's servers during the rollout: the baseline's, and all that this run has started."""
        arms = self.arms
        # the canary last: a user drawn for it stays with it when its share rises, with or without a fresh baseline
        servers: dict[str, tuple[str, ...]] = dict.fromkeys((arms.baseline, arms.compared, arms.canary), ())
        servers[arms.baseline] = self.plan.addresses
        for instance in self.own_instances():
            name = arms.canary if instance.role == "canary" else arms.compared
            servers[name] = (*servers[name], instance.address)
        return {name: found for name, found in servers.items() if found}

    def analysis(self, since: datetime) -> LiveAnalysis:
        """Return the judge of this rollout, over the store's data from `since` on."""
        from pratique.runbook.canary.analysis import LiveAnalysis  # noqa: PLC0415 - numpy, for a run that is not refused

        # a read that lasts longer than the lease would take the traffic from the canary
        longest_s = max(1.0, min(self.config.store.timeout_s, self.target.settings.rollout.lease_s / 2))
        server = self.config.store.prometheus
        server = server.model_copy(update={"timeout_s": min(server.timeout_s, longest_s)})
        store = open_store(self.config.store.model_copy(update={"timeout_s": longest_s, "prometheus": server}))
        if is_scraped(store):
            measuring: Measuring = ScrapeWatch(store.newest, window_s=self.config.store.mapping.window_s)
        else:
            measuring = CollectorWatch(self.target.state_dir)
        return LiveAnalysis(self.target, self.arms, self.ledger, store, measuring, since=since)
