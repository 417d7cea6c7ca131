"""The process runtime: the contract of all runtimes, and its own features: processes, logs, secrets."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from contract.runtime_contract import SERVER, RuntimeContract, get
from pratique.config import RuntimeSettings
from pratique.errors import MissingError, StorageError, UnavailableError
from pratique.release import load_release
from pratique.release.model import Release
from pratique.runtime.process import ProcessRuntime
from pratique.runtime.supervise import LOG_MAX_BYTES
from support.waiting import eventually

pytestmark = pytest.mark.server


class Place:
    """A state folder and a folder of releases."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.settings = RuntimeSettings(
            releases="releases",
            **{"command": ("{python}", "{dir}/app.py", "{port}"), "readiness_path": "/", **settings},
        )
        self.runtime = self.again()

    def again(self):
        return ProcessRuntime(self.settings, self.folder / "state", self.folder)

    def release(self, name, app=SERVER, **env):
        directory = self.folder / "releases" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "app.py").write_text(app)
        settings = self.settings.model_copy(update={"env": self.settings.env | env})
        return load_release("shop", name, settings, self.folder)

    def kill(self, instance):
        os.kill(pid_of(instance), signal.SIGKILL)

    def start(self, app, *, ready=True, **env):
        (instance,) = self.runtime.start(self.release("r1", textwrap.dedent(app), **env), run="run-1", role="canary")
        if ready:
            self.runtime.wait_ready(instance, deadline_s=60)
        return instance


def pid_of(instance):
    return int(instance.id.partition(":")[0])


def processes_below(folder):
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("PRATIQUE_STATE", "")]
            dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if not dead and any(word.startswith(str(folder)) for word in words):
            found.append(process)
    return found


@pytest.fixture
def make_place(tmp_path):
    places = []

    def make(**settings):
        places.append(Place(tmp_path, **settings))
        return places[-1]

    yield make
    for instance in places[0].runtime.list() if places else ():
        places[0].runtime.stop(instance, drain_s=0)
    eventually(lambda: processes_below(tmp_path) == [])


@pytest.fixture
def place(make_place):
    return make_place()


class TestProcessRuntime(RuntimeContract):
    pass


def test_an_instance_outlives_the_process_that_started_it(place, tmp_path):
    place.release("r1")
    script = f"""
import os, signal
from pathlib import Path
from pratique.config import RuntimeSettings
from pratique.release import load_release
from pratique.runtime.process import ProcessRuntime
settings, folder = RuntimeSettings(command=("{{python}}", "{{dir}}/app.py", "{{port}}")), Path({str(tmp_path)!r})
ProcessRuntime(settings, folder / "state", folder).start(
    load_release("shop", "r1", settings, folder), run="run-1", role="canary")
os.killpg(0, signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], start_new_session=True, check=False)
    (instance,) = place.runtime.list("shop")
    place.runtime.wait_ready(instance, deadline_s=60)
    assert get(instance)[0] == 200


def test_the_starting_process_keeps_no_child_processes(place):
    before = psutil.Process().children()
    instance = place.start(SERVER)
    place.runtime.stop(instance, drain_s=5)
    assert psutil.Process().children() == before


def test_an_instance_of_another_state_folder_is_not_listed(place, tmp_path):
    place.start(SERVER, ready=False)
    assert ProcessRuntime(place.settings, tmp_path / "other", tmp_path).list() == []


def test_killing_the_supervisor_kills_the_instance(place):
    instance = place.start(SERVER)
    place.kill(instance)
    eventually(lambda: processes_below(place.folder) == [])


def test_a_server_that_overwrites_its_environment_is_still_listed(place):
    """nginx, postgres and gunicorn do so to set their process title."""
    instance = place.start(
        """
        import ctypes, os, runpy, sys
        start, size = [int(word) for word in open("/proc/self/stat").read().rpartition(")")[2].split()[47:49]]
        ctypes.memset(start, 0, size - start)
        """
        + textwrap.indent(SERVER, " " * 8)
    )
    assert place.runtime.list("shop") == [instance]


def test_a_shell_and_its_server_are_drained_and_stopped(make_place):
    place = make_place(command=("sh", "-c", "{python} {dir}/app.py {port}; exit 0"))
    place.release("r1")
    instance = place.start(SERVER)
    place.runtime.stop(instance, drain_s=10)
    assert processes_below(place.folder) == []
    assert place.runtime.logs(instance)[-1].startswith("pratique: ")


def test_child_processes_of_a_crashed_instance_are_killed(place):
    instance = place.start(
        """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", __file__])
        sys.exit(1)
        """,
        ready=False,
    )
    eventually(lambda: processes_below(place.folder) == [])
    assert place.runtime.logs(instance) == ["pratique: exited with status 1"]


def test_a_process_that_reuses_the_id_is_not_stopped(place):
    """It has the same labels and process id, but another start time."""
    instance = place.start(SERVER)
    stale = type(instance)(**{**vars(instance), "id": f"{pid_of(instance)}:1"})
    place.runtime.stop(stale, drain_s=0)
    assert place.runtime.list("shop") == [instance]


def test_a_log_is_bounded_and_keeps_its_end(place):
    place.start(
        """
        import sys
        for number in range(60000):
            print(number, "x" * 100)
        """
        + textwrap.indent(SERVER, " " * 8)
    )
    (log,) = (place.folder / "state/processes").glob("*.log")
    (instance,) = place.runtime.list()
    eventually(lambda: place.runtime.logs(instance, lines=1) == ["listening"])
    size = sum(path.stat().st_size for path in log.parent.iterdir())
    assert LOG_MAX_BYTES < size < 2 * LOG_MAX_BYTES + (1 << 17)
    assert place.runtime.logs(instance, lines=2)[0].startswith("59999 ")


def test_a_secret_is_only_in_the_environment_of_the_instance(make_place, monkeypatch, tmp_path):
    monkeypatch.setenv("VAULT", "hunter2-of-the-shop")
    (tmp_path / "key").write_text("s3cr3t-key\n")
    place = make_place(env={"MODE": "env:VAULT", "KEY": "file:key"})
    release = place.release("r1", SERVER.replace('print("listening"', 'print("key", os.environ["KEY"], MODE'))
    (instance,) = place.runtime.start(release, run="run-1", role="canary")
    place.runtime.wait_ready(instance, deadline_s=60)
    assert get(instance)[1].startswith("hunter2-of-the-shop")
    assert place.runtime.logs(instance) == ["key [file:key] [env:VAULT]"]
    for word in ("hunter2", "s3cr3t"):
        assert word not in repr(release) + repr(instance)
        assert word not in " ".join(" ".join(p.cmdline()) for p in processes_below(tmp_path))


def test_a_secret_at_the_cut_of_a_long_log_is_not_partly_shown(make_place, monkeypatch):
    monkeypatch.setenv("VAULT", "hunter2-of-the-shop")
    place = make_place(env={"MODE": "env:VAULT"})
    # the end of this log always begins within a secret
    talkative = SERVER.replace('print("listening"', 'print(MODE * 5000 + "\\n" + "listening"')
    (instance,) = place.runtime.start(place.release("r1", talkative), run="run-1", role="canary")
    place.runtime.wait_ready(instance, deadline_s=60)
    logs = "\n".join(place.runtime.logs(instance))
    assert "listening" in logs
    assert "shop" not in logs


def test_a_secret_is_not_written_to_the_state_folder(make_place, monkeypatch, tmp_path):
    monkeypatch.setenv("VAULT", "hunter2-of-the-shop")
    place = make_place(env={"MODE": "env:VAULT"})
    instance = place.start(SERVER)
    assert get(instance)[1].startswith("hunter2-of-the-shop")
    place.runtime.stop(instance, drain_s=5)
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if b"hunter2" in path.read_bytes()] == []


def test_a_missing_secret_is_an_error_and_nothing_starts(make_place):
    place = make_place(env={"KEY": "env:NOT_SET_ANYWHERE"})
    with pytest.raises(MissingError, match=r"'env:NOT_SET_ANYWHERE'.*set it"):
        place.runtime.start(place.release("r1"), run="run-1", role="canary")
    assert place.runtime.list() == []


def test_a_missing_command_is_reported_immediately(make_place):
    place = make_place(command=("no-such-server",))
    with pytest.raises(UnavailableError, match=r"cannot start 'no-such-server'.*No such file"):
        place.runtime.start(place.release("r1"), run="run-1", role="canary")


def test_when_one_of_several_instances_fails_to_start_none_is_left(place):
    """The second instance has no command any more."""
    release = place.release("r1", 'import os\nos.rename(__file__, __file__ + ".gone")\n' + SERVER)
    place.settings = place.settings.model_copy(update={"command": ("{dir}/run", "{port}")})
    run = Path(release.location, "run")
    run.write_text(f"#!/bin/sh\nrm $0\nexec {sys.executable} {release.location}/app.py $1\n")
    run.chmod(0o755)
    release = Release("shop", "r1", release.digest, release.location, ("{dir}/run", "{port}"))
    with pytest.raises(UnavailableError, match="No such file"):
        _start_slowly(place.again(), release)
    assert place.runtime.list() == []


def _start_slowly(runtime, release):
    """Start two instances, the second after the first has run."""
    one = runtime._start_one

    def then_wait(*arguments):
        instance = one(*arguments)
        eventually(lambda: not Path(release.location, "run").exists())
        return instance

    runtime._start_one = then_wait
    runtime.start(release, run="run-1", role="canary", count=2)


def test_a_missing_release_directory_is_an_error(place):
    release = place.release("r1")
    Path(release.location).rename(release.location + ".gone")
    with pytest.raises(MissingError, match="does not exist: restore it"):
        place.runtime.start(release, run="run-1", role="canary")


def test_a_state_folder_that_cannot_be_created_is_an_error(place, tmp_path):
    (tmp_path / "state").write_text("a file is in the way")
    with pytest.raises(StorageError, match="cannot write logs"):
        place.runtime.start(place.release("r1"), run="run-1", role="canary")


def test_an_instance_that_lost_its_port_to_another_process_is_not_ready(place):
    """The process that has the port answers the readiness probe; the instance has exited."""
    other = place.start(SERVER)
    port = other.address.rpartition(":")[2]
    app = SERVER.replace("sys.argv[1]", repr(port))
    (instance,) = place.runtime.start(place.release("r2", app), run="run-2", role="canary")
    stolen = type(instance)(**{**vars(instance), "address": other.address})
    eventually(lambda: place.runtime.list("shop") == [other])
    with pytest.raises(UnavailableError, match="exited before it was ready"):
        place.runtime.wait_ready(stolen, deadline_s=60)
