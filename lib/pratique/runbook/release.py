"""A release as the notebook runs it: open it, then one call a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pratique.errors import PratiqueError, UnavailableError
from pratique.judge.model import Verdict
from pratique.runbook.context import CHECK, CONCLUDE, JOIN, RECORD, REPORT, ROLL_OUT, START, Context, Found
from pratique.runbook.journal import Journal
from pratique.runbook.parameters import Asked, checked, refuse_unknown
from pratique.runbook.parts import make_store, require_collector
from pratique.runbook.release_steps import steps_of
from pratique.runbook.result import write_result
from pratique.runbook.run import say
from pratique.runbook.shares import percents

AFTER_DEADLINE_MIN = 15.0
"""What a run may take beyond the judge's deadline: to start, to drain, to be asked of a person."""


def open_run(
    *,
    service: str,
    revision: str,
    config: str = "",
    store: str = "",
    run_id: str = "",
    stages: str | Sequence[float] = (),
    why: str = "",
    who: str = "",
    dry_run: bool = False,
    approval: str = "",
    approvals: str | Sequence[str | float] = "",
    baseline: str = "",
    deadline_min: float = 0.0,
) -> ReleaseRun:
    """Open the release of a revision, or go on with the one of the same run id.

    Empty text, no stages and 0 take the service file's settings. stages: percent. approvals: "all", or
    the stages approved beforehand. deadline_min: minutes for the whole run.
    Raises: UsageError (a parameter; nobody to ask; another release under this run id), ConfigError,
    BusyError (who holds the service, and why).
    """
    refuse_unknown([field.name for field in fields(Asked)])
    asked = checked(
        service=service,
        revision=revision,
        config=config,
        store=store,
        run_id=run_id,
        stages=stages,
        why=why,
        who=who,
        dry_run=dry_run,
        approval=approval,
        approvals=approvals,
        baseline=baseline,
        deadline_min=deadline_min,
    )
    release = ReleaseRun(Context(asked))
    release.open()
    return release


def undo_run(folder: Path, reason: str) -> None:
    """End the run in `folder`, whose process is dead: undo what it had begun, and record it.

    Raises: BusyError when it is not dead, MissingError when there is no such run.
    """
    opened = Journal(folder / "journal.jsonl").first("opened")
    release = ReleaseRun(Context(Asked.from_json(opened.data["context"])))
    run = release.context.run
    run.attach()
    if run.journal.state(RECORD) == "done":
        run.close({"outcome": release.context.outcome})
    run.abort(reason)


class ReleaseRun:
    """A release as it goes through its steps; each is done once per run id."""

    def __init__(self, context: Context) -> None:
        """Prepare; nothing is written before `open`."""
        self.context = context
        self._run = context.run
        self._run.steps = steps_of(context)
        self._run.on_failure = self._failed

    def open(self) -> None:
        """Take the lock, and begin or go on."""
        context, run = self.context, self._run
        context.choose_approver()
        if run.dry_run:
            self._tell_dry_run()
        elif run.journal.state(RECORD) == "done":
            say(f"{self._title} has ended, {context.outcome}: nothing is done again")
        else:
            self._end_abandoned()
            identity = {
                "service": context.service,
                "revision": context.asked.revision,
                "stages": list(context.stages),
                "fresh": context.fresh,
            }
            minutes = context.asked.deadline_min or context.settings.judge.deadline_min + AFTER_DEADLINE_MIN
            dead = run.open(identity, context=context.asked.to_json(), deadline=timedelta(minutes=minutes))
            if dead:
                say(f"the lock was taken over from {dead}, which is dead")
            if run.resumed:
                run.enter("release", {"event": "resumed"}, revision=context.asked.revision)
            say(f"{self._title} {'goes on' if run.resumed else 'begins'}, {run.left_s / 60:.0f} min until its deadline")

    def check(self) -> Found:
        """Look whether everything needed is there, and bind the revision to its digest.

        Raises: MissingError (no such release), UsageError (a changed release under an old name, another
        rollout), UnavailableError (collector, balancer or store does not answer).
        """
        if self._run.lock.held or self._run.dry_run:
            self._run.guarded(CHECK, self._require_parts)
        self._run.perform(CHECK)
        return self.context.found

    def start_canary(self) -> list[str]:
        """Start the canary, and the fresh baseline where one is wanted; return their addresses when they are ready."""
        self._run.perform(START)
        return [] if self._run.dry_run else [instance.address for instance in self.context.mine()]

    def take_into_pool(self) -> dict[str, float]:
        """Put the canary into the balancer's pool with no traffic; return the shares."""
        self._run.perform(JOIN)
        return self._shares()

    def roll_out(self) -> str:
        """Give the canary its stages of traffic, judged at every window; return the decision in a sentence."""
        data = self._run.perform(ROLL_OUT)
        return f"{data['decision']}: {data['reason']}" if data else "dry run: nothing was judged"

    def conclude(self) -> dict[str, float]:
        """Promote or take out, as was decided; return who has the traffic now."""
        self._run.perform(CONCLUDE)
        return self._shares()

    def picture(self, figure: Callable[[Verdict], Any]) -> Any:
        """Draw the last verdict with one of `pratique.figures`; None when nothing was judged."""
        verdict = self.verdict
        return figure(verdict) if verdict is not None else None

    def report(self) -> str:
        """Write the report; return its path, "" when nothing was judged."""
        return str(self._run.perform(REPORT).get("html", ""))

    def verify(self) -> str:
        """Read back who serves now, from the balancer and the engine, and check the ledger's chain.

        Returns: the revision that has all of the traffic.
        Raises: UnavailableError when it is not the one that should, or when another still runs.
        """
        winner = self.context.winner
        if self._run.dry_run or not self._run.lock.held:
            return winner
        self._run.guarded("verify", self._read_back)
        return winner

    def record(self) -> Path:
        """Write the outcome into the ledger and result.json, and give the lock back; return result.json's path."""
        self._run.perform(RECORD)
        self._run.close({"outcome": self.context.outcome})
        return self._run.folder / "result.json"

    @property
    def winner(self) -> str:
        """The revision that is to have all of the traffic in the end."""
        return self.context.winner

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict; judged again from the store when another process had it."""
        data = self._run.journal.data(ROLL_OUT)
        if self.context.last is None and data.get("end"):
            watch = self.context.watch(datetime.fromisoformat(data["since"]))
            self.context.last = watch.look_again(datetime.fromisoformat(data["end"]))
        return self.context.last

    @property
    def _title(self) -> str:
        return f"run {self._run.id!r}, the release of {self.context.service} {self.context.asked.revision}"

    def _shares(self) -> dict[str, float]:
        return self.context.balancer.weights(self.context.service).shares

    def _require_parts(self) -> None:
        require_collector(self.context.config)
        make_store(self.context.config)
        self.context.balancer.pool(self.context.service)

    def _read_back(self) -> None:
        context, winner = self.context, self.context.winner
        shares = self._shares()
        serving = [revision for revision, share in shares.items() if share > 0]
        running = {instance.revision for instance in context.runtime.list(context.service)}
        if serving != [winner] or running != {winner}:
            raise UnavailableError(
                f"{winner!r} should be all that serves: the balancer has {percents(shares)}, {sorted(running)} run"
            )
        say(f"verified: {winner} has all of the traffic; the ledger's {self._run.ledger.verify()} entries are whole")

    def _tell_dry_run(self) -> None:
        say(f"dry run of {self._title}: nothing is changed")
        holder = self._run.lock.holder()
        if holder:
            say(f"    {self.context.service} is held by {holder}: a real run would be refused")
        for name in ("journal.jsonl", "progress.jsonl", "guardian.log"):
            say(f"    write {self._run.folder / name}")
        say(f"    write {self._run.ledger.path}, {self._run.lock.path}")

    def _end_abandoned(self) -> None:
        """Another run that died with the lock is undone first: two canaries would not be told apart."""
        left = self._run.lock.abandoned()
        if left and left.run != self._run.id:
            say(f"{left} died and left its canary behind: undoing it first")
            undo_run(
                self.context.config.state_dir / "runs" / left.run, f"its process died; run {self._run.id!r} follows"
            )

    def _failed(self, error: Exception) -> None:
        status = error.exit_status if isinstance(error, PratiqueError) else PratiqueError.exit_status
        result = write_result(self.context, reason=f"failed: {error}", exit_status=status)
        self._run.close({"outcome": result["outcome"], "error": str(error)})
