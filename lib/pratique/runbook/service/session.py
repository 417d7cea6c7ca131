"""A runbook as its notebook runs it: opened, step by step, ended; and undone by another process when it died."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

from pratique.config import Target
from pratique.errors import PratiqueError, UnavailableError
from pratique.runbook.canary.traffic_split import percents
from pratique.runbook.engine.journal import Journal
from pratique.runbook.engine.lock import Lock
from pratique.runbook.engine.run import say
from pratique.runbook.service.context import RECORD, Surroundings
from pratique.runbook.service.parameters import Asked, ReleaseAsked
from pratique.runbook.service.result import write_result

Where = TypeVar("Where", bound=Surroundings)


class Session(Generic[Where]):
    """A run as it goes through its steps; each is done once per run id."""

    def __init__(self, context: Where) -> None:
        """Prepare; nothing is written before `open`."""
        self.context = context
        self._run = context.run
        self._run.steps = context.steps()
        self._run.on_failure = self._failed

    def open(self) -> None:
        """Take the lock, and begin or go on.

        Raises: UsageError (another runbook or revision under this run id), BusyError.
        """
        context, run = self.context, self._run
        if run.dry_run:
            self._tell_dry_run()
        elif run.journal.state(RECORD) == "done":
            say(f"{self._title} has ended, {context.outcome}: nothing is done again")
        else:
            end_abandoned(context.target, f"run {run.id!r} follows", but=run.id)
            dead = run.open(context.identity, context=context.asked.to_json(), deadline=context.time_limit)
            if dead:
                say(f"the lock was taken over from {dead}, which is dead")
            if run.resumed:
                run.enter("release", {"event": "resumed"}, revision=context.revision)
            say(f"{self._title} {'goes on' if run.resumed else 'begins'}, {run.left_s / 60:.0f} min until its deadline")

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
    def _title(self) -> str:
        return f"run {self._run.id!r}, {self.context.title}"

    def _read_back(self) -> None:
        context, winner = self.context, self.context.winner
        shares = context.shares()
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

    def _failed(self, error: Exception) -> None:
        status = error.exit_status if isinstance(error, PratiqueError) else PratiqueError.exit_status
        try:
            write_result(self.context, reason=f"failed: {error}", exit_status=status)
        except PratiqueError as unwritten:
            say(f"    {unwritten}")
        self._run.close({"outcome": self.context.outcome, "error": str(error)})


def undo_run(folder: Path, reason: str) -> None:
    """End the run in `folder`, whose process is dead: undo what it had begun, or finish what cannot be undone, and record it.

    Raises: BusyError when it is not dead, MissingError when there is no such run.
    """
    opened = Journal(folder / "journal.jsonl").first("opened")
    context = _context(opened.data.get("runbook", "release"), opened.data["context"])
    Session(context)
    run = context.run
    run.attach()
    if run.journal.state(RECORD) == "done":
        run.close({"outcome": context.outcome})
    elif context.outcome != "failed":
        for name in context.finishing:
            run.perform(name)
    run.abort(reason)


def end_abandoned(target: Target, why: str, *, but: str = "") -> None:
    """End the run that died with the service's lock, if any: two canaries would not be told apart.

    but: a run id that goes on by itself.
    """
    left = Lock(target.state_dir, target.service).abandoned()
    if left is None or left.run == but:
        return
    folder = target.state_dir / "runs" / left.run
    # one that died before its first line has done nothing
    if Journal(folder / "journal.jsonl").lines():
        say(f"{left} died and left its work behind: undoing it first")
        undo_run(folder, f"its process died; {why}")


def _context(runbook: str, asked: dict[str, object]) -> Surroundings:
    if runbook == "rollback":
        from pratique.runbook.rollback.session import RollbackContext  # noqa: PLC0415 - it is a session itself

        return RollbackContext(Asked.from_json(asked))
    from pratique.runbook.release.context import Context  # noqa: PLC0415 - the judge

    return Context(ReleaseAsked.from_json(asked))
