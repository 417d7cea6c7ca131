"""The container logs around the start of an incident, as the collector keeps them."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.incident import container_lines as module
from pratique.incident.container_lines import AROUND, LINES_AFTER, LINES_BEFORE, SHOWN_MESSAGES, container_lines
from pratique.telemetry.containerlogs import ContainerLogs
from pratique.telemetry.syslog import parse

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST, SECOND = "0123456789ab", "ba9876543210"


@pytest.fixture
def write(tmp_path):
    logs = ContainerLogs(tmp_path, limit_bytes=10**8, services=["shop"])

    def done(seconds, text, revision="r1", instance=FIRST):
        time = (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        message = parse(f"<14>1 {time} host pratique/shop/{revision}/{instance} - - - {text}".encode())
        assert logs.take(message)
        logs.sync()

    yield done
    logs.close()


def test_messages_are_counted_before_and_after_the_start(tmp_path, write):
    write(-601, "too early")
    for second in range(-5, 10):
        write(second, f"order {second + 100} done")
        if second >= 0:
            write(second, f"order {second} failed: token={second}")
    write(600, "too late")
    found = container_lines(tmp_path, "shop", NOON)
    assert (found.first, found.end, found.lines_before, found.lines_after) == (NOON - AROUND, NOON + AROUND, 5, 20)
    assert [(one.message, one.before, one.after) for one in found.messages] == [
        ("order <n> failed: token=***", 0, 10),
        ("order <n> done", 5, 10),
    ]
    assert [line.text for line in found.before] == [f"order {number} done" for number in range(95, 100)]
    assert [line.text for line in found.after[:2]] == ["order 100 done", "order 0 failed: token=***"]
    assert (found.instances, found.further, found.notes) == ((FIRST,), 0, ())
    assert found.to_json()["messages"][0] == {"message": "order <n> failed: token=***", "before": 0, "after": 10}


def test_only_the_revision_and_the_container_of_the_place_are_read(tmp_path, write):
    write(0, "a")
    write(1, "b", instance=SECOND)
    write(2, "c", revision="r2")
    assert [line.text for line in container_lines(tmp_path, "shop", NOON, revision="r1").after] == ["a", "b"]
    chosen = container_lines(tmp_path, "shop", NOON, revision="r1", host=SECOND)
    assert ([line.text for line in chosen.after], chosen.instances) == (["b"], (SECOND,))
    other = container_lines(tmp_path, "shop", NOON, host="web-\x1b7")
    assert len(other.after) == 3
    assert "'web- 7'" in other.notes[0]


def test_the_end_of_the_incident_ends_the_range(tmp_path, write):
    for second in range(5):
        write(second, "x")
    assert container_lines(tmp_path, "shop", NOON, end=NOON + timedelta(seconds=3)).lines_after == 3


def test_without_kept_logs_that_is_said(tmp_path):
    found = container_lines(tmp_path, "shop", NOON)
    assert (found.messages, found.notes) == ((), ("the collector kept no container logs of this time",))


@pytest.mark.parametrize(("service", "revision"), [("../x", None), ("shop", "../../x"), ("shop", "r\n2"), ("", None)])
def test_a_name_that_no_container_can_have_has_no_logs(tmp_path, service, revision):
    found = container_lines(tmp_path, service, NOON, revision=revision, host="h")
    assert found.notes == ("the collector kept no container logs of this time",)


def test_known_secrets_of_the_service_are_masked_wherever_they_are(tmp_path, write):
    write(0, "who is swordfish-9 anyway, abc")
    found = container_lines(tmp_path, "shop", NOON, secrets={"swordfish-9": "env:PASS", "abc": "env:SHORT"})
    assert found.after[0].text == "who is [env:PASS] anyway, abc"


def test_what_is_shown_is_bounded_and_printable(tmp_path, write, monkeypatch):
    for second in range(-100, 100):
        write(second, f"{'abcdefghij'[second % 10]}{second % 7 * 'z'} \x1b[2J <b> {'x' * 2000}")
    found = container_lines(tmp_path, "shop", NOON)
    assert (len(found.before), len(found.after), len(found.messages)) == (LINES_BEFORE, LINES_AFTER, SHOWN_MESSAGES)
    assert found.further == 40
    for text in [*(line.text for line in found.after), *(one.message for one in found.messages)]:
        assert len(text) <= 500
        assert text.isprintable()
    monkeypatch.setattr(module, "MOST_LINES", 50)
    found = container_lines(tmp_path, "shop", NOON)
    assert (found.lines_before, found.lines_after) == (50, 50)
    assert found.before[-1].time == NOON - timedelta(seconds=1)
    assert found.notes == ("of each side of the start only 50 lines are read",)
