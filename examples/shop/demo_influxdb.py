"""The InfluxDB bucket of the demo: in a new server (`STORE=influxdb`), or in one that runs already (`STORE=influxdb://…`)."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pratique.config import StoreSettings
from pratique.errors import PratiqueError
from pratique.store import open_store
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.tokens import DEFAULT_ENV, write_token

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pratique"
START_LIMIT_S = 60
ORGANISATION, BUCKET = "demo", "pratique"


def find_influxd() -> Path:
    """Return the server's program: that of PRATIQUE_INFLUXD, of PATH, or the one that the tests have built; InfluxDB 2."""
    named = os.environ.get("PRATIQUE_INFLUXD")
    installed = shutil.which("influxd")
    found = [Path(named)] if named else [*sorted(CACHE.glob("influxd-*")), *([Path(installed)] if installed else [])]
    usable = [path for path in found if _is_version_2(path)]
    if not usable:
        sys.exit(
            "demo: STORE=influxdb needs the server InfluxDB 2: install influxd, or name it in PRATIQUE_INFLUXD, or build it with "
            "tests/support/influxd/build.sh (Go and Rust needed); or name a bucket of a server that runs: "
            f"STORE=influxdb://HOST:8086/ORGANISATION/BUCKET and its token in {DEFAULT_ENV}"
        )
    return usable[-1]


def existing_bucket(url: str) -> str:
    """Make the bucket if it is missing; return the `[store]` table of a service file. The token stays in INFLUX_TOKEN."""
    settings = StoreSettings(url=url)
    try:
        address = InfluxAddress.of(url)
        client = InfluxClient.of(address, write_token(settings), settings)
        version = client.ping()
        if client.bucket(address.bucket) is None:
            client.create_bucket(address.bucket)
        if open_store(settings).revisions("shop"):
            sys.exit(
                f"demo: the bucket {address.bucket!r} has measurements of a service shop already: name another one"
            )
    except PratiqueError as error:
        sys.exit(f"demo: {error}")
    print(f"InfluxDB {version}: {url}", flush=True)
    return f'[store]\nurl = "{url}"\n'


def _is_version_2(program: Path) -> bool:
    """Whether a program is InfluxDB 2; the influxd of some distributions is version 1, which has other options."""
    try:
        said = subprocess.run([program, "version"], capture_output=True, text=True, check=False, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return re.search(r"InfluxDB v?2\.", said) is not None


@contextmanager
def influxdb_running(folder: Path) -> Iterator[str]:
    """Run a new server in a folder; give the `[store]` table of a service file, whose tokens are files in that folder."""
    folder.mkdir(parents=True, mode=0o700)
    port, token = _free_port(), secrets.token_urlsafe(24)
    with (folder / "influxd.log").open("wb") as log:
        server = subprocess.Popen(
            [
                find_influxd(),
                "run",
                f"--http-bind-address=127.0.0.1:{port}",
                f"--bolt-path={folder / 'influxd.bolt'}",
                f"--sqlite-path={folder / 'influxd.sqlite'}",
                f"--engine-path={folder / 'engine'}",
                "--reporting-disabled",
                "--log-level=error",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        client = InfluxClient(f"http://127.0.0.1:{port}", ORGANISATION, token)
        _wait(client, server, folder)
        client.set_up(user="demo", password=secrets.token_urlsafe(12), bucket=BUCKET, token=token)
        bucket = client.bucket(BUCKET)
        if bucket is None:
            sys.exit("demo: the new InfluxDB server has no bucket")
        for name, rights in (("write", ["write"]), ("read", ["read"])):
            made = client.create_authorization(f"Pratique demo, {name}", bucket, rights)
            (folder / f"{name}-token").write_text(made.token, encoding="utf-8")
        print(f"InfluxDB {client.ping()} at http://127.0.0.1:{port}, bucket {BUCKET}", flush=True)
        yield (
            f'[store]\nurl = "influxdb://127.0.0.1:{port}/{ORGANISATION}/{BUCKET}"\n'
            f'token_file = "{folder / "write-token"}"\nread_token_file = "{folder / "read-token"}"\n'
        )
    finally:
        server.terminate()
        server.wait()


def _wait(client: InfluxClient, server: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while True:
        try:
            client.health()
        except PratiqueError as error:
            if server.poll() is not None or time.monotonic() > end:
                sys.exit(f"demo: InfluxDB does not start: see {folder / 'influxd.log'}: {error}")
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])
