"""The page on an InfluxDB that others fill does what it shows, on a real server at the address that it names."""

import sys
import time
from pathlib import Path

import pytest

from support import telegraf_points as telegraf
from support.influxdb import TOKEN, awaited_program
from support.pages import Shell, follow
from support.scraped_traffic import Traffic

START = """
mkdir ../server
{program} run --bolt-path=../server/bolt --sqlite-path=../server/sqlite --engine-path=../server/engine \\
  --http-bind-address=127.0.0.1:8086 --reporting-disabled --log-level=error >../server/log 2>&1 &
until curl -sf http://127.0.0.1:8086/health >/dev/null; do sleep 0.1; done
curl -sf http://127.0.0.1:8086/api/v2/setup -d @../setup.json >/dev/null
curl -sf -H 'Authorization: Token {token}' --data-binary @../points.txt \\
  'http://127.0.0.1:8086/api/v2/write?org=acme&bucket=telegraf'
"""
SETUP = '{{"username": "tests", "password": "only-for-tests", "org": "acme", "bucket": "telegraf", "token": "{token}"}}'


@pytest.mark.influxdb
@pytest.mark.kernel
@pytest.mark.slow
def test_the_page_compares_and_reports_as_it_stands_there(tmp_path):
    start = (int(time.time()) // 3600 - 2) * 3600
    traffic = Traffic(start, errors={"r1": 0.01, "r2": 0.06})
    (tmp_path / "points.txt").write_text("\n".join([*telegraf.haproxy(traffic), *telegraf.access_log(traffic)]))
    (tmp_path / "setup.json").write_text(SETUP.format(token=TOKEN))
    work = tmp_path / "work"
    work.mkdir()
    (work / "influx.token").write_text(TOKEN)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"
    with Shell(work, env={"PATH": path}, isolated=True) as shell:
        status, lines = shell.run(START.format(program=awaited_program(), token=TOKEN))
        assert status == 0, lines
        follow("how-to/existing-influxdb.md", work, shell)
    assert list((work / ".pratique" / "reports").glob("shop-r1-r2*.html"))
