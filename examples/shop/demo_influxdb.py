"""An InfluxDB server for the demo: `make demo STORE=influxdb`."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pratique.errors import PratiqueError
from pratique.store.influxdb.client import InfluxClient

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pratique"
START_LIMIT_S = 60
ORGANISATION, BUCKET = "demo", "pratique"


def find_influxd() -> Path:
    """Return the server's program: that of PRATIQUE_INFLUXD, or the one that the tests have built."""
    named = os.environ.get("PRATIQUE_INFLUXD")
    found = [Path(named)] if named else sorted(CACHE.glob("influxd-*"))
    usable = [path for path in found if path.is_file() and os.access(path, os.X_OK)]
    if not usable:
        sys.exit(
            "demo: STORE=influxdb needs the server influxd: name one in PRATIQUE_INFLUXD, or build it with "
            "tests/support/influxd/build.sh (Go and Rust needed)"
        )
    return usable[-1]


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
