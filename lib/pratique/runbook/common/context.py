"""The context of a run: its parameters, what it works on, its lock and ledger, and the content of its journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

from pratique.config import Config, check_name, load
from pratique.ledger import current_user, open_ledger
from pratique.runbook.common.parameters import RunParameters
from pratique.runbook.engine.journal import Journal
from pratique.runbook.engine.ledger_outbox import LedgerOutbox
from pratique.runbook.engine.step import Data
from pratique.subject_lock import Lock

Parameters = TypeVar("Parameters", bound=RunParameters)

Outcome = Literal["promoted", "rolled back", "inconclusive", "reverted", "failed", "done", "found"]
"""How a run ended. "done": it did what it is for. "found": it looked, and something is wrong."""


class RunContext(ABC, Generic[Parameters]):
    """Everything that the steps of a run share. The journal holds all of it, so another process can rebuild it.

    runbook: the name in the journal, see `pratique.runbook.registry`. entry_kind: of its entries in the ledger about
    its beginning and end. subject: what it works on, and what is locked: a service, or KIND@NAME such as "job@nightly".
    """

    runbook: ClassVar[str]
    entry_kind: ClassVar[str] = "run"

    def __init__(self, parameters: Parameters, subject: str) -> None:
        """Read the service file and open the ledger; nothing is written."""
        self.parameters = parameters
        self.subject = subject
        self.run_id = check_name("run id", parameters.run_id)
        self.config: Config = load(parameters.config, store=parameters.store or None)
        self.state_dir: Path = self.config.state_dir
        self.folder: Path = self.state_dir / "runs" / self.run_id
        self.journal = Journal.in_folder(self.folder)
        self.lock = Lock(self.state_dir, subject)
        self.ledger = open_ledger(self.state_dir)
        who = parameters.who or current_user()
        self.outbox = LedgerOutbox(self.ledger, subject, self.run_id, who=who, why=parameters.why)

    # -- what kind of run it is

    @property
    def identity(self) -> Data:
        """The identity of the run; the same run id with another identity is refused."""
        return {"runbook": self.runbook, "subject": self.subject}

    @property
    @abstractmethod
    def time_limit(self) -> timedelta:
        """The limit for the whole run."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The run in a few words: "release of shop r2"."""

    # -- known facts

    @property
    def revision(self) -> str:
        """The revision that the run is about; "" while it is not known, or when there is none."""
        return ""

    @property
    def names(self) -> Data:
        """What the run is about, for result.json."""
        return {"subject": self.subject, "revision": self.revision}

    @property
    @abstractmethod
    def outcome(self) -> Outcome:
        """The outcome for the ledger: "failed" until the run's purpose is achieved."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """Why the run ended as it did, in one sentence."""

    @property
    @abstractmethod
    def exit_status(self) -> int:
        """The exit status of a run that ended without an error."""

    @property
    def result(self) -> Data:
        """The additional fields of result.json: verdict, report, measured times, and the findings."""
        return {}

    def notify_end(self, result: Data) -> None:
        """Tell people how the run ended. result: the content of result.json. It raises nothing."""
