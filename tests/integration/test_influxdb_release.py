"""A release with InfluxDB as its store, from the collector to the report: one is promoted, one rolled back."""

import subprocess
import sys
from pathlib import Path

import pytest

from pratique.store import open_store
from support.shop_fixture import running_shop

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]


@pytest.fixture(scope="module")
def shop(tmp_path_factory, influxdb_server):
    folder = tmp_path_factory.mktemp("shop")
    bucket = influxdb_server.new_bucket()
    for name in ("write", "read"):
        made = influxdb_server.client.create_authorization(name, bucket, [name])
        (folder / f"{name}-token").write_text(made.token)
    store = f'[store]\nurl = "{influxdb_server.address(bucket)}"\ntoken_file = "write-token"\nread_token_file = "read-token"\n'
    with running_shop(folder, more=store) as shop:
        yield shop


def test_a_good_release_is_promoted(shop):
    shop.make("good", failing=0.0)
    done, result = shop.release(revision="good", run_id="good", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["verdict"], result["outcome"]) == ("promote", "promoted")
    assert shop.serving() == {"good": 1.0}
    assert Path(result["report"]).exists()
    seen = {found.revision: found.requests for found in open_store(shop.settings.store).revisions("shop")}
    assert seen["good"] > 50


def test_a_bad_release_is_rolled_back(shop):
    before = shop.baseline()
    shop.make("bad", failing=0.5)
    done, result = shop.release(revision="bad", run_id="bad", config=shop.config)
    assert (result["verdict"], result["outcome"]) == ("rollback", "rolled back"), done.stdout + done.stderr
    assert shop.serving() == {before: 1.0}


def test_the_command_line_reads_the_same_bucket(shop):
    done = subprocess.run(
        [sys.executable, "-m", "pratique.cli", "revisions", "--config", shop.config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "r1" in done.stdout
