"""A dead collector, a dead balancer and a certificate that ends are found; a part that was stopped or never ran is not."""

import json
from datetime import timedelta

import pytest

from pratique.check import problems as problems_module
from pratique.check.problems import notify_problems, problems
from pratique.clock import utc_now
from pratique.config import parse
from pratique.errors import DataError
from pratique.notify import courier
from pratique.telemetry.collector_status import CollectorStatus

SERVICE_FILE = """
[[notify]]
to = "env:HOOK"
[services.shop.runtime]
command = ["x", "{port}"]
[services.shop.balancer]
listen = "127.0.0.1:1"
"""
HAPROXY = 'kind = "haproxy"\n[services.shop.balancer.haproxy]\ncertificate = "shop.pem"\ncertificate_warn_days = 14\n'


@pytest.fixture
def config(tmp_path):
    found = parse(SERVICE_FILE, tmp_path / "p.toml")
    (found.state_dir / "collector").mkdir(parents=True)
    (found.state_dir / "balancer").mkdir()
    return found


def kinds(config):
    return [event.kind for event in problems(config)]


def collector(config, age_s, *, ended=False):
    CollectorStatus(utc_now() - timedelta(seconds=age_s), pid=4194305, ended=ended).write(config.state_dir)


def test_what_never_ran_is_no_problem(config):
    assert kinds(config) == []


def test_a_collector_that_was_stopped_or_is_busy_is_no_problem(config):
    collector(config, 3600, ended=True)
    assert kinds(config) == []
    collector(config, 30)
    assert kinds(config) == []


def test_a_dead_collector_is_reported_with_its_last_lines(config):
    collector(config, 120)
    (config.state_dir / "processes").mkdir()
    (config.state_dir / "processes/collector.log").write_text("first\nMemoryError\n")
    (event,) = problems(config)
    assert (event.kind, event.risk, tuple(event.last_lines)) == ("collector.dead", "critical", ("first", "MemoryError"))
    assert utc_now() - event.since > timedelta(seconds=100)


def balancer(config, pid=4194305, started=1.0):
    content = {"pid": pid, "started": started, "settings": {}}
    (config.state_dir / "balancer/shop.settings.json").write_text(json.dumps(content))


def test_a_balancer_that_is_gone_and_does_not_answer_is_dead(config, monkeypatch):
    balancer(config)
    (event,) = problems(config)
    assert (event.kind, event.subject, event.risk) == ("balancer.dead", "shop", "critical")
    monkeypatch.setattr(problems_module, "answers", lambda *_: True)
    assert kinds(config) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x", "started": null}'])
def test_a_damaged_record_of_a_balancer_is_no_problem(config, text):
    (config.state_dir / "balancer/shop.settings.json").write_text(text)
    assert kinds(config) == []


@pytest.mark.parametrize(("days", "risk"), [(20, None), (10, "medium"), (2, "high")])
def test_a_certificate_that_ends_is_reported_twice(tmp_path, monkeypatch, days, risk):
    config = parse(SERVICE_FILE + HAPROXY, tmp_path / "p.toml")
    ends = utc_now() + timedelta(days=days, hours=1)
    monkeypatch.setattr(problems_module, "certificate_end", lambda _: ends)
    found = list(problems(config))
    assert [event.risk for event in found] == ([risk] if risk else [])
    assert all(f"ends in {days}.0 days" in event.what and "shop.pem" in event.where for event in found)


def test_a_certificate_that_has_ended_is_reported(tmp_path, monkeypatch):
    config = parse(SERVICE_FILE + HAPROXY, tmp_path / "p.toml")

    def ended(path):
        raise DataError(f"{str(path)!r} expired: renew it")

    monkeypatch.setattr(problems_module, "certificate_end", ended)
    (event,) = problems(config)
    assert (event.kind, event.risk) == ("certificate.ending", "high")
    assert "renew it" in event.what


def test_a_problem_is_reported_once(config, monkeypatch):
    monkeypatch.setattr(courier, "start_courier", lambda _: True)
    collector(config, 120)
    notify_problems(config)
    notify_problems(config)
    (batch,) = courier.outbox_of(config.state_dir).take(utc_now())
    assert [event.kind for event in batch.events] == ["collector.dead"]


@pytest.mark.parametrize("part", ["_collector", "_balancer"])
def test_a_look_that_breaks_stops_no_other(config, monkeypatch, part):
    collector(config, 600)

    def broken(*_):
        raise KeyError("nonsense in a file")

    monkeypatch.setattr(problems_module, part, broken)
    assert kinds(config) == ([] if part == "_collector" else ["collector.dead"])
