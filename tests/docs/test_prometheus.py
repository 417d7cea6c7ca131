"""The page on Prometheus does what it shows, on a real server at the address that it names."""

import sys
import time
from pathlib import Path

import pytest

from support.pages import Shell, follow
from support.prometheus_fixture import exposition
from support.scraped_traffic import Traffic

START = """
mkdir -p ../server && promtool tsdb create-blocks-from openmetrics ../samples.txt ../server >/dev/null
printf 'scrape_configs: []\\n' > ../server/none.yml
prometheus --config.file=../server/none.yml --storage.tsdb.path=../server --web.listen-address=127.0.0.1:9090 >../log 2>&1 &
until curl -sf http://127.0.0.1:9090/-/ready >/dev/null; do sleep 0.1; done
"""


@pytest.mark.prometheus
@pytest.mark.kernel
@pytest.mark.slow
def test_the_page_compares_and_reports_as_it_stands_there(tmp_path):
    start = (int(time.time()) // 3600 - 2) * 3600
    samples = Traffic(start, errors={"r1": 0.01, "r2": 0.06}).samples()
    (tmp_path / "samples.txt").write_text(exposition(samples, millis=False) + "# EOF\n")
    work = tmp_path / "work"
    work.mkdir()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"
    with Shell(work, env={"PATH": path}, isolated=True) as shell:
        assert shell.run(START)[0] == 0
        follow("how-to/prometheus.md", work, shell)
    assert list((work / ".pratique" / "reports").glob("shop-r1-r2*.html"))
