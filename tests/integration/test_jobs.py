"""Jobs as local processes: every end, one at a time, deaths, the scheduler, pings, notifications and the runbook."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from pratique import open_job
from pratique.clock import stamp, utc_now
from pratique.errors import BusyError, DataError, Interrupted, MissingError, UsageError
from pratique.ledger import open_ledger
from pratique.runbook.recovery import finish_dead_run
from pratique.runbook.runs import find_run
from support.job_hosts import WORK, JobHost, most_at_once
from support.waiting import eventually

pytestmark = pytest.mark.slow

SECRET = "s3cr3t-of-the-shop"
RUNTIME = 'command = ["{python}", "{dir}/app.py", "{port}"]\nenv = { TOKEN = "env:JOB_TOKEN" }\ndrain_s = 1\n'
DAILY = 'command = ["{python}", "{dir}/job.py"]\nschedule = "0 0 1 1 *"\ntimezone = "UTC"\n'


@pytest.fixture
def make_host(tmp_path, monkeypatch):
    monkeypatch.setenv("JOB_TOKEN", SECRET)

    def make(runtime=RUNTIME, more="", **jobs):
        for revision in ("r1", "r2"):
            folder = tmp_path / "releases" / revision
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "job.py").write_text(WORK)
            (folder / "rev").write_text(revision)
        tables = {
            job: DAILY + text if "command" not in text else text for job, text in (jobs or {"nightly": ""}).items()
        }
        host = JobHost(tmp_path, runtime, tables)
        host.file.write_text(more + host.file.read_text())
        return host.serves("r1")

    yield make
    for process in psutil.process_iter(["cmdline"]):
        if str(tmp_path) in " ".join(process.info["cmdline"] or ()):
            process.kill()


def test_every_end_has_its_outcome(make_host):
    host = make_host(nightly="timeout_s = 1")
    ok = host.run("nightly")
    failed = host.run("nightly", "exit=3", "secret=TOKEN")
    late = host.run("nightly", "sleep=20")
    missing = host.call("job", "nightly", "--", "/no/such/program")
    assert [(r.outcome, r.details["exit_code"]) for r in (ok, failed, late)] == [
        ("ok", 0),
        ("failed", 3),
        ("timed out", 143),
    ]
    assert missing[0] == 1
    assert "never started (exit status 127): No such file or directory" in missing[1]
    log = (host.folder / ".pratique/jobs/nightly/logs" / failed.details["log"]).read_text()
    assert "the secret is [env:JOB_TOKEN]" in log
    kept = [p for p in (host.folder / ".pratique").rglob("*") if p.is_file() and p.name != "log"]
    assert not [p for p in kept if SECRET.encode() in p.read_bytes()]
    assert all(p.stat().st_mode & 0o077 == 0 for p in kept)


def test_of_many_that_ask_at_once_one_runs(make_host):
    host = make_host(nightly="")
    runs = host.folder / "runs"
    started = [
        host.start("job", "nightly", "--", "{python}", "{dir}/job.py", "sleep=1", f"file={runs}") for _ in range(4)
    ]
    statuses = sorted(process.wait(60) for process in started)
    assert statuses[0] == 0
    assert set(statuses) <= {0, 2}
    assert most_at_once(runs.read_text()) == 1
    assert len(host.outcomes("nightly")) == 4


def test_a_killed_waiter_loses_no_outcome(make_host):
    host = make_host(nightly="")
    waiter = host.start("job", "nightly", "--", "{python}", "{dir}/job.py", "sleep=2", "exit=7")
    eventually(lambda: host.look("nightly").state == "running")
    waiter.send_signal(signal.SIGKILL)
    waiter.wait()
    assert host.run("nightly").outcome == "skipped"
    eventually(lambda: host.look("nightly").state == "failed")
    assert [r.details["exit_code"] for r in host.outcomes("nightly", "failed")] == [7]


def test_a_killed_supervisor_is_a_lost_run_and_no_second_one_beside_its_processes(make_host):
    host = make_host(nightly="")
    host.run("nightly", "sleep=20", wait=False)
    state = json.loads((host.folder / ".pratique/one-off/pratique-shop-job-nightly/state.json").read_text())
    os.kill(state["supervisor"], signal.SIGKILL)
    eventually(lambda: host.look("nightly").state == "lost")
    assert not psutil.pid_exists(state["pid"]) or psutil.Process(state["pid"]).status() == psutil.STATUS_ZOMBIE
    assert host.run("nightly").outcome == "ok"
    assert [r.outcome for r in host.outcomes("nightly")] == ["lost", "ok"]


def test_backoff_and_its_end(make_host):
    host = make_host(nightly="")
    assert host.call("job", "nightly", "--backoff", "on", "--why", "release", "--who", "ann")[0] == 0
    status, text = host.call("job", "nightly")
    assert (status, "backed off: held back by ann (release) since" in text) == (2, True)
    assert host.status("nightly")["backoff"]["who"] == "ann"
    assert "no longer held back" in host.call("job", "nightly", "--backoff", "off")[1]
    assert host.call("job", "nightly", "--quiet") == (0, "")


def test_the_list_says_what_is_wrong_and_what_to_do(make_host):
    host = make_host(good="", bad="", none="")
    host.run("good")
    host.run("bad", "exit=3")
    status, text = host.call("jobs")
    assert status == 1
    assert [line.split()[:2] for line in text.splitlines() if not line.startswith(" ")][1:] == [
        ["bad", "failed"], ["good", "up"], ["none", "new"],
    ]  # fmt: skip
    assert "run it: pratique job bad" in text
    status, text = host.call("jobs", "good", "--json")
    (found,) = json.loads(text)
    assert (status, found["state"], found["last"]["outcome"], found["last"]["exit_code"]) == (0, "up", "ok", 0)


def known_since(host, name, **changed):
    """As if a job had been known for long."""
    host.look(name)
    file = host.folder / f".pratique/jobs/{name}/memory.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"since": "2020-01-01T00:00:00.000000Z", **changed}))


def test_missed_while_down_is_counted_and_recorded_once(make_host, tmp_path):
    host = make_host(nightly=f"{DAILY.replace('0 0 1 1 *', '0 * * * *')}grace_s = 60\n")
    now = utc_now()
    known_since(host, "nightly", checked=stamp(now.replace(year=now.year - 1)))
    status = host.look("nightly")
    assert (status.state, status.missed > 8000) == ("missed", True)
    (record,) = host.outcomes("nightly")
    assert record.details["count"] == status.missed
    assert host.look("nightly").missed == status.missed
    assert host.run("nightly").outcome == "ok"
    assert host.look("nightly").state == "up"


def test_two_schedulers_run_each_due_time_once(make_host):
    job = DAILY.replace('schedule = "0 0 1 1 *"\ntimezone = "UTC"', "every_s = 3")
    host = make_host(nightly=job)
    runs = host.folder / "runs"
    host.file.write_text(
        host.file.read_text().replace('"{dir}/job.py"]', f'"{{dir}}/job.py", "sleep=0.3", "file={runs}"]')
    )
    schedulers = [host.start("jobs", "--run") for _ in range(2)]
    eventually(lambda: len(host.outcomes("nightly", "ok")) >= 3)
    for scheduler in schedulers:
        scheduler.terminate()
    assert [scheduler.wait(30) for scheduler in schedulers] == [0, 0]
    planned = [r.details["planned"] for r in host.outcomes("nightly", "ok")]
    assert len(set(planned)) == len(planned)
    assert all(planned)
    assert most_at_once(runs.read_text()) == 1


def waits_to_try_again(host):
    """Start a run that fails; return its process when it waits before the next attempt."""
    process = host.start("job", "nightly", "--", "{python}", "{dir}/job.py", "exit=3")
    eventually(lambda: list(host.job("nightly").folder.rglob("*-exit-3*.log")))
    return process


def test_a_run_that_waits_to_try_again_is_replaced(make_host):
    host = make_host(nightly='retries = 3\nretry_delay_s = 300\noverlap = "replace"')
    waiting = waits_to_try_again(host)
    assert host.run("nightly").outcome == "ok"
    assert waiting.wait(30) in (1, 2)
    ends = {record.outcome: record.details["reason"] for record in host.outcomes("nightly")}
    assert set(ends) == {"stopped", "ok"}
    assert ends["stopped"].startswith("replaced by run nightly-")


@pytest.mark.parametrize(("words", "outcome"), [(["--backoff", "stop"], "stopped"), (["--backoff", "on"], "failed")])
def test_a_run_that_waits_to_try_again_ends_when_the_job_is_held_back(make_host, words, outcome):
    host = make_host(nightly="retries = 3\nretry_delay_s = 300")
    waiting = waits_to_try_again(host)
    assert host.call("job", "nightly", *words)[0] == 0
    assert waiting.wait(30) in (1, 2)
    assert [record.outcome for record in host.outcomes("nightly")] == [outcome]


def test_nothing_runs_on_demand_before_it_is_due(make_host):
    host = make_host(nightly="")
    assert host.call("job", "nightly", "--if-due") == (0, "")
    assert host.outcomes("nightly") == []


class Receiver(ThreadingHTTPServer):
    """A server that keeps what it is asked."""

    def __init__(self, status=200):
        seen = self.seen = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                seen.append((self.path, body.decode()))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def receiver():
    with Receiver() as found:
        yield found
        found.shutdown()


def test_a_check_gets_start_and_end(make_host, receiver, monkeypatch):
    monkeypatch.setenv("PING", f"{receiver.address}/0c3d-uuid")
    host = make_host(nightly='ping = "env:PING"')
    host.run("nightly")
    host.run("nightly", "exit=3", "print=disk full")
    paths = [path.partition("?")[0].removeprefix("/0c3d-uuid") for path, _ in receiver.seen]
    assert paths == ["/start", "/0", "/start", "/3"]
    ids = [path.partition("rid=")[2] for path, _ in receiver.seen]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert "disk full" in receiver.seen[3][1]


def test_a_check_that_cannot_be_reached_fails_no_job_and_shows_no_address(make_host, monkeypatch):
    monkeypatch.setenv("PING", "http://127.0.0.1:9/secret-part")
    host = make_host(nightly='ping = "env:PING"')
    status, text = host.call("job", "nightly")
    assert status == 0
    assert "the ping 'start' did not arrive" in text
    assert "secret-part" not in text


def test_failures_in_a_row_and_the_all_clear_are_sent(make_host, receiver, monkeypatch):
    monkeypatch.setenv("HOOK", f"{receiver.address.replace('http', 'json')}/hook")
    route = '[[notify]]\nto = "env:HOOK"\nevents = ["job.*"]\ngroup_s = 0\n'
    host = make_host(more=route, nightly="alert_after = 2")
    host.run("nightly", "exit=3")
    host.run("nightly", "exit=3", "print=disk full")
    eventually(lambda: len(receiver.seen) == 1)
    assert "2 times in a row: exit status 3" in receiver.seen[0][1]
    assert "disk full" in receiver.seen[0][1]
    host.look("nightly")
    host.run("nightly")
    eventually(lambda: len(receiver.seen) == 2)
    assert "is well again after 2 failed" in receiver.seen[1][1]


def test_the_runbook_runs_a_job_and_records_it(make_host):
    host = make_host(nightly="")
    opened = open_job(job="nightly", config=str(host.file), run_id="n1", who="ann", why="try it")
    with pytest.raises(BusyError, match="job@nightly is held by run 'n1' of ann"):
        open_job(job="nightly", config=str(host.file), run_id="n2")
    assert host.run("nightly").outcome == "skipped"
    assert opened.check()["revision"] == "r1"
    opened.hold_back()
    assert opened.run() == "ok"
    assert opened.verify() == "ok"
    result = json.loads(opened.record().read_text())
    assert (result["subject"], result["outcome"], result["ended"]["exit_code"]) == ("job@nightly", "done", 0)
    assert find_run(host.config.state_dir, "n1").outcome == "done"
    assert {e.kind for e in open_ledger(host.config.state_dir).entries("job@nightly")} == {"lock", "run", "step"}
    assert [lane.name for lane in opened.lanes] == ["nightly"]
    assert [run.outcome for run in opened.lanes[0].runs] == ["skipped", "ok"]


def test_a_dead_run_of_the_runbook_is_undone_by_another_process(make_host):
    host = make_host(nightly="")
    script = (
        "import sys; from pratique import open_job; found = open_job(job='nightly', config=sys.argv[1], run_id='n1',"
        " command='{python} {dir}/job.py sleep=30', backoff='on'); found.check();"
        " from pratique.jobs.backoff import clear_backoff; clear_backoff(found.context.job); found.run()"
    )
    (host.folder / "run.py").write_text(script)
    process = psutil.Popen([*host.command()[:1], str(host.folder / "run.py"), str(host.file)])
    eventually(lambda: host.look("nightly").state == "running")
    process.kill()
    process.wait()
    finish_dead_run(host.config.state_dir / "runs/n1", "a test")
    assert find_run(host.config.state_dir, "n1").outcome == "failed"
    (record,) = host.outcomes("nightly")
    assert (record.outcome, record.details["reason"]) == ("stopped", "its run 'n1' was undone")
    assert host.run("nightly").outcome == "ok"


def test_a_dry_run_changes_nothing(make_host, capsys):
    host = make_host(nightly="")
    before = sorted(host.folder.rglob("*"))
    opened = open_job(job="nightly", config=str(host.file), run_id="n1", dry_run=True, backoff="on")
    opened.check()
    opened.hold_back()
    opened.run()
    opened.record()
    assert "backoff on" in capsys.readouterr().out
    assert sorted(host.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("job", "nope"), "no job 'nope' in"),
        (("job", "../x"), "job '../x' is not a name"),
        (("job", "empty"), "jobs.empty.command is missing"),
        (("job", "lost"), "jobs.lost.service 'cart' is no service of this file: choose one of shop"),
        (("jobs", "--run", "--json"), "--run, --crontab, --systemd and --json exclude each other"),
        (("job", "nightly", "--revision", "r9"), "no release 'r9'"),
    ],
)
def test_a_wrong_call_is_one_line(make_host, words, message):
    host = make_host(nightly="", empty="command = []", lost=f'{DAILY}service = "cart"')
    status, text = host.call(*words)
    assert status >= 64
    assert message in text
    assert text.count("\n") == 1


def test_hostile_words_are_words(make_host, tmp_path):
    host = make_host(nightly="")
    mark = tmp_path / "hacked"
    record = host.run("nightly", f"print=$(touch {mark}); `touch {mark}` \x1b[2J", "exit=1")
    assert record.outcome == "failed"
    assert not mark.exists()
    status, text = host.call("jobs")
    assert "\x1b" not in text
    assert status == 1
    with pytest.raises(UsageError, match="is not a name"):
        host.config.job("a/b")


def test_a_release_that_was_changed_is_not_run(make_host):
    host = make_host(nightly="")
    Path(host.folder, "releases/r1/job.py").write_text("print('changed')")
    with pytest.raises(DataError, match="was released with digest"):
        host.run("nightly")
    assert host.look("nightly").state == "failed"


LEAVES = ["sh", "-c", "setsid sh -c 'echo $$ >{file}; exec sleep 300' & while [ ! -s {file} ]; do sleep 0.05; done"]


def test_what_a_job_leaves_behind_ends_with_it(make_host, tmp_path):
    host, file = make_host(nightly=""), tmp_path / "left"
    words = [word.replace("{file}", str(file)) for word in LEAVES]
    assert host.call("job", "nightly", "--", *words)[0] == 0
    eventually(lambda: not psutil.pid_exists(int(file.read_text())))
    assert host.run("nightly").outcome == "ok"


def test_what_a_job_leaves_behind_cannot_keep_its_log_open(make_host):
    host = make_host(nightly="")
    status, text = host.call("job", "nightly", "--", "sh", "-c", "setsid yes & sleep 0.2; exit 3")
    assert (status, "exit status 3" in text) == (1, True)


def test_a_timeout_is_one_whatever_the_command_ends_with(make_host):
    host = make_host(nightly="timeout_s = 1")
    status, text = host.call("job", "nightly", "--", "sh", "-c", "trap 'exit 0' TERM; sleep 20 & wait")
    assert (status, "timed out" in text) == (1, True)


def test_a_run_that_nobody_waits_for_tells_its_end_to_its_check(make_host, receiver, monkeypatch):
    monkeypatch.setenv("PING", receiver.address)
    host = make_host(nightly='ping = "env:PING"')
    host.run("nightly", "sleep=1", "exit=4", wait=False)
    eventually(lambda: host.look("nightly").state == "failed")
    host.look("nightly")
    with pytest.raises(MissingError):
        host.run("nightly", revision="r9")
    assert [path.partition("?")[0] for path, _ in receiver.seen] == ["/start", "/4", "/1"]


def test_stop_also_ends_a_run_that_is_about_to_begin(make_host):
    host = make_host(nightly="")
    for _ in range(3):
        run = host.start("job", "nightly", "--", "{python}", "{dir}/job.py", "sleep=30")
        lock = host.folder / ".pratique/locks/job@nightly.lock"
        eventually(lambda lock=lock: lock.exists() and lock.read_text())
        assert host.call("job", "nightly", "--backoff", "stop")[0] == 0
        run.communicate(timeout=20)
        assert run.returncode in (1, 2)
        assert host.call("job", "nightly", "--backoff", "off")[0] == 0
    ends = [record.outcome for record in host.outcomes("nightly")]
    assert len(ends) == 3
    assert set(ends) <= {"stopped", "backed off"}


def test_json_is_one_object_whatever_happens(make_host):
    host = make_host(nightly="")
    for words, found in [
        (("--backoff", "on", "--why", "a\x1b[2Jb"), {"stopped": False}),
        (("--backoff", "off"), {"backoff": None}),
        (("--if-due",), {"outcome": None}),
        (("--no-wait",), {"outcome": None}),
    ]:
        status, text = host.call("job", "nightly", "--json", *words)
        assert status == 0
        assert json.loads(text).items() >= {"job": "nightly", **found}.items()
    status, text = host.call("job", "nightly", "--backoff", "on", "--", "true")
    assert (status, "--backoff runs nothing" in text) == (64, True)


def test_stop_reaches_what_a_dead_supervisor_left_behind(make_host, tmp_path):
    host, file = make_host(nightly=""), tmp_path / "left"
    words = [word.replace("{file}", str(file)) for word in LEAVES]
    words[-1] += "; sleep 300"
    assert host.call("job", "nightly", "--no-wait", "--", *words)[0] == 0
    eventually(lambda: file.exists() and file.read_text())
    state = json.loads((host.folder / ".pratique/one-off/pratique-shop-job-nightly/state.json").read_text())
    os.kill(state["supervisor"], signal.SIGKILL)
    eventually(lambda: host.look("nightly").state == "running")
    assert host.call("job", "nightly", "--backoff", "stop")[0] == 0
    eventually(lambda: not psutil.pid_exists(int(file.read_text())))
    assert host.call("job", "nightly", "--backoff", "off")[0] == 0
    assert host.run("nightly").outcome == "ok"


def test_a_command_that_is_interrupted_before_its_run_began_loses_nothing(make_host, monkeypatch):
    def interrupted(*_args, **_options):
        raise Interrupted

    host = make_host(nightly="")
    with monkeypatch.context() as patch:
        patch.setattr("pratique.runtime.one_off_process.subprocess.run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            host.run("nightly")
    (record,) = host.outcomes("nightly")
    assert (record.outcome, "before it was started" in record.details["reason"]) == ("stopped", True)
    assert host.run("nightly").outcome == "ok"
