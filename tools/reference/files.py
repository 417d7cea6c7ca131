"""The page of files on disk. Each row names the module that writes the file, and that module must mention the name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.reference.markdown import table

LIB = Path(__file__).parents[2] / "lib/pratique"


@dataclass(frozen=True)
class Known:
    """A file or folder below the state folder. path: with * for any name. word: as its writer spells it."""

    path: str
    writer: str
    word: str
    meaning: str
    safe: str


FILES = (
    Known("ledger.sqlite", "ledger/ledger.py", "ledger.sqlite", "the ledger: every change, append-only", "never"),
    Known("ledger.heads", "ledger/anchors.py", "ledger.heads", "number and hash of each entry of the ledger, to compare with", "never"),
    Known("outcomes.sqlite*", "outcomes/outcomes.py", "outcomes.sqlite", "how each job, check and notification ended, for 400 days", "no: the history is lost"),
    Known("notifications.sqlite*", "notify/courier.py", "notifications.sqlite", "events that are or were sent to the routes of `[[notify]]`", "events that wait are lost"),
    Known("store/**", "config/store.py", ".pratique/store", "the store: a Delta Lake table (`store.url`)", "no: all measurements are lost"),
    Known("changes.jsonl", "incident/kept_changes.py", "changes.jsonl", "changes that people and webhooks reported", "no: an incident is no longer compared with them"),
    Known("changes.jsonl.lock", "incident/kept_changes.py", "changes.jsonl", "lets one process at a time add a change", "when nothing adds one"),
    Known("imports.json", "telemetry/import_files.py", "imports.json", "which logs were imported", "no: importing a log again would count it twice"),
    Known("imports.json.lock", "telemetry/import_files.py", "imports.json", "lets one import at a time change imports.json", "when no import runs"),
    Known("copies/*.json", "store/copy_position.py", "copies", "how far an interrupted `pratique store copy` got", "yes: it starts at the beginning"),
    Known("rejects/*.jsonl", "telemetry/import_files.py", "rejects", "lines that an import could not read, with the reason", "yes"),
    Known("runs/*/journal.jsonl", "runbook/engine/journal.py", "journal.jsonl", "the journal of a run: its started and finished steps", "when the run has ended"),
    Known("runs/*/progress.jsonl", "runbook/common/file_names.py", "progress.jsonl", "the lines of a rollout, for programs", "when the run has ended"),
    Known("runs/*/result.json", "runbook/common/file_names.py", "result.json", "how the run ended, for programs", "when the run has ended"),
    Known("runs/*/*.ipynb", "runbook/launcher.py", "ipynb", "the executed notebook with its outputs", "when the run has ended"),
    Known("runs/*/watchdog.log", "runbook/engine/watchdog.py", "watchdog.log", "errors of the run's watchdog, usually empty", "when the run has ended"),
    Known("locks/*.lock", "subject_lock.py", "locks", "who holds a service; the lock is the kernel's, not the file's existence", "when no run is active"),
    Known("jobs/*/memory.json", "jobs/memory.py", "memory.json", "which due times of a job were looked at, and its last run", "when it does not run: due times count from then on"),
    Known("jobs/*/*.json", "jobs/backoff.py", "backoff.json", "who holds a job back (`backoff.json`), and why a run was stopped (`stop.json`)", "yes: the job is no longer held back"),
    Known("jobs/*/*.lock", "jobs/memory.py", "memory.json", "lets one process at a time change them", "when no job runs"),
    Known("jobs/*/logs/*.log", "jobs/kept_logs.py", "logs", "logs of failed runs, the newest `keep_logs`", "yes"),
    Known("one-off/*/*", "runtime/one_off_process.py", "one-off", "lock, log and end of a job that is a local process", "when it does not run, and its end is in the outcomes"),
    Known("reports/*", "report/write.py", "reports", "reports and pages of incidents: HTML, JSON and the executed notebook", "yes"),
    Known("incidents/watch.json", "report/incident_watch.py", "incidents/watch.json", "which incidents `pratique watch` has written a page for", "yes: each gets a page again"),
    Known("incidents/watch.json.lock", "report/incident_watch.py", "incidents/watch.json", "lets one `pratique watch` at a time change watch.json", "when none runs"),
    Known("collector/status.json", "telemetry/collector_status.py", "collector/status.json", "counters of the collector", "yes"),
    Known("collector/spool/*", "telemetry/collector.py", "spool", "received lines that are not in the store yet", "no: these lines are lost"),
    Known("collector/*events.json", "export/exports.py", "events.json", "which entry of the ledger was passed on last, for Grafana", "yes: events are passed on again"),
    Known("collector/remote-write.sqlite*", "export/exports.py", "remote-write.sqlite", "counters of remote write, and requests that its server has not yet taken", "these requests are lost, and counters start from zero"),
    Known("collector/lock", "telemetry/collector.py", "lock", "prevents a second collector", "when no collector runs"),
    Known("logs/*/*/*", "telemetry/containerlogs.py", "logs", "logs of containers, by service and revision", "yes"),
    Known("processes/**", "runtime/process.py", "processes", "logs and state of local instances, collector and balancer", "when nothing runs"),
    Known("balancer/*", "balancer/proxy.py", "balancer", "pool and weights of the embedded balancer, for a restart; its control socket and lock", "when it does not run"),
    Known("haproxy/*/**", "balancer/haproxy/balancer.py", "haproxy", "HAProxy's configuration, map of weights, sockets, and the desired pool", "when HAProxy does not run"),
)  # fmt: skip
"""Everything below the state folder; a test compares it with the folder that the tutorial leaves."""
TEXT = """# Files on disk

Everything that Pratique keeps is below the state folder, `.pratique` beside the service file (`state` in the service file). Only its owner
may enter it: see [Security](../explanation/security.md#the-state-folder). Back up the ledger and the store.

Files that other programs read are replaced atomically; journals and the ledger are synced to disk before the next action.

{files}

HAProxy's files are in `balancer.haproxy.directory` if that is set. Secrets of containers are files in memory on the engine's host, below
`docker.secrets_dir`; they are removed with the container.

## Formats

- `journal.jsonl`, `progress.jsonl`: one JSON object per line. A torn last line of a crashed process is ignored.
- `ledger.sqlite`: the table `entries`. `hash` is the SHA-256 of the canonical JSON of all other fields, which include the hash of the
  entry before. `pratique releases SERVICE` verifies the chain, and compares it with `ledger.heads` and the results of runs: see
  [what the ledger proves](../explanation/security.md#what-the-ledger-proves).
- The store: see [Metrics](metrics.md). The verdict beside a report: see [Verdict JSON](verdict-json.md).
"""


def missing() -> list[str]:
    """Rows whose writer is gone or does not mention the file any more."""
    found = []
    for known in FILES:
        path = LIB / known.writer
        if not path.exists() or known.word not in path.read_text(encoding="utf-8"):
            found.append(f"{known.path}: {known.writer} does not write it")
    return found


def page() -> str:
    """The whole page."""
    rows = [(f"`{known.path}`", known.meaning, known.safe) for known in FILES]
    return TEXT.format(files=table(("path", "content", "safe to delete"), rows).strip())
