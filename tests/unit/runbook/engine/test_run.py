import json
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from pratique.errors import BusyError, StorageError, UnavailableError, UsageError
from pratique.ledger import open_ledger
from pratique.runbook.engine.ledger_outbox import LedgerOutbox
from pratique.runbook.engine.run import Run, StoppedError
from pratique.runbook.engine.step import Step
from pratique.subject_lock import Lock
from support.waiting import eventually

HOUR = timedelta(hours=1)


class Put(Step):
    """Create a file in a folder; undoing removes it."""

    description = "create a file"

    def __init__(self, folder, name, *, fails=None, final=False):
        self.key = self.title = name
        self.final = final
        self._path = Path(folder) / name
        self._fails = fails

    def do(self, attempt):
        self._path.write_text("x")
        if self._fails:
            raise self._fails
        return {"path": str(self._path)}

    def undo(self, data):
        self._path.unlink(missing_ok=True)
        with (self._path.parent / "undone").open("a") as file:
            file.write(f"{self.key} ")

    def effects(self):
        return [f"write {self._path}"]

    def holds(self, data):
        return self._path.exists()


def new_run(tmp_path, *steps, run_id="one", dry_run=False):
    """A run of the service shop, with its state in tmp_path."""
    state = tmp_path / ".pratique"
    outbox = LedgerOutbox(open_ledger(state), "shop", run_id, who="ann", why="test")

    def close(error):
        run.close({"outcome": "failed", "error": str(error)})

    run = Run(
        state / "runs" / run_id, steps=steps, outbox=outbox, lock=Lock(state, "shop"), on_failure=close, dry_run=dry_run
    )
    return run


def opened(tmp_path, *steps, run_id="one", deadline=HOUR, **identity):
    run = new_run(tmp_path, *steps, run_id=run_id)
    run.open(identity, context={}, deadline=deadline)
    return run


def crash(run):
    """Let go of the lock as the kernel does when a process dies."""
    run.lock.abandon()
    run._watchdog.dismiss()
    run._interrupts.remove()


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_each_step_is_done_once_per_run_id(tmp_path, there, capsys):
    run = opened(tmp_path, Put(there, "a"))
    assert run.perform("a") == {"path": str(there / "a")}
    written = (there / "a").stat().st_mtime_ns
    assert run.perform("a") == {"path": str(there / "a")}
    run.close({"outcome": "done"})
    again = opened(tmp_path, Put(there, "a"))
    again.perform("a")
    assert (there / "a").stat().st_mtime_ns == written
    assert again.resumed
    assert "already done in run 'one'" in capsys.readouterr().out
    again.close({"outcome": "done"})


@pytest.mark.slow
def test_a_step_that_no_longer_holds_is_done_again(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"))
    run.perform("a")
    (there / "a").unlink()
    run.perform("a")
    assert (there / "a").exists()
    run.close({})


@pytest.mark.slow
def test_a_failed_step_undoes_all_steps_in_reverse(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b"), Put(there, "c", fails=UnavailableError("no luck")))
    run.perform("a")
    run.perform("b")
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("c")
    assert (there / "undone").read_text() == "c b a "
    assert [path.name for path in there.iterdir()] == ["undone"]
    assert run.ended["error"] == "no luck"
    assert not run.active
    events = [(entry.data["step"], entry.data["event"]) for entry in run.outbox.ledger.entries("shop", "step")]
    assert events == [("a", "done"), ("b", "done"), ("c", "failed"), ("c", "undone"), ("b", "undone"), ("a", "undone")]


@pytest.mark.slow
def test_after_the_final_step_nothing_is_undone(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", final=True), Put(there, "c", fails=KeyError("odd")))
    run.perform("a")
    run.perform("b")
    with pytest.raises(KeyError):
        run.perform("c")
    assert (there / "a").exists()
    assert (there / "b").exists()
    assert (there / "undone").read_text() == "c "


@pytest.mark.slow
def test_undo_continues_after_one_step_fails(tmp_path, there):
    stuck = Put(there, "b")
    stuck.undo = lambda data: (_ for _ in ()).throw(OSError("stuck"))
    run = opened(tmp_path, Put(there, "a"), stuck, Put(there, "c", fails=UnavailableError("no luck")))
    run.perform("a")
    run.perform("b")
    with pytest.raises(UnavailableError, match="no luck; undoing failed: b: OSError: stuck"):
        run.perform("c")
    assert not (there / "a").exists()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("pratique.runbook.engine.ledger_outbox.UNDO_LEDGER_TIMEOUT_S", 0.1)
    monkeypatch.setattr("pratique.ledger.ledger.BUSY_S", 0.5)


@pytest.mark.slow
def test_undo_does_not_wait_for_a_busy_ledger(tmp_path, there, short, capsys):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b"), Put(there, "c", fails=UnavailableError("no luck")))
    run.perform("a")
    run.perform("b")
    other = sqlite3.connect(run.outbox.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("c")
    assert time.monotonic() - began < 60
    other.execute("ROLLBACK")
    other.close()
    assert (there / "undone").read_text() == "c b a "
    assert not run.active
    assert "was locked by another process" in capsys.readouterr().out


@pytest.mark.slow
def test_undo_waits_for_a_locked_balancer(tmp_path, there, monkeypatch):
    monkeypatch.setattr("pratique.runbook.engine.undo.UNDO_RETRY_EVERY_S", 0.01)
    held = Put(there, "a")
    run = opened(tmp_path, held, Put(there, "b", fails=UnavailableError("no luck")))
    run.perform("a")
    undo, asked = held.undo, []

    def busy_at_first(data):
        asked.append(1)
        if len(asked) < 4:
            raise BusyError("HAProxy is locked by another process")
        undo(data)

    held.undo = busy_at_first
    with pytest.raises(UnavailableError, match=r"no luck$"):
        run.perform("b")
    assert not (there / "a").exists()


@pytest.mark.slow
def test_the_lock_is_taken_when_the_ledger_is_busy(tmp_path, there, short):
    run = opened(tmp_path, Put(there, "a"))
    run.perform("a")
    crash(run)
    other = sqlite3.connect(run.outbox.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    again = new_run(tmp_path, Put(there, "a"))
    again.take_lock()
    again.abort("its process died")
    other.execute("ROLLBACK")
    other.close()
    assert not (there / "a").exists()


@pytest.mark.slow
def test_entries_that_could_not_be_written_while_undoing_are_written_afterwards(tmp_path, there, short):
    holding = Put(there, "a")
    run = opened(tmp_path, holding, Put(there, "b", fails=UnavailableError("no luck")))
    run.perform("a")
    other = sqlite3.connect(run.outbox.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    undo = holding.undo
    holding.undo = lambda data: (undo(data), other.execute("ROLLBACK"))
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("b")
    other.close()
    events = [(entry.data["step"], entry.data["event"]) for entry in run.outbox.ledger.entries("shop", "step")]
    assert events == [("a", "done"), ("b", "failed"), ("b", "undone"), ("a", "undone")]


@pytest.mark.slow
def test_undo_continues_when_the_journal_cannot_be_written(tmp_path, there, monkeypatch, capsys):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", fails=UnavailableError("no luck")))
    run.perform("a")
    whole = run.journal.append

    def full(event, *more):
        if event in {"failed", "undoing", "undone", "ended"}:
            raise StorageError("journal cannot be written: No space left on device")
        return whole(event, *more)

    monkeypatch.setattr(run.journal, "append", full)
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("b")
    assert (there / "undone").read_text() == "b a "
    assert not run.active
    assert "No space left" in capsys.readouterr().out


@pytest.mark.slow
def test_a_refused_run_leaves_the_dead_holder_in_the_lock(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), stages=[5, 50])
    run.perform("a")
    crash(run)
    with pytest.raises(UsageError, match="opened with stages"):
        opened(tmp_path, Put(there, "a"), stages=[20, 50])
    assert Lock(tmp_path / ".pratique", "shop").abandoned().run == "one"
    again = opened(tmp_path, Put(there, "a"), stages=[5, 50])
    again.abort("enough")
    assert not (there / "a").exists()


@pytest.mark.slow
def test_a_final_step_stays_done_when_recording_it_is_interrupted(tmp_path, there, monkeypatch):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", final=True))
    run.perform("a")
    record = run.outbox.record_step

    def interrupted(step, event, reason=""):
        if (event, step) == ("done", "b"):
            raise KeyboardInterrupt
        record(step, event, reason)

    monkeypatch.setattr(run.outbox, "record_step", interrupted)
    with pytest.raises(StoppedError):
        run.perform("b")
    assert run.journal.state("b") == "done"
    assert (there / "a").exists()
    assert (there / "b").exists()


@pytest.mark.slow
def test_a_failed_run_can_be_repeated_with_the_same_id(tmp_path, there):
    failing = Put(there, "b", fails=UnavailableError("no luck"))
    run = opened(tmp_path, Put(there, "a"), failing)
    run.perform("a")
    with pytest.raises(UnavailableError):
        run.perform("b")
    again = opened(tmp_path, Put(there, "a"), Put(there, "b"))
    again.perform("a")
    again.perform("b")
    assert (there / "a").exists()
    again.close({})


@pytest.mark.slow
def test_ctrl_c_undoes_like_a_failure(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", fails=KeyboardInterrupt()))
    run.perform("a")
    with pytest.raises(StoppedError, match="interrupted from the keyboard"):
        run.perform("b")
    assert not (there / "a").exists()


@pytest.mark.slow
def test_abort_between_steps_undoes(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"))
    run.perform("a")
    run.abort("enough")
    run.abort("enough")
    assert not (there / "a").exists()
    with pytest.raises(UsageError, match="new run_id"):
        run.perform("a")


@pytest.mark.slow
def test_the_same_id_with_another_identity_is_refused(tmp_path, there):
    opened(tmp_path, revision="r2").close({})
    with pytest.raises(UsageError, match="opened with revision 'r2', not 'r3'"):
        opened(tmp_path, revision="r3")
    assert opened(tmp_path, revision="r2").close({}) is None


@pytest.mark.slow
def test_the_error_of_a_second_run_names_the_holder(tmp_path):
    run = opened(tmp_path)
    with pytest.raises(BusyError, match=r"run 'one' of ann \(test\)"):
        opened(tmp_path, run_id="two")
    run.close({})
    opened(tmp_path, run_id="two").close({})


@pytest.mark.slow
def test_the_deadline_counts_from_the_beginning_of_the_attempt(tmp_path):
    run = opened(tmp_path, deadline=timedelta(0))
    with pytest.raises(UnavailableError, match="deadline"):
        run.require_time()
    run.close({})


def test_a_dry_run_prints_effects_and_changes_nothing(tmp_path, there, capsys):
    run = new_run(tmp_path, Put(there, "a"), dry_run=True)
    assert run.perform("a") == {}
    assert f"write {there / 'a'}" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == [there]


PROGRAM = """
import sys, time
sys.path[:0] = {tests!r}
from test_run import Put, opened
from pathlib import Path
from pratique.runbook.engine.step import Step

class Wait(Step):
    key = title = description = "wait"
    def do(self, attempt):
        Path(sys.argv[1], "waiting").write_text("")
        time.sleep(30)
    def undo(self, data):
        Path(sys.argv[1], "waiting").unlink(missing_ok=True)

run = opened(Path(sys.argv[1]), Put(sys.argv[2], "a"), Wait())
run.perform("a")
if sys.argv[3] == "between":
    Path(sys.argv[1], "waiting").write_text("")
    time.sleep(30)
run.perform("wait")
"""


def begin(tmp_path, there, where):
    program = PROGRAM.format(tests=[str(Path(__file__).parent), str(Path(__file__).parents[3])])
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path, there, where], stderr=subprocess.PIPE)
    eventually(lambda: (tmp_path / "waiting").exists() or process.poll() is not None)
    assert process.poll() is None
    return process


def watchdogs(tmp_path):
    return [
        p
        for p in psutil.process_iter()
        if str(tmp_path) in " ".join(_arguments(p)) and "watchdog_main" in " ".join(_arguments(p))
    ]


def _arguments(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.parametrize("where", ["within", "between"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_a_signal_undoes_during_a_step_and_between_steps(tmp_path, there, where, number):
    process = begin(tmp_path, there, where)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0, errors
    assert not (there / "a").exists()
    last = (tmp_path / ".pratique/runs/one/journal.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["event"] == "ended"
    eventually(lambda: not watchdogs(tmp_path))


@pytest.mark.slow
def test_a_killed_process_undoes_nothing_and_releases_its_lock(tmp_path, there):
    process = begin(tmp_path, there, "within")
    process.kill()
    process.communicate()
    eventually(lambda: not watchdogs(tmp_path))
    assert (there / "a").exists()
    run = opened(tmp_path, Put(there, "a"), Put(there, "wait"))
    assert run.resumed
    run.perform("a")
    assert not (there / "undone").exists()
    run.close({})
    assert (there / "a").exists()


class Stuck(Put):
    """A file that cannot be removed while another file exists."""

    def undo(self, data):
        if self._path.with_name("obstacle").exists():
            raise OSError("obstacle")
        super().undo(data)


class Found(Step):
    """Finds a fact, and changes nothing."""

    key = title = description = "found"

    def do(self, attempt):
        return {"found": 7}


@pytest.mark.slow
def test_facts_are_kept_until_every_step_is_undone(tmp_path, there):
    steps = [Found(), Stuck(there, "a"), Put(there, "b", fails=KeyError("no luck"))]
    (there / "obstacle").touch()
    run = opened(tmp_path, *steps)
    run.perform("found")
    run.perform("a")
    with pytest.raises(UnavailableError, match="undoing failed: a: OSError: obstacle"):
        run.perform("b")
    assert run.journal.data("found") == {"found": 7}
    (there / "obstacle").unlink()
    again = opened(tmp_path, *steps)
    assert again.perform("found") == {"found": 7}
    again.abort("enough")
    assert not (there / "a").exists()
    assert again.journal.data("found") == {}


@pytest.mark.slow
def test_undo_retries_while_an_engine_restarts(tmp_path, there):
    late = Put(there, "a")
    really, tries = late.undo, []

    def undo(data):
        tries.append(data)
        if len(tries) < 3:
            raise UnavailableError("it is restarting")
        really(data)

    late.undo = undo
    run = opened(tmp_path, late)
    run.perform("a")
    run.abort("enough")
    assert not (there / "a").exists()
    assert len(tries) == 3
