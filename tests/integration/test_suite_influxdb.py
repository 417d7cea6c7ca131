"""The suite's store is InfluxDB: what its compose file sets up is all that its service file needs, on a real server."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from pratique.ledger import open_ledger
from support.influxdb import awaited_program
from support.pages import Shell

SUITE = Path(__file__).parents[2] / "examples" / "suite"
ENVIRONMENT = yaml.safe_load((SUITE / "compose.yaml").read_text())["services"]["influxdb"]["environment"]
TOKEN = "the-token-of-the-env-file"
START = """
{influxd} run --http-bind-address=127.0.0.1:8086 --bolt-path=influxd.bolt --sqlite-path=influxd.sqlite \
  --engine-path=engine --reporting-disabled --log-level=error >influxd.log 2>&1 & disown
until curl -sf http://127.0.0.1:8086/health >/dev/null; do sleep 0.1; done
"""
QUESTION = r"""
for n in $(seq 200); do
  curl -s -H "Authorization: Token $INFLUX_TOKEN" -H "Content-Type: application/vnd.flux" "http://127.0.0.1:8086/api/v2/query?org=pratique" \
    --data 'from(bucket: "pratique") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "pratique_events")' | grep "r2 promoted" && break
  sleep 0.1
done
"""


def set_up_by_compose():
    """The request with which InfluxDB's image sets a new server up."""
    names = {"username": "USERNAME", "org": "ORG", "bucket": "BUCKET"}
    given = {key: ENVIRONMENT[f"DOCKER_INFLUXDB_INIT_{name}"] for key, name in names.items()}
    return json.dumps({**given, "password": "only-for-tests", "token": TOKEN})


@pytest.mark.influxdb
@pytest.mark.server
@pytest.mark.slow
def test_the_service_file_works_on_the_bucket_that_compose_sets_up(tmp_path):
    shutil.copy(SUITE / "pratique.toml", tmp_path)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"
    ledger = open_ledger(tmp_path / ".pratique")
    ledger.path.parent.mkdir(mode=0o700)
    ledger.append("release", "shop", revision="r2", data={"event": "ended", "outcome": "promoted", "reason": "well"})
    with Shell(tmp_path, env={"PATH": path, "INFLUX_TOKEN": TOKEN}, isolated=True) as shell:
        assert shell.run(START.format(influxd=awaited_program()))[0] == 0
        made = shell.run(f"curl -sf -X POST http://127.0.0.1:8086/api/v2/setup --data '{set_up_by_compose()}'")
        assert made[0] == 0, made
        status, lines = shell.run("pratique store check")
        assert status == 0, lines
        assert not [line for line in lines if line.startswith("problem")]
        assert shell.run("pratique collect > collector.log 2>&1 &")[0] == 0
        asked = shell.run(QUESTION)
        assert asked[0] == 0, (asked, (tmp_path / "collector.log").read_text())
