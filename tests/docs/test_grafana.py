"""The page on Grafana does what it shows, on real servers at the addresses that it names."""

import json
import sys
from pathlib import Path

import pytest

from pratique.ledger import open_ledger
from support.influxdb import TOKEN, awaited_program
from support.pages import Shell, follow

START = """
{influxd} run --http-bind-address=127.0.0.1:8086 --bolt-path=../influxd.bolt --sqlite-path=../influxd.sqlite \
  --engine-path=../engine --reporting-disabled --log-level=error >../influxd.log 2>&1 & disown
mkdir -p ../metrics && printf 'scrape_configs: []\\n' > ../none.yml
prometheus --config.file=../none.yml --storage.tsdb.path=../metrics --web.listen-address=127.0.0.1:9090 \
  --web.enable-remote-write-receiver >../prometheus.log 2>&1 & disown
until curl -sf http://127.0.0.1:8086/health >/dev/null && curl -sf http://127.0.0.1:9090/-/ready >/dev/null; do sleep 0.1; done
curl -sf -X POST http://127.0.0.1:8086/api/v2/setup --data '{setup}' >/dev/null
"""
SETUP = {"username": "me", "password": "only-for-tests", "org": "acme", "bucket": "pratique", "token": TOKEN}


@pytest.mark.influxdb
@pytest.mark.prometheus
@pytest.mark.server
@pytest.mark.slow
def test_the_page_shows_verdicts_in_both_databases(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "influxdb.token").write_text(TOKEN)
    ledger = open_ledger(work / ".pratique")
    ledger.path.parent.mkdir(mode=0o700)
    ledger.append("verdict", "shop", revision="r2", data={"decision": "promote", "reason": "all guards are met"})
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"
    with Shell(work, env={"PATH": path}, isolated=True) as shell:
        assert shell.run(START.format(influxd=awaited_program(), setup=json.dumps(SETUP)))[0] == 0
        follow("how-to/grafana.md", work, shell)
