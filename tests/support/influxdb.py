"""A real InfluxDB server for tests: the program that tests/support/influxd/build.sh builds, or that of PRATIQUE_INFLUXD."""

import fcntl
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from pratique.config import StoreSettings
from pratique.errors import PratiqueError
from pratique.store.influxdb.client import InfluxClient
from support.ports import free_port

BUILD = Path(__file__).parent / "influxd" / "build.sh"
VERSIONS = re.findall(r"^(?:version|pkg_config)=(.+)$", BUILD.read_text(), re.MULTILINE)
CACHED = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "pratique"
    / "influxd-{}-pkg-config-{}".format(*VERSIONS)
)
BUILD_LIMIT_S = 2400
START_LIMIT_S = 120
TOKEN = "all-access-token-of-the-tests"
NUMBERS = itertools.count()


def program():
    """The server's program; None when there is none (yet)."""
    named = os.environ.get("PRATIQUE_INFLUXD")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    return CACHED if os.access(CACHED, os.X_OK) else None


def is_being_built():
    """Whether a build runs, which holds the lock beside the program."""
    try:
        with Path(f"{CACHED}.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def missing():
    """Why tests with a server cannot run here; "" when they can, at least once a running build is done."""
    if program() or is_being_built():
        return ""
    return f"influxdb needs influxd: build it with tests/support/influxd/{BUILD.name}, or name one in PRATIQUE_INFLUXD"


def awaited_program():
    """The server's program, after the end of a build that runs."""
    end = time.monotonic() + BUILD_LIMIT_S
    while program() is None and is_being_built() and time.monotonic() < end:
        time.sleep(1)
    found = program()
    assert found is not None, "the build of influxd has failed: see its output"
    return found


class InfluxServer:
    """A server process on its own port and folder, which survive its restarts."""

    def __init__(self, folder, *, organisation="tests"):
        self.folder, self.port, self.organisation = Path(folder), free_port(), organisation
        self.url, self.ca_file = f"http://127.0.0.1:{self.port}", ""
        self._process, self._options = None, ()

    @property
    def client(self):
        return InfluxClient(self.url, self.organisation, TOKEN, ca_file=self.ca_file, timeout_s=30)

    def start(self, *options):
        """Start it, and wait until it answers. options: further ones of influxd, which a restart keeps."""
        self._options = options or self._options
        for option in self._options:
            if option.startswith("--tls-cert="):
                self.url, self.ca_file = f"https://127.0.0.1:{self.port}", option.partition("=")[2]
        arguments = [
            f"--http-bind-address=127.0.0.1:{self.port}",
            f"--bolt-path={self.folder / 'influxd.bolt'}",
            f"--sqlite-path={self.folder / 'influxd.sqlite'}",
            f"--engine-path={self.folder / 'engine'}",
            "--reporting-disabled",
            "--log-level=error",
        ]
        log = (self.folder / "influxd.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [awaited_program(), "run", *arguments, *self._options], stdout=log, stderr=log
            )
        end = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "influxd.log").read_text()[-2000:]
            assert time.monotonic() < end, "influxd does not answer"
            time.sleep(0.02)
        return self

    def _answers(self):
        try:
            return self.client.health() == "pass"
        except PratiqueError:
            return False

    def set_up(self):
        self.client.set_up(user="tests", password="only-for-tests", bucket="first", token=TOKEN)
        return self

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    @property
    def runs(self):
        return self._process is not None and self._process.poll() is None

    def limit_files(self, size):
        """Let no file of the server grow beyond `size` bytes, as on a full disk; None for no limit."""
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def _end(self, number):
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(60)

    def new_bucket(self, **options):
        return self.client.create_bucket(f"bucket-{next(NUMBERS)}", **options)

    def address(self, bucket, *, port=None):
        """The store's address of a bucket. port: that of a proxy in front of the server."""
        return f"influxdb://127.0.0.1:{port or self.port}/{self.organisation}/{quote(bucket.name, safe='')}"

    def settings(self, bucket, **options):
        return StoreSettings(url=self.address(bucket, port=options.pop("port", None)), **options)


@contextmanager
def server_running(*options):
    """A new server, set up with TOKEN, which is gone afterwards."""
    folder = tempfile.mkdtemp(prefix="pratique-influxd-")
    server = InfluxServer(folder)
    try:
        yield server.start(*options).set_up()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
