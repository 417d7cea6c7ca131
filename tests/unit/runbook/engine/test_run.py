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

from pratique.config import Config
from pratique.errors import BusyError, StorageError, UnavailableError, UsageError
from pratique.runbook.engine.lock import Lock
from pratique.runbook.engine.run import Run, StoppedError
from pratique.runbook.engine.step import Step

HOUR = timedelta(hours=1)


class Put(Step):
    """Put a file into a folder; undone, it is gone."""

    def __init__(self, folder, name, *, fails=None, final=False):
        self.name = self.does = name
        self.final = final
        self._path = Path(folder) / name
        self._fails = fails

    def do(self, noted):
        self._path.write_text("x")
        if self._fails:
            raise self._fails
        return {"path": str(self._path)}

    def undo(self, data):
        self._path.unlink(missing_ok=True)
        with (self._path.parent / "undone").open("a") as file:
            file.write(f"{self.name} ")

    def effects(self):
        return [f"write {self._path}"]

    def holds(self, data):
        return self._path.exists()


def opened(tmp_path, *steps, run_id="one", deadline=HOUR, **identity):
    run = Run(Config(base=str(tmp_path)), "shop", run_id, who="ann", why="test")
    run.steps = {step.name: step for step in steps}
    run.on_failure = lambda error: run.close({"outcome": "failed", "error": str(error)})
    run.open(identity, context={}, deadline=deadline)
    return run


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


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
    assert "done before in run 'one'" in capsys.readouterr().out
    again.close({"outcome": "done"})


def test_a_step_that_does_not_hold_any_more_is_done_again(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"))
    run.perform("a")
    (there / "a").unlink()
    run.perform("a")
    assert (there / "a").exists()
    run.close({})


def test_a_failing_step_undoes_all_in_reverse(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b"), Put(there, "c", fails=UnavailableError("no luck")))
    run.perform("a")
    run.perform("b")
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("c")
    assert (there / "undone").read_text() == "c b a "
    assert [path.name for path in there.iterdir()] == ["undone"]
    assert run.ended["error"] == "no luck"
    assert not run.lock.held
    events = [(entry.data["step"], entry.data["event"]) for entry in run.ledger.entries("shop", "step")]
    assert events == [("a", "done"), ("b", "done"), ("c", "failed"), ("c", "undone"), ("b", "undone"), ("a", "undone")]


def test_after_the_final_step_nothing_is_undone(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", final=True), Put(there, "c", fails=KeyError("odd")))
    run.perform("a")
    run.perform("b")
    with pytest.raises(KeyError):
        run.perform("c")
    assert (there / "a").exists()
    assert (there / "b").exists()
    assert (there / "undone").read_text() == "c "


def test_one_that_cannot_be_undone_does_not_keep_the_others_from_it(tmp_path, there):
    stuck = Put(there, "b")
    stuck.undo = lambda data: (_ for _ in ()).throw(OSError("stuck"))
    run = opened(tmp_path, Put(there, "a"), stuck, Put(there, "c", fails=UnavailableError("no luck")))
    run.perform("a")
    run.perform("b")
    with pytest.raises(UnavailableError, match="no luck; and it could not be undone: b: OSError: stuck"):
        run.perform("c")
    assert not (there / "a").exists()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("pratique.runbook.engine.run.UNDO_BUSY_S", 0.1)
    monkeypatch.setattr("pratique.ledger.ledger.BUSY_S", 0.5)


def test_a_ledger_that_others_hold_does_not_keep_anything_from_being_undone(tmp_path, there, short, capsys):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b"), Put(there, "c", fails=UnavailableError("no luck")))
    run.perform("a")
    run.perform("b")
    other = sqlite3.connect(run.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("c")
    assert time.monotonic() - began < 5
    other.execute("ROLLBACK")
    other.close()
    assert (there / "undone").read_text() == "c b a "
    assert not run.lock.held
    assert "was held by another process" in capsys.readouterr().out


def test_a_balancer_that_somebody_else_holds_is_waited_for_while_it_is_undone(tmp_path, there, monkeypatch):
    monkeypatch.setattr("pratique.runbook.engine.run.UNDO_AGAIN_S", 0.01)
    held = Put(there, "a")
    run = opened(tmp_path, held, Put(there, "b", fails=UnavailableError("no luck")))
    run.perform("a")
    undo, asked = held.undo, []

    def busy_at_first(data):
        asked.append(1)
        if len(asked) < 4:
            raise BusyError("HAProxy is being changed by somebody else")
        undo(data)

    held.undo = busy_at_first
    with pytest.raises(UnavailableError, match=r"no luck$"):
        run.perform("b")
    assert not (there / "a").exists()


def test_a_lock_is_taken_though_the_ledger_cannot_be_written(tmp_path, there, short):
    run = opened(tmp_path, Put(there, "a"))
    run.perform("a")
    run.lock.leave()
    run._guardian.dismiss()
    run._interrupts.remove()
    other = sqlite3.connect(run.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    again = Run(Config(base=str(tmp_path)), "shop", "one", who="ann", why="test")
    again.steps = {"a": Put(there, "a")}
    again.on_failure = lambda error: again.close({"error": str(error)})
    again.attach()
    again.abort("its process died")
    other.execute("ROLLBACK")
    other.close()
    assert not (there / "a").exists()


def test_what_could_not_be_entered_while_it_was_undone_is_entered_after_it(tmp_path, there, short):
    holding = Put(there, "a")
    run = opened(tmp_path, holding, Put(there, "b", fails=UnavailableError("no luck")))
    run.perform("a")
    other = sqlite3.connect(run.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    undo = holding.undo
    holding.undo = lambda data: (undo(data), other.execute("ROLLBACK"))
    with pytest.raises(UnavailableError, match="no luck"):
        run.perform("b")
    other.close()
    events = [(entry.data["step"], entry.data["event"]) for entry in run.ledger.entries("shop", "step")]
    assert events == [("a", "done"), ("b", "failed"), ("b", "undone"), ("a", "undone")]


def test_a_journal_that_cannot_be_written_does_not_keep_anything_from_being_undone(
    tmp_path, there, monkeypatch, capsys
):
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
    assert not run.lock.held
    assert "No space left" in capsys.readouterr().out


def test_a_wrong_parameter_does_not_make_the_lock_forget_who_died(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), stages=[5, 50])
    run.perform("a")
    run.lock.leave()  # as the kernel does when it dies
    run._guardian.dismiss()
    run._interrupts.remove()
    with pytest.raises(UsageError, match="opened with stages"):
        opened(tmp_path, Put(there, "a"), stages=[20, 50])
    assert Lock(Config(base=str(tmp_path)).state_dir, "shop").abandoned().run == "one"
    again = opened(tmp_path, Put(there, "a"), stages=[5, 50])
    again.abort("enough")
    assert not (there / "a").exists()


def test_a_final_step_that_is_done_stays_done_though_its_record_is_interrupted(tmp_path, there, monkeypatch):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", final=True))
    run.perform("a")
    record = run._record

    def interrupted(event, step, reason=""):
        if (event, step) == ("done", "b"):
            raise KeyboardInterrupt
        record(event, step, reason)

    monkeypatch.setattr(run, "_record", interrupted)
    with pytest.raises(StoppedError):
        run.perform("b")
    assert run.journal.state("b") == "done"
    assert (there / "a").exists()
    assert (there / "b").exists()


def test_a_failed_run_can_be_tried_again_under_its_id(tmp_path, there):
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


def test_ctrl_c_undoes_as_a_failure_does(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"), Put(there, "b", fails=KeyboardInterrupt()))
    run.perform("a")
    with pytest.raises(StoppedError, match="interrupted by a person"):
        run.perform("b")
    assert not (there / "a").exists()


def test_abort_between_steps_undoes(tmp_path, there):
    run = opened(tmp_path, Put(there, "a"))
    run.perform("a")
    run.abort("enough")
    run.abort("enough")
    assert not (there / "a").exists()
    with pytest.raises(UsageError, match="new run_id"):
        run.perform("a")


def test_the_same_id_for_something_else_is_refused(tmp_path, there):
    opened(tmp_path, revision="r2").close({})
    with pytest.raises(UsageError, match="opened with revision 'r2', not 'r3'"):
        opened(tmp_path, revision="r3")
    assert opened(tmp_path, revision="r2").close({}) is None


def test_a_second_run_is_told_who_holds_the_service(tmp_path):
    run = opened(tmp_path)
    with pytest.raises(BusyError, match=r"run 'one' of ann \(test\)"):
        opened(tmp_path, run_id="two")
    run.close({})
    opened(tmp_path, run_id="two").close({})


def test_a_deadline_counts_from_the_attempts_beginning(tmp_path):
    run = opened(tmp_path, deadline=timedelta(0))
    with pytest.raises(UnavailableError, match="deadline"):
        run.require_time()
    run.close({})


def test_a_dry_run_tells_and_changes_nothing(tmp_path, there, capsys):
    run = Run(Config(base=str(tmp_path)), "shop", "one", who="ann", dry_run=True)
    run.steps = {"a": Put(there, "a")}
    assert run.perform("a") == {}
    assert f"write {there / 'a'}" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == [there]


PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
from test_run import Put, opened
from pathlib import Path
from pratique.runbook.engine.step import Step

class Wait(Step):
    name = does = "wait"
    def do(self, noted):
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
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path, there, where], stderr=subprocess.PIPE)
    eventually((tmp_path / "waiting").exists)
    return process


def eventually(condition, deadline_s=20.0):
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def guardians(tmp_path):
    return [
        p
        for p in psutil.process_iter()
        if str(tmp_path) in " ".join(_arguments(p)) and "guardian" in " ".join(_arguments(p))
    ]


def _arguments(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.parametrize("where", ["within", "between"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_undoes_within_a_step_and_between_steps(tmp_path, there, where, number):
    process = begin(tmp_path, there, where)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0, errors
    assert not (there / "a").exists()
    last = (tmp_path / ".pratique/runs/one/journal.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["event"] == "ended"
    eventually(lambda: not guardians(tmp_path))


def test_a_killed_process_undoes_nothing_and_its_lock_is_free(tmp_path, there):
    process = begin(tmp_path, there, "within")
    process.kill()
    process.communicate()
    eventually(lambda: not guardians(tmp_path))
    assert (there / "a").exists()
    run = opened(tmp_path, Put(there, "a"), Put(there, "wait"))
    assert run.resumed
    run.perform("a")
    assert not (there / "undone").exists()
    run.close({})
    assert (there / "a").exists()


class Stuck(Put):
    """A file that cannot be removed as long as something stands in the way."""

    def undo(self, data):
        if self._path.with_name("in the way").exists():
            raise OSError("in the way")
        super().undo(data)


class Found(Step):
    """Finds something out, and changes nothing."""

    name = does = "found"

    def do(self, noted):
        return {"found": 7}


def test_what_could_not_be_undone_stays_known_and_is_undone_later(tmp_path, there):
    steps = [Found(), Stuck(there, "a"), Put(there, "b", fails=KeyError("no luck"))]
    (there / "in the way").touch()
    run = opened(tmp_path, *steps)
    run.perform("found")
    run.perform("a")
    with pytest.raises(UnavailableError, match="could not be undone: a: OSError: in the way"):
        run.perform("b")
    assert run.journal.data("found") == {"found": 7}
    (there / "in the way").unlink()
    again = opened(tmp_path, *steps)
    assert again.perform("found") == {"found": 7}
    again.abort("enough")
    assert not (there / "a").exists()
    assert again.journal.data("found") == {}


def test_undoing_waits_for_a_part_that_starts_again(tmp_path, there):
    late = Put(there, "a")
    really, tries = late.undo, []

    def undo(data):
        tries.append(data)
        if len(tries) < 3:
            raise UnavailableError("it starts again")
        really(data)

    late.undo = undo
    run = opened(tmp_path, late)
    run.perform("a")
    run.abort("enough")
    assert not (there / "a").exists()
    assert len(tries) == 3
