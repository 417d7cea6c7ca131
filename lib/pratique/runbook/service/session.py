"""A runbook that changes a service: its end is verified against the balancer and the engine."""

from __future__ import annotations

from typing import Any, TypeVar

from pratique.errors import UnavailableError
from pratique.runbook.common import file_names
from pratique.runbook.common.session import Session
from pratique.runbook.engine.console import say
from pratique.runbook.engine.journal import FILE_NAME as JOURNAL_NAME
from pratique.runbook.engine.watchdog import LOG_NAME as WATCHDOG_LOG_NAME
from pratique.runbook.service.context import ServiceContext
from pratique.runbook.service.share_text import percents

Context = TypeVar("Context", bound=ServiceContext[Any])


class ServiceSession(Session[Context]):
    """A run that ends with one revision that has all of the traffic."""

    files = (JOURNAL_NAME, file_names.PROGRESS, WATCHDOG_LOG_NAME)

    def verify(self) -> str:
        """Read the current state back from the balancer and the engine, and verify the ledger's chain.

        Returns: the revision that has all of the traffic.
        Raises: UnavailableError when it is not the expected one, or when another revision still runs.
        """
        winner = self.context.winner
        if self._run.dry_run or not self._run.active:
            return winner
        self._run.guarded("verify", self._read_back)
        return winner

    @property
    def winner(self) -> str:
        """The revision that finally gets all of the traffic."""
        return self.context.winner

    def _read_back(self) -> None:
        context, winner = self.context, self.context.winner
        shares = context.shares()
        receiving = [revision for revision, share in shares.items() if share > 0]
        running = {instance.revision for instance in context.runtime.list(context.service)}
        if receiving != [winner] or running != {winner}:
            raise UnavailableError(
                f"expected only {winner!r} to be serving, but the balancer sends {percents(shares)}, and these revisions run: "
                f"{', '.join(sorted(running)) or 'none'}: check `pratique status {context.service}`"
            )
        say(f"verified: {winner} has all of the traffic; ledger verified ({context.ledger.verify()} entries)")
