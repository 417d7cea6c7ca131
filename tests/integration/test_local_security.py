"""A service on a machine with other users: what they can start, read, lock and send changes nothing and shows nothing."""

import contextlib
import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from support.other_user import SYSTEM_PYTHON, as_nobody, needs_root, running_as_nobody, shared_folder
from support.ports import free_port
from support.shop_fixture import ROOT, running_shop
from support.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

IMPOSTOR = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the impostor's page")
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
print("listening", flush=True)
server.serve_forever()
"""
HIDES = ("queue.py", "types.py", "calendar.py", "selectors.py", "psutil.py", "docker.py", "aiohttp.py")
"""Files of a user's project that have the name of a module that Pratique needs."""


def get(address, path="/"):
    connection = http.client.HTTPConnection(address, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def labels_of(shop, port):
    return {
        "PRATIQUE_STATE": str(shop.state),
        "PRATIQUE_SERVICE": "shop",
        "PRATIQUE_REVISION": "r1",
        "PRATIQUE_RUN": "up-r1",
        "PRATIQUE_ROLE": "baseline",
        "PRATIQUE_PORT": str(port),
        "PRATIQUE_PART": "collector",
    }


@pytest.fixture(scope="module")
def shop():
    """A shop in a folder that other users can enter, with files that hide modules, started with a wide umask."""
    with shared_folder() as folder:
        for name in HIDES:
            (folder / name).write_text(f"raise RuntimeError('{name} of the working folder')\n")
        before, umask = Path.cwd(), os.umask(0)
        os.chdir(folder)
        os.environ["OPERATOR_TOKEN"] = "of the operator"
        try:
            with running_shop(folder, rate=20) as shop:
                shop.make("r2")
                yield shop
        finally:
            os.chdir(before)
            os.umask(umask)
            del os.environ["OPERATOR_TOKEN"]


def test_files_of_the_working_folder_hide_no_module(shop):
    assert shop.running() == ["r1"]
    for name in ("collector", "balancer"):
        assert "of the working folder" not in (shop.state / "processes" / f"{name}.log").read_text()


def test_the_state_folder_is_closed_whatever_the_umask(shop):
    assert stat.S_IMODE(shop.state.stat().st_mode) == 0o700
    wider = [path for path in shop.state.rglob("*") if path.stat().st_mode & 0o077 and "store" not in path.parts]
    assert wider == []


def test_an_open_state_folder_of_an_older_version_is_closed(shop):
    shop.state.chmod(0o755)
    shop.pratique("status", "shop", "--config", shop.config)
    assert stat.S_IMODE(shop.state.stat().st_mode) == 0o700


def test_an_instance_gets_only_the_declared_environment(shop):
    [supervisor] = shop.runtime.list("shop")
    [app] = psutil.Process(int(supervisor.id.partition(":")[0])).children()
    names = set(app.environ())
    assert "OPERATOR_TOKEN" not in names
    assert {"PATH", "PORT", "PRATIQUE_REVISION"} <= names
    allowed = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PORT"}
    assert {name for name in names if not name.startswith(("PRATIQUE_", "LC_"))} <= allowed


@needs_root
def test_a_process_of_another_user_is_no_instance(shop):
    port = free_port()
    with running_as_nobody(SYSTEM_PYTHON, "-c", IMPOSTOR, port, env=labels_of(shop, port)) as impostor:
        assert impostor.stdout.readline() == b"listening\n"
        status = shop.pratique("status", "shop", "--config", shop.config).stdout
        assert f"127.0.0.1:{port}" not in status
        said = shop.pratique("up", "shop", "r1", "--config", shop.config).stdout
        assert f"127.0.0.1:{port}" not in said
        assert b"impostor" not in get(shop.settings.service("shop").balancer.listen)
        assert impostor.poll() is None


@needs_root
def test_a_process_of_another_user_that_looks_like_a_supervisor_is_no_instance(shop, tmp_path):
    port = free_port()
    with shared_folder() as folder:
        (folder / "runtime").mkdir()
        (folder / "runtime" / "supervise.py").write_text(IMPOSTOR)
        (folder / "runtime" / "supervise.py").chmod(0o644)
        words = [SYSTEM_PYTHON, "-I", "-S", folder / "runtime" / "supervise.py", port]
        with running_as_nobody(*words, env=labels_of(shop, port)) as impostor:
            assert impostor.stdout.readline() == b"listening\n"
            assert [i.revision for i in shop.runtime.list("shop") if i.address.endswith(f":{port}")] == []


def test_a_child_that_has_the_labels_is_no_instance(shop):
    port = free_port()
    words = [sys.executable, "-c", IMPOSTOR, str(port)]
    child = subprocess.Popen(words, env=os.environ | labels_of(shop, port), stdout=subprocess.PIPE, cwd="/")
    try:
        assert child.stdout.readline() == b"listening\n"
        assert [i.revision for i in shop.runtime.list("shop") if i.address.endswith(f":{port}")] == []
    finally:
        child.kill()
        child.communicate()


@needs_root
def test_another_user_cannot_lock_and_cannot_read(shop):
    lock = shop.state / "locks" / "shop.lock"
    assert "Permission denied" in as_nobody("flock", lock, "true").stderr
    assert "Permission denied" in as_nobody("ls", shop.state).stderr


def test_a_process_that_locked_the_service_is_named(shop):
    lock = shop.state / "locks" / "shop.lock"
    holder = subprocess.Popen(["flock", "--no-fork", str(lock), "sleep", "60"])
    try:
        eventually(lambda: f" {holder.pid} " in Path("/proc/locks").read_text())
        for words in (["up", "shop", "r1"], ["down", "shop"]):
            done = shop.pratique(*words, "--config", shop.config, check=False)
            assert done.returncode == 75, done.stderr
            assert f"process {holder.pid} of {psutil.Process().username()} (sleep 60)" in done.stderr
            assert "is no run of Pratique" in done.stderr
    finally:
        holder.kill()
        holder.wait()
    shop.pratique("up", "shop", "r1", "--config", shop.config)


def test_no_query_is_kept(shop):
    for _ in range(5):
        get(shop.settings.service("shop").balancer.listen, "/search?token=SECRET123")
    time.sleep(1.0)
    kept = b"".join(path.read_bytes() for path in shop.state.rglob("*") if path.is_file())
    assert b"/search" in kept
    assert b"SECRET123" not in kept


def test_every_spelling_of_the_service_files_path_means_the_same(shop, tmp_path):
    link, file_link, sibling = tmp_path / "link", tmp_path / "other.toml", shop.folder / "sibling"
    link.symlink_to(shop.folder)
    file_link.symlink_to(shop.config)
    sibling.mkdir(exist_ok=True)
    [port] = {i.address for i in shop.runtime.list("shop")}
    spellings = [
        (sibling, "../pratique.toml"),
        (shop.folder, "./pratique.toml"),
        (shop.folder, None),
        (link, None),
        (tmp_path, "link/pratique.toml"),
        (tmp_path, f"{link}//./pratique.toml"),
        (tmp_path, str(file_link)),
    ]
    for folder, config in spellings:
        words = [
            sys.executable,
            "-P",
            "-m",
            "pratique.cli",
            "status",
            "shop",
            *(["--config", config] if config else []),
        ]
        # what the shell says about the working folder, with the link in it
        env = os.environ | {"PWD": str(folder)}
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=env, check=False)
        assert done.returncode == 0, done.stderr
        assert "drift" not in done.stdout, (folder, config)
        assert port in done.stdout, (folder, config)
    said = subprocess.run(
        [sys.executable, "-P", "-m", "pratique.cli", "up", "shop", "r1", "--config", "link/pratique.toml"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    ).stdout  # fmt: skip
    assert port in said
    assert shop.running() == ["r1"]


@pytest.mark.kernel
@pytest.mark.parametrize("program", ["pratique", "papermill"])
def test_a_notebook_finds_the_running_service_by_a_relative_path(shop, tmp_path, program):
    """The parameter is relative to the folder that the notebook was started in, whichever program runs it."""
    sibling = shop.folder / "sibling"
    sibling.mkdir(exist_ok=True)
    yes = {"pratique": "true", "papermill": "True"}[program]
    given = {"service": "shop", "revision": "r2", "dry_run": yes, "config": "../pratique.toml"}
    pairs = [word for name, value in given.items() for word in ("-p", name, value)]
    words = {
        "pratique": ["-m", "pratique.cli", "run", "release", *pairs],
        "papermill": [
            "-m",
            "papermill",
            ROOT / "runbooks/release.ipynb",
            tmp_path / "out.ipynb",
            *pairs,
            "-k",
            "python3",
        ],
    }[program]
    before = shop.trace()
    done = subprocess.run(
        [sys.executable, "-P", *words], cwd=sibling, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout if program == "pratique" else (tmp_path / "out.ipynb").read_text()
    assert "baseline is r1" in said
    assert not (sibling / ".pratique").exists()
    assert shop.trace() == before


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (signal.SIGTERM, 143, "stopped by a program (received SIGTERM)"),
        (signal.SIGINT, 130, "stopped by a person (interrupted from the keyboard)"),
    ],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_down_respects_a_release_and_a_stopped_release_says_who_has_the_traffic(shop, number, status, words):
    run_id = f"stopped-{status}"
    command = ["run", "release", "-p", "service", "shop", "-p", "revision", "r2", "-p", "run_id", run_id]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pratique.cli", *command, "--config", shop.patient],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    eventually(lambda: shop.stage(run_id))
    refused = shop.pratique("down", "shop", "--config", shop.config, check=False)
    assert refused.returncode == 75
    assert f"run '{run_id}'" in refused.stderr
    assert "--force" in refused.stderr
    assert shop.running() == ["r1", "r2"]
    process.send_signal(number)
    _, said = process.communicate(timeout=250)
    assert process.returncode == status, said
    last = said.strip().splitlines()[-1]
    assert words in last
    assert last.endswith("r1 has all of the traffic again")
    result = shop.result(run_id)
    assert result["exit_status"] == status
    assert words in result["reason"]
    assert shop.serving() == {"r1": 1.0}
    assert json.loads(shop.pratique("releases", "shop", "--json", "--config", shop.config).stdout)[-1]["reason"]


def test_down_stops_everything_by_force_while_a_run_holds_the_service(shop):
    holder = subprocess.Popen(["flock", "--no-fork", str(shop.state / "locks" / "shop.lock"), "sleep", "60"])
    try:
        eventually(lambda: f" {holder.pid} " in Path("/proc/locks").read_text())
        done = shop.pratique("down", "shop", "--force", "--config", shop.config)
        assert "r1 " in done.stdout
        assert shop.running() == []
    finally:
        holder.kill()
        holder.wait()
        shop.pratique("up", "shop", "r1", "--config", shop.config)
