"""Jobs on real engines: every end, two hosts of which one comes over SSH, deaths of the waiter and of the engine."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from pratique.errors import DataError, MissingError
from pratique.jobs.backoff import set_backoff
from pratique.runtime import open_runtime
from pratique.runtime.secretfiles import ROOT
from support.docker_engine import needs_docker
from support.job_hosts import WORK, JobHost, most_at_once
from support.ssh_host import needs_ssh, ssh_to_this_machine
from support.waiting import eventually

pytestmark = needs_docker

SECRET = "s3cr3t-of-the-shop"
PROGRAM = 'command = ["/usr/bin/python3", "/job.py"]'
DAILY = f'{PROGRAM}\nschedule = "0 0 1 1 *"\ntimezone = "UTC"\n'


def runtime_of(host, more=""):
    return (
        f'kind = "docker"\ncommand = ["/usr/bin/python3", "-u", "/app.py", "8000"]\nenv = {{ TOKEN = "env:JOB_TOKEN" }}\ndrain_s = 2\n'
        f'[services.shop.runtime.docker]\nimage = "jobs-shop"\nhosts = ["{host}"]\nmemory = "48m"\n'
        f'volumes = {{ jobs-data = "/data" }}\n{more}'
    )


@pytest.fixture(scope="module")
def images(engine):
    # files in a volume are made by the image's user
    for revision in ("r1", "r2"):
        engine.image(f"jobs-shop:{revision}", "import time; time.sleep(600)", files={"job.py": WORK, "rev": revision})


@pytest.fixture
def make_host(engine, images, tmp_path, monkeypatch):
    monkeypatch.setenv("JOB_TOKEN", SECRET)

    def make(name="a", host=None, **jobs):
        tables = {job: DAILY + text for job, text in (jobs or {"nightly": ""}).items()}
        return JobHost(tmp_path / name, runtime_of(host or engine.host), tables).serves("r1")

    yield make
    engine.clean()


def containers(engine, **labels):
    client = engine.client()
    try:
        wanted = [f"{key}={value}" for key, value in labels.items()]
        return [found.attrs for found in client.containers.list(all=True, filters={"label": wanted})]
    finally:
        client.close()


def test_every_end_has_its_outcome(make_host, engine):
    host = make_host(nightly="timeout_s = 3\nretry_delay_s = 0")
    ok = host.run("nightly", "secret=TOKEN")
    failed = host.run("nightly", "exit=3", "secret=TOKEN", "print=hunter \x1b[31m password=hunter2")
    oom = host.run("nightly", "memory=100")
    late = host.run("nightly", "sleep=25", "trap=yes")
    assert [(r.outcome, r.details["exit_code"]) for r in (ok, failed, oom, late)] == [
        ("ok", 0), ("failed", 3), ("failed", 137), ("timed out", 5),
    ]  # fmt: skip
    assert oom.details["oom"] is True
    assert oom.details["reason"] == "out of memory: it used more than 48m (exit status 137)"
    assert late.details["reason"] == "stopped after 3 s, which is its timeout_s"
    assert late.details["last_lines"][-1] == "stopping"
    assert 3000 <= late.duration_ms < 8000
    log = (host.folder / ".pratique/jobs/nightly/logs" / failed.details["log"]).read_text()
    assert "the secret is [env:JOB_TOKEN]" in log
    assert failed.details["log"].endswith("-exit-3.log")
    assert not any("\x1b" in line or "hunter2" in line for line in failed.details["last_lines"])
    everything = b"".join(p.read_bytes() for p in (host.folder / ".pratique").rglob("*") if p.is_file())
    assert SECRET.encode() not in everything
    assert host.look("nightly").state == "timed out"
    assert [r.outcome for r in host.outcomes("nightly")] == ["ok", "failed", "failed", "timed out"]


def test_a_command_that_cannot_be_executed_is_reported(make_host):
    host = make_host(nightly="")
    config = host.file.read_text().replace('"/usr/bin/python3", "/job.py"', '"/no/such/program"')
    host.file.write_text(config)
    status, text = host.call("job", "nightly")
    assert status == 1
    assert "its command could not be executed (exit status 127)" in text
    host.file.write_text(config.replace("/no/such/program", "/job.py"))
    status, text = host.call("job", "nightly")
    assert (status, "its command could not be executed (exit status 126)" in text) == (1, True)


def test_a_job_has_what_the_service_has_and_no_more(make_host, engine):
    host = make_host()
    host.run("nightly", "exit=0")
    (found,) = containers(engine)
    limits, settings = found["HostConfig"], found["Config"]
    assert (limits["CapDrop"], limits["ReadonlyRootfs"], limits["Init"]) == (["ALL"], True, True)
    assert (limits["Memory"], limits["PidsLimit"]) == (48 << 20, 256)
    assert limits["SecurityOpt"] == ["no-new-privileges"]
    assert limits["RestartPolicy"]["Name"] in {"", "no"}
    assert not limits["PortBindings"]
    assert settings["Image"].startswith("sha256:")
    assert settings["Healthcheck"]["Test"] == ["NONE"]
    assert settings["Labels"]["pratique.service"] == "shop"
    assert "pratique.address" not in settings["Labels"]
    assert SECRET not in json.dumps(found)
    assert {mount["Destination"] for mount in found["Mounts"]} == {"/data", "/run/secrets"}
    # its secrets ended with it, and nobody takes it for an instance of the service
    assert not list(Path("/dev/shm", ROOT).glob("*/shop/pratique-shop-job-*"))
    runtime = open_runtime(host.config.target("shop"))
    assert not [*runtime.list("shop"), *runtime.exited("shop")]


def test_secrets_of_a_job_that_runs_are_not_swept_away(make_host, engine, monkeypatch):
    host = make_host()
    host.run("nightly", "sleep=30", wait=False)
    monkeypatch.setattr("pratique.runtime.secretfiles.SWEEP_MIN_AGE_S", -1.0)
    open_runtime(host.config.target("shop")).remove_exited("shop", "some-run")
    (folder,) = Path("/dev/shm", ROOT).glob("*/shop/pratique-shop-job-*")
    assert (folder / "TOKEN").read_text() == SECRET


def test_a_failed_run_is_tried_again(make_host):
    host = make_host(nightly="retries = 2\nretry_delay_s = 0.1")
    record = host.run("nightly", "exit=4")
    assert (record.outcome, record.details["attempt"]) == ("failed", 3)
    names = sorted(path.name for path in (host.folder / ".pratique/jobs/nightly/logs").iterdir())
    assert len(names) == 3
    assert len(host.outcomes("nightly")) == 1


@needs_ssh
def test_of_two_hosts_at_one_due_time_one_runs_it(make_host, engine, monkeypatch):
    """One host comes over SSH. Many of both ask at the same moments; the job itself writes down when it runs."""
    with ssh_to_this_machine(monkeypatch) as address:
        socket = engine.host.removeprefix("unix://")
        hosts = [make_host("a"), make_host("b", f"{address}{socket}")]
        for _ in range(2):
            with ThreadPoolExecutor(4) as pool:
                asked = [pool.submit(host.run, "nightly", "sleep=1", "file=/data/runs") for host in hosts * 2]
                ended = [future.result().outcome for future in asked]
            assert ended.count("ok") >= 1
            assert set(ended) <= {"ok", "skipped"}
        shown = hosts[0].run("nightly", "print=" + "x")
        assert shown.outcome == "ok"
        runs = read_volume(engine)
        assert most_at_once(runs) == 1
        began = sum(line.endswith("begins") for line in runs.splitlines())
        known = {r.key for host in hosts for r in host.outcomes("nightly", "ok")}
        assert len(known) == began + 1


def read_volume(engine):
    client = engine.client()
    try:
        (volume,) = [v for v in client.volumes.list() if v.name == "jobs-data"]
        return Path(volume.attrs["Mountpoint"], "runs").read_text()
    finally:
        client.close()


def test_the_same_due_time_is_run_once_by_two_hosts(make_host, monkeypatch):
    due = "0 0 1 1 *"
    hosts = [make_host("a"), make_host("b")]
    for host in hosts:
        host.look("nightly")
        memory = host.folder / ".pratique/jobs/nightly/memory.json"
        # as if the hosts had known the job since long ago: the first of January is due and nobody began it
        kept = json.loads(memory.read_text())
        memory.write_text(json.dumps(kept | {"since": "2020-01-01T00:00:00.000000Z"}))
    first, second = (host.run("nightly", "exit=0") for host in hosts)
    assert due in hosts[0].file.read_text()
    assert (first.outcome, second.outcome) == ("ok", "skipped")
    assert "was for the same due time" in second.details["reason"]
    # by hand it runs as often as somebody wants
    assert hosts[0].run("nightly", "exit=0").outcome == "ok"


def test_a_killed_waiter_loses_no_outcome(make_host):
    host = make_host(nightly="")
    waiter = host.start("job", "nightly", "--", "/usr/bin/python3", "/job.py", "sleep=2", "exit=7")
    # killed before the start, the run is recorded as never started
    eventually(lambda: host.look("nightly").running_s is not None)
    waiter.send_signal(signal.SIGKILL)
    waiter.wait()
    # while it runs, no second one begins
    assert host.run("nightly").outcome == "skipped"
    eventually(lambda: host.look("nightly").state == "failed")
    (record,) = host.outcomes("nightly", "failed")
    assert record.details["exit_code"] == 7
    assert host.run("nightly").outcome == "ok"


def test_a_waiter_that_is_stopped_stops_its_run(make_host):
    host = make_host(nightly="")
    waiter = host.start("job", "nightly", "--", "/usr/bin/python3", "/job.py", "sleep=25", "trap=yes")
    eventually(lambda: host.look("nightly").state == "running")
    waiter.terminate()
    assert waiter.wait(60) == 143
    (record,) = host.outcomes("nightly")
    assert (record.outcome, record.details["reason"]) == ("stopped", "stopped with the command that ran it (SIGTERM)")


def test_nobody_waits_and_its_time_is_bounded_all_the_same(make_host):
    host = make_host(nightly="timeout_s = 1")
    assert host.run("nightly", "sleep=25", wait=False) is None
    time.sleep(1.2)
    assert host.look("nightly").state == "timed out"


def started_again(engine):
    """Start a killed engine; on a busy machine its containerd may take longer than the engine waits for it."""
    for _ in range(5):
        with suppress(AssertionError):
            engine.start()
            return
    raise AssertionError(engine.log())


def test_an_engine_that_is_killed_and_starts_again_loses_no_outcome(make_host, engine):
    host = make_host(nightly="")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(host.run, "nightly", "sleep=40")
        eventually(lambda: (found := host.look("nightly").running) and found.started)
        engine.kill()
        assert "no Docker engine answers" in host.look("nightly").unknown
        started_again(engine)
        record = asked.result(timeout=120)
    assert record.outcome in {"failed", "lost"}
    assert record.details["exit_code"] != 0
    assert len(host.outcomes("nightly")) == 1
    assert host.run("nightly").outcome == "ok"


def test_a_container_that_somebody_removed_is_lost(make_host, engine):
    host = make_host(nightly="")
    host.run("nightly", "sleep=25", wait=False)
    engine.clean()
    assert host.look("nightly").state == "lost"
    (record,) = host.outcomes("nightly")
    assert "its container is gone" in record.details["reason"]


def test_a_release_in_the_middle_of_a_run_leaves_it_alone(make_host, engine):
    host = make_host(nightly="")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(host.run, "nightly", "sleep=2")
        eventually(lambda: host.look("nightly").state == "running")
        host.serves("r2")
        runtime = open_runtime(host.config.target("shop"))
        for run in ("some-run", "other-run"):
            runtime.remove_exited("shop", run)
        first = asked.result(timeout=60)
    second = host.run("nightly")
    assert [(r.outcome, r.revision) for r in (first, second)] == [("ok", "r1"), ("ok", "r2")]


def test_changed_configuration_is_not_run_before_it_is_released(make_host):
    host = make_host(nightly="")
    host.file.write_text(host.file.read_text().replace('TOKEN = "env', 'OTHER = "1", TOKEN = "env'))
    with pytest.raises(DataError, match="was released with configuration"):
        host.run("nightly")
    (record,) = host.outcomes("nightly")
    assert record.details["reason"].startswith("never started: shop 'r1' was released with configuration")


def test_backoff_in_both_forms(make_host):
    host = make_host(nightly="")
    set_backoff(host.job("nightly"), "on", who="ann", why="release of r2")
    held = host.run("nightly")
    assert (held.outcome, held.details["reason"][:37]) == ("backed off", "held back by ann (release of r2) sinc")
    assert host.look("nightly").state == "backed off"
    assert host.call("job", "nightly", "--backoff", "off")[0] == 0
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(host.run, "nightly", "sleep=25", "trap=yes")
        eventually(lambda: host.look("nightly").state == "running")
        status, text = host.call("job", "nightly", "--backoff", "stop", "--why", "now")
        assert (status, "its run was stopped" in text) == (0, True)
        stopped = asked.result(timeout=60)
    assert (stopped.outcome, stopped.details["exit_code"]) == ("stopped", 5)
    assert "(now)" in stopped.details["reason"]


def test_a_run_is_replaced_where_that_is_wanted(make_host):
    host = make_host(nightly='overlap = "replace"')
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(host.run, "nightly", "sleep=25", "trap=yes")
        eventually(lambda: host.look("nightly").state == "running")
        second = host.run("nightly", "exit=0")
        assert first.result(timeout=60).outcome == "stopped"
    assert second.outcome == "ok"


def test_a_secret_that_is_not_set_is_a_failure_in_one_line(make_host, monkeypatch):
    host = make_host(nightly="")
    monkeypatch.delenv("JOB_TOKEN")
    with pytest.raises(MissingError, match="JOB_TOKEN is not set"):
        host.run("nightly")
    assert host.look("nightly").state == "failed"


def test_a_foreign_container_of_that_name_is_never_touched(make_host, engine):
    host = make_host(nightly="")
    client = engine.client()
    client.containers.create("jobs-shop:r1", name="pratique-shop-job-nightly")
    client.close()
    with pytest.raises(DataError, match="is not one of job 'nightly': remove or rename it"):
        host.run("nightly")
    assert len(containers(engine)) == 1


def test_a_long_log_is_kept_from_its_end(make_host):
    host = make_host(nightly="")
    record = host.run("nightly", "lines=6000", "exit=1")
    log = host.folder / ".pratique/jobs/nightly/logs" / record.details["log"]
    assert log.stat().st_size <= (1 << 20) + 100
    assert log.read_text().startswith("… the beginning of the log is left out\nline ")
    assert log.stat().st_mode & 0o777 == 0o600
