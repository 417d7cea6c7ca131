"""The demo's choice of a store: it takes a bucket of a server that runs, makes it if it is missing, and touches no other data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.config import load
from pratique.store import open_store
from support.influxdb import TOKEN, server_running
from support.scraped_traffic import Traffic

SHOP = Path(__file__).parents[2] / "examples" / "shop"
PROGRAM = "import sys, demo_influxdb; sys.stdout.write(demo_influxdb.existing_bucket(sys.argv[1]))"


def demo_store(*arguments, program=PROGRAM, **environment):
    """What the demo's module prints and says, with its exit status."""
    env = {**os.environ, "PYTHONPATH": str(SHOP), **environment}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def server():
    with server_running() as started:
        yield started


@pytest.mark.influxdb
@pytest.mark.slow
def test_a_missing_bucket_is_made_and_the_store_works(server, tmp_path, monkeypatch):
    url = f"influxdb://127.0.0.1:{server.port}/tests/new"
    done = demo_store(url, INFLUX_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("\n")[2]
    assert TOKEN not in done.stdout
    (tmp_path / "pratique.toml").write_text(table)
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    settings = load(tmp_path / "pratique.toml").store
    assert settings.url == url
    assert open_store(settings).exists() is False


@pytest.mark.influxdb
@pytest.mark.slow
def test_a_bucket_with_measurements_of_a_shop_is_refused(server, monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    bucket = server.new_bucket()
    open_store(server.address(bucket)).write(Traffic(1_767_225_600, windows=2, history=1).rollups())
    done = demo_store(server.address(bucket), INFLUX_TOKEN=TOKEN)
    assert done.returncode == 1
    assert done.stderr == (
        f"demo: the bucket {bucket.name!r} has measurements of a service shop already: name another one\n"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("influxdb://127.0.0.1:1/tests/new", "demo: store 'influxdb://127.0.0.1:1/tests/new' cannot be reached"),
        ("s3://bucket/x", "demo: store 's3://bucket/x' is not influxdb://HOST:PORT/ORGANISATION/BUCKET"),
    ],
)
@pytest.mark.slow
def test_a_store_that_cannot_be_used_is_one_line(url, said):
    done = demo_store(url, INFLUX_TOKEN="any")
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("version", "status"), [("v2.7.12", 0), ("2.8.0", 0), ("v1.6.7~rc0", 1), ("", 1)])
@pytest.mark.slow
def test_only_influxdb_2_is_taken_from_the_path(tmp_path, version, status):
    program = tmp_path / "influxd"
    program.write_text(f"#!/bin/sh\necho 'InfluxDB {version} (git: unknown unknown)'\n")
    program.chmod(0o700)
    done = demo_store(
        program="import demo_influxdb; print(demo_influxdb.find_influxd())",
        PATH=str(tmp_path),
        XDG_CACHE_HOME=str(tmp_path),
        PRATIQUE_INFLUXD="",
    )
    assert done.returncode == status
    assert done.stdout == (f"{program}\n" if status == 0 else "")


@pytest.mark.slow
def test_without_a_server_the_demo_says_what_to_install(tmp_path):
    program = "import demo_influxdb; demo_influxdb.find_influxd()"
    done = demo_store(program=program, PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), PRATIQUE_INFLUXD="")
    assert done.returncode == 1
    assert done.stderr.startswith("demo: STORE=influxdb needs the server InfluxDB 2: install influxd")
    assert done.stderr.count("\n") == 1
