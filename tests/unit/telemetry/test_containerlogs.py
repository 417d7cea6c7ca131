"""Container logs: one line each, in files by revision and instance, within a size limit."""

from datetime import UTC, datetime

import pytest

from pratique.errors import UsageError
from pratique.telemetry.containerlogs import ContainerLogs, container_logs
from pratique.telemetry.syslog import parse


def said(text, *, revision="r1", container="0123456789ab", second=0, service="shop"):
    tag = f"pratique/{service}/{revision}/{container}"
    return parse(f"<30>1 2026-11-21T02:00:{second:02d}.500000Z vm {tag} 99 {tag} - ".encode() + text.encode())


@pytest.fixture
def logs(tmp_path):
    found = ContainerLogs(tmp_path, limit_bytes=1_000_000, services={"shop"})
    yield found
    found.close()


def texts(folder, **chosen):
    return [line.text for line in container_logs(folder, "shop", **chosen)]


def test_lines_are_read_in_order_of_time(logs, tmp_path):
    assert logs.take(said("two", second=2, revision="r2", container="b" * 12))
    assert logs.take(said("one", second=1))
    assert logs.take(said("three", second=3))
    logs.sync()
    assert texts(tmp_path) == ["one", "two", "three"]
    assert texts(tmp_path, revision="r1") == ["one", "three"]
    assert texts(tmp_path, instance="b" * 64) == ["two"]
    begin = datetime(2026, 11, 21, 2, 0, 2, tzinfo=UTC)
    assert texts(tmp_path, start=begin) == ["two", "three"]
    assert texts(tmp_path, end=begin) == ["one"]
    (first, *_) = container_logs(tmp_path, "shop")
    assert (first.revision, first.instance, first.time) == (
        "r1", "0123456789ab", datetime(2026, 11, 21, 2, 0, 1, 500_000, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["a\nb", "a\r2026-11-21T02:00:00+00:00 forged", "\x1b[31mred", "\x00", "é\u2028x"])
def test_any_message_becomes_one_line_without_control_characters(logs, tmp_path, text):
    logs.take(said(text))
    logs.take(said("next", second=1))
    logs.sync()
    found = texts(tmp_path)
    assert (len(found), found[1]) == (2, "next")
    assert found[0].isprintable()


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "yesterday"])
def test_invalid_time_becomes_the_current_time(logs, tmp_path, time):
    message = parse(f"<30>1 {time} h pratique/shop/r1/abcdef012345 1 x - hello".encode())
    assert logs.take(message)
    logs.sync()
    (line,) = container_logs(tmp_path, "shop")
    assert abs((datetime.now(UTC) - line.time).total_seconds()) < 60


@pytest.mark.parametrize(
    "names",
    [
        {"service": ".."},
        {"revision": "../../x"},
        {"revision": "a/b"},
        {"container": "../../../etc/cron.d"},
        {"container": "short"},
    ],
)
def test_invalid_tag_creates_no_file(logs, tmp_path, names):
    message = said("x", **names)
    assert message is None or not logs.take(message)
    assert not list(tmp_path.rglob("*.log"))


def test_oldest_files_are_removed_first(tmp_path):
    logs = ContainerLogs(tmp_path, limit_bytes=200_000, services={"shop"})
    for number in range(20):
        for line in range(200):
            logs.take(said("x" * 300, container=f"{number:012x}", second=line % 60))
        logs._shorten()
    logs._shorten()
    total = sum(path.stat().st_size for path in tmp_path.rglob("*.log*"))
    logs.close()
    assert total <= 200_000 + 20 * 25_000 * 2
    ContainerLogs(tmp_path, limit_bytes=200_000, services={"shop"})._shorten()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.log*")) <= 200_000


def test_log_of_one_container_is_bounded(tmp_path):
    logs = ContainerLogs(tmp_path, limit_bytes=100_000, services={"shop"})
    for number in range(3000):
        logs.take(said(f"{number} " + "x" * 300))
    logs.close()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.log*")) <= 100_000
    assert texts(tmp_path)[-1].startswith("2999 ")


def test_invalid_service_name_is_refused(tmp_path):
    with pytest.raises(UsageError):
        list(container_logs(tmp_path, "../x"))


@pytest.mark.slow
def test_unknown_services_and_too_many_files_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("pratique.telemetry.containerlogs.MOST_FILES", 50)
    logs = ContainerLogs(tmp_path, limit_bytes=10_000_000, services={"shop"})
    assert not logs.take(said("x", service="made-up"))
    for number in range(400):
        assert logs.take(said("x", revision=f"r{number}", container=f"{number:012x}"))
    logs.close()
    assert len(list(tmp_path.rglob("*.log"))) <= 50 + 200
    assert len(list((tmp_path / "logs/shop").iterdir())) <= 50 + 200


def test_truncated_line_is_skipped(logs, tmp_path):
    logs.take(said("whole"))
    logs.close()
    (file,) = tmp_path.glob("logs/*/*/*.log")
    with file.open("a") as torn:
        torn.write("2026-08-01T10:00:01.000")
    assert [line.text for line in container_logs(tmp_path, "shop")] == ["whole"]
