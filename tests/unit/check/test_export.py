"""The check of remote write."""

import pytest

from pratique.check.export import export_checks
from pratique.config import Config, ExportSettings, RemoteWriteSettings
from support.prometheus_fixture import KINDS, metric_server


def found(url):
    config = Config(export=ExportSettings(remote_write=RemoteWriteSettings(url=url, timeout_s=5)))
    return [check.run() for check in export_checks(config)]


def test_without_the_setting_there_is_no_check():
    assert found("") == []


def test_a_server_that_is_away_is_a_problem():
    (finding,) = found("http://127.0.0.1:1/api/v1/write")
    assert (finding.subject, finding.state) == ("export.remote_write.url", "problem")
    assert finding.message.startswith("http://127.0.0.1:1/api/v1/write does not answer: ")


@pytest.mark.prometheus
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_with_remote_write_is_well(kind, tmp_path):
    arguments = ("--web.enable-remote-write-receiver",) if kind == "prometheus" else ()
    with metric_server(kind, tmp_path, arguments=arguments) as server:
        (finding,) = found(f"{server.http}/api/v1/write")
        assert (finding.state, finding.message) == ("ok", f"{server.http}/api/v1/write takes remote write")
        (finding,) = found(f"{server.http}/api/v1/nothing")
    assert finding.state == "problem"


@pytest.mark.prometheus
@pytest.mark.slow
def test_a_prometheus_without_the_receiver_is_a_problem(tmp_path):
    with metric_server("prometheus", tmp_path) as server:
        (finding,) = found(f"{server.http}/api/v1/write")
    assert finding.state == "problem"
    assert "refuses remote write (404)" in finding.message
    assert "correct [export.remote_write]" in finding.message
