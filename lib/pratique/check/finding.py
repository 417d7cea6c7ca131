"""The result of one check of a service file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from pratique.errors import PratiqueError


class SkippedError(Exception):
    """A check that cannot run here; the message gives the reason."""


class WarnedError(Exception):
    """Everything is there, but a person should know what the message says."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. subject: the key of the service file that it concerns."""

    subject: str
    state: Literal["ok", "warning", "problem", "skipped"]
    message: str

    def to_text(self, width: int = 0) -> str:
        """Return one line for a terminal. width: of the column of subjects."""
        return f"{self.state:<8} {self.subject:<{width}}  {self.message}"

    def to_json(self) -> dict[str, str]:
        """Return subject, state and message, for programs."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One check. look: returns a message if all is well, and raises PratiqueError for a problem, WarnedError or SkippedError."""

    subject: str
    look: Callable[[], str]

    def run(self) -> Finding:
        """Run the check. A check that raises is a problem, never a pass."""
        try:
            return Finding(self.subject, "ok", self.look())
        except SkippedError as error:
            return Finding(self.subject, "skipped", str(error))
        except WarnedError as error:
            return Finding(self.subject, "warning", str(error))
        except PratiqueError as error:
            return Finding(self.subject, "problem", str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the check did not pass
            return Finding(self.subject, "problem", f"the check failed with {type(error).__name__}: {error}")
