"""Going back to an earlier release as the notebook runs it: open it, then one call a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from pratique.errors import MissingError, UnavailableError, UsageError
from pratique.runbook.canary.traffic_split import percents
from pratique.runbook.engine.run import say
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.rollback.candidates import Earlier, before, earlier_of, served_of
from pratique.runbook.service.context import ACCEPT, CHECK, Outcome, Surroundings
from pratique.runbook.service.parameters import Asked, checked_common, refuse_unknown
from pratique.runbook.service.session import Session
from pratique.runtime.base import Instance

START = "start it"
JOIN = "take it into the pool"
SHIFT = "shift the traffic"
RETIRE = "stop the others"

Weights = Sequence[tuple[datetime, dict[str, float]]]
LIMIT_MIN = 30.0
"""For the whole run: what has to be started and drained is known to work."""
AT_ONCE_S = 2.0
"""How long an instance that was left running may take to answer; one that does not is replaced."""
BALANCER_S = 30.0
"""What a going back may take of the balancer's time."""


@dataclass(frozen=True)
class Back:
    """What the check found: from where to where, and the pool as it was."""

    current: str
    target: str
    digest: str
    servers: dict[str, list[str]]
    weights: dict[str, float]


class RollbackContext(Surroundings):
    """A going back's surroundings."""

    runbook = "rollback"
    finishing = (RETIRE,)

    def steps(self) -> dict[str, Step]:
        """All steps of a going back."""
        from pratique.runbook.rollback.steps import steps_of  # noqa: PLC0415 - the steps know this class

        return steps_of(self)

    @property
    def time_limit(self) -> timedelta:
        """For the whole run."""
        return timedelta(minutes=LIMIT_MIN)

    @property
    def title(self) -> str:
        """What it is."""
        return f"the going back of {self.service} to {self.asked.revision or 'what served before'}"

    # -- what is known

    def earlier(self) -> list[Earlier]:
        """What can be gone back to, the latest at the end."""
        return earlier_of(self.run.ledger, self.service)

    def look(self) -> Back:
        """Find where the traffic is, and the release to go back to.

        Raises: MissingError, UsageError, DataError, UnavailableError.
        """
        pool = self.balancer.pool(self.service)
        if pool is None:
            raise UsageError(
                f"{self.service} has nothing in place: start one with: pratique up {self.service} REVISION"
            )
        current = max(pool.weights, key=lambda name: pool.weights[name])
        target = self.asked.revision or before(served_of(self.run.ledger.entries(self.service)), current)
        if pool.weights.get(target) == 1.0 and len(pool.servers) == 1:
            raise UsageError(f"{self.service} {target!r} has all of the traffic already: name another revision")
        servers = {name: list(addresses) for name, addresses in pool.servers.items()}
        return Back(current, target, self._checked_digest(target), servers, dict(pool.weights))

    def _checked_digest(self, target: str) -> str:
        """The digest of the release, which must be the one that was released.

        Raises: MissingError (never released here, or gone), DataError (changed since).
        """
        known = {found.revision: found for found in self.earlier()}
        if target not in known:
            there = ", ".join(reversed(known)) or "none"
            raise MissingError(f"{self.service} {target!r} never had all of the traffic here: there are {there}")
        return self.release_of(target).digest

    @property
    def back(self) -> Back:
        """What the check found, then."""
        data = self.run.journal.data(CHECK) or self.run.journal.last_done(CHECK)
        return Back(**data) if data else self.look()

    @property
    def revision(self) -> str:
        """The revision that is gone back to; "" while it is not known."""
        known = self.run.journal.data(CHECK) or self.run.journal.last_done(CHECK)
        return str(known["target"]) if known else self.asked.revision

    @property
    def winner(self) -> str:
        """The revision that is gone back to."""
        return self.back.target

    @property
    def outcome(self) -> Outcome:
        """Gone back, as soon as the traffic is there."""
        return "reverted" if self.shifted else "failed"

    @property
    def shifted(self) -> bool:
        """Whether it has the traffic: then nothing is undone any more."""
        return self.run.journal.state(SHIFT) == "done"

    @property
    def result(self) -> Data:
        """What served before, and the balancer's time."""
        known = self.run.journal.last_done(CHECK)
        return {"verdict": None, "baseline": known.get("current"), "report": None, "balancer_s": self.balancer_s}

    @property
    def balancer_s(self) -> float | None:
        """Seconds that the balancer took for pool and shares; None while the traffic is not shifted."""
        data = [self.run.journal.data(step) for step in (JOIN, SHIFT)]
        return round(sum(part["balancer_s"] for part in data), 3) if all(data) else None

    def standing(self) -> list[Instance]:
        """The instances that stand for the revision: those that were ready when it began, and those it started."""
        found: list[str] = self.run.journal.data(START).get("found", [])
        return [
            i
            for i in self.runtime.list(self.service)
            if i.revision == self.winner and (i.run == self.run.id or i.id in found)
        ]

    def running(self) -> list[Instance]:
        """The instances of the revision that run, whoever else started them."""
        return [i for i in self.runtime.list(self.service) if i.revision == self.winner and i.run != self.run.id]

    def ready_now(self) -> list[Instance]:
        """Those of them that are ready."""
        return [instance for instance in self.running() if self._is_ready(instance)]

    def _is_ready(self, instance: Instance) -> bool:
        try:
            self.runtime.wait_ready(instance, deadline_s=AT_ONCE_S)
        except UnavailableError as error:
            say(f"    left aside: {error}")
            return False
        return True

    def newcomers(self) -> list[Instance]:
        """All of them: none has met a user lately."""
        return self.standing()


def open_rollback(
    *,
    service: str,
    revision: str = "",
    config: str = "",
    store: str = "",
    run_id: str = "",
    why: str = "",
    who: str = "",
    dry_run: bool = False,
) -> RollbackRun:
    """Open the going back to an earlier release, or go on with the one of the same run id.

    revision: "" for the one that served before the present one.
    Raises: UsageError (a parameter; another runbook or revision under this run id), ConfigError,
    BusyError (who holds the service, and why).
    """
    refuse_unknown([field.name for field in fields(Asked)])
    asked = checked_common(
        service=service, revision=revision, config=config, store=store, run_id=run_id, why=why, who=who,
        dry_run=dry_run, runbook="rollback",
    )  # fmt: skip
    rollback = RollbackRun(RollbackContext(asked))
    rollback.open()
    return rollback


class RollbackRun(Session[RollbackContext]):
    """A going back as it goes through its steps; each is done once per run id."""

    def choices(self) -> list[Earlier]:
        """Say what can be gone back to, and return it, the latest at the end."""
        found = self.context.earlier()
        for earlier in found:
            say(f"    {earlier}")
        return found

    def check(self) -> Back:
        """Find the release to go back to, and compare it with what was released under its name.

        Raises: MissingError (nothing earlier, never released, or gone), DataError (changed since),
        UsageError (it serves already), UnavailableError (the balancer does not answer).
        """
        self._run.perform(CHECK)
        return self.context.back

    def start(self) -> list[str]:
        """Start it where it does not run; return the addresses of its instances when they are ready."""
        self._run.perform(START)
        return [] if self._run.dry_run else [instance.address for instance in self.context.standing()]

    def accept(self) -> list[str]:
        """Run the acceptance test against each of its instances; return the addresses of those that passed."""
        return list(self._run.perform(ACCEPT).get("passed", []))

    def take_into_pool(self) -> dict[str, float]:
        """Put it into the balancer's pool with no traffic; return the shares."""
        self._run.perform(JOIN)
        return self.context.shares()

    def shift(self) -> dict[str, float]:
        """Give it all of the traffic at once; return the shares, and say what the balancer took."""
        self._run.perform(SHIFT)
        return self.context.shares()

    def retire(self) -> dict[str, float]:
        """Leave it alone in the pool, drain and stop the others; return the shares."""
        self._run.perform(RETIRE)
        return self.context.shares()

    @property
    def weights(self) -> Weights:
        """Changes of the configured weights from the ledger, (time UTC, revision → share from 0 to 1), oldest first."""
        return self.context.run.ledger.weights(self.context.service)


def say_back(back: Back, choices: Sequence[Earlier]) -> None:
    """Say from where to where it goes."""
    chosen = next((found for found in choices if found.revision == back.target), None)
    say(f"    from {percents(back.weights)}, to {chosen or back.target}")
