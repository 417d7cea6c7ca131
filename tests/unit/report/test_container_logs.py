"""The kept logs of the containers of an incident's place, around its start."""

from pratique.config import Config
from pratique.report import incident_logs
from pratique.report.incident_question import IncidentQuestion
from pratique.report.opened_incident import OpenedIncident
from pratique.telemetry.containerlogs import ContainerLogs
from pratique.telemetry.syslog import parse as parse_syslog
from support.incident_values import nothing_shown, sample_investigation

QUESTION = IncidentQuestion("shop")


def opened(found, folder):
    return OpenedIncident(found.incident, found.measures, found.changes, QUESTION, Config(state=str(folder)))


def test_messages_that_became_more_come_first_and_are_of_the_place(tmp_path):
    logs = ContainerLogs(tmp_path, limit_bytes=1 << 20, services=["shop"])
    for minute, revision, text in [
        *((minute, "r42", "no connection left") for minute in (3, 4, 5)),
        (0, "r42", "ready"),
        (4, "r41", "all is well"),
    ]:
        line = f"<30>1 2026-11-20T14:{minute:02d}:30Z host pratique/shop/{revision}/{'a' * 12} 1 - - {text}"
        assert logs.take(parse_syslog(line.encode()))
    logs.close()
    lines = incident_logs(opened(sample_investigation(), tmp_path)).text.splitlines()
    assert lines[1:] == ["0 → 3  no connection left", "1 → 0  ready"]


def test_without_logs_or_a_start_it_says_so(tmp_path):
    for found in (sample_investigation(), nothing_shown()):
        assert "No container logs are kept" in incident_logs(opened(found, tmp_path)).text
