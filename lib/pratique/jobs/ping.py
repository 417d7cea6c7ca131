"""Tell a check of healthchecks.io, or of a server that works alike, of a run's start and end.

It notices when nothing arrives at all: when this whole host is dead. Source: the Pinging API of healthchecks.io: URL/start,
URL/EXIT-STATUS, and `rid`, which ties an end to its start when runs overlap.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from pratique.errors import PratiqueError
from pratique.jobs.job import Job
from pratique.outcomes import OutcomeRecord
from pratique.release.secrets import resolve_env

TIMEOUT_S = 5.0
MOST_BYTES = 10_000
NOT_OK = 1
Say = Callable[[str], object]


def silent(_line: str) -> None:
    """Say nothing."""


class Ping:
    """The pings of one run. One that fails is said, and never fails the job."""

    def __init__(self, job: Job, run: str, say: Say) -> None:
        """run: its id, of which the id of the ping is made."""
        self._job, self._say = job, say
        self._id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"pratique:{job.subject}:{run}"))

    def start(self) -> None:
        """Tell that a run, or an attempt at it, begins."""
        self._send("start", "")

    def end(self, record: OutcomeRecord) -> None:
        """Tell how the run ended: its exit status, and 1 where it has none or ended well only in name."""
        code = record.details.get("exit_code")
        status = 0 if record.outcome == "ok" else code if isinstance(code, int) and 0 < code < 256 else NOT_OK
        lines = record.details.get("last_lines", ())
        text = "\n".join(map(str, lines)) if isinstance(lines, Sequence) else ""
        self._send(str(status), "\n".join(filter(None, [str(record.details.get("reason", "")), text])))

    def _send(self, what: str, body: str) -> None:
        if not self._job.settings.ping:
            return
        import requests  # noqa: PLC0415 - slow to load

        try:
            address = resolve_env({"ping": self._job.settings.ping}, self._job.target.base)["ping"].strip().rstrip("/")
            data = body.encode()[-MOST_BYTES:]
            # the body of the answer is not read: it could take as long as the server likes
            with requests.post(
                f"{address}/{what}", params={"rid": self._id}, data=data, timeout=TIMEOUT_S, stream=True
            ) as answer:
                if not answer.ok:
                    self._say(
                        f"{self._job.name}: the ping {what!r} was answered with {answer.status_code}: check jobs.{self._job.name}.ping"
                    )
        except PratiqueError as error:
            self._say(f"{self._job.name}: no ping: {error}")
        except (requests.RequestException, ValueError) as error:
            # without the error's text, which holds the address, and the address is a secret
            self._say(
                f"{self._job.name}: the ping {what!r} did not arrive ({type(error).__name__}): check jobs.{self._job.name}.ping"
            )
