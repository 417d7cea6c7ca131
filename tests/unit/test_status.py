"""The state of a service as text and as JSON, with balancer and engine in memory."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pratique import status
from pratique.balancer.base import ActiveWeights, Pool
from pratique.clock import utc_now
from pratique.config import parse
from pratique.config.notify import NotifySettings
from pratique.errors import UnavailableError
from pratique.notify import Event
from pratique.notify.courier import outbox_of
from pratique.runbook.engine.journal import Journal
from pratique.runtime.base import Instance
from pratique.status import describe
from pratique.subject_lock import Lock
from pratique.telemetry.collector_status import CollectorStatus

R1 = Instance("1", "shop", "r1", "up-r1", "baseline", "h:1", datetime(2026, 11, 21, tzinfo=UTC))


class Parts:
    """A balancer and an engine at once."""

    def __init__(self):
        self.servers, self.instances, self.found = {"r1": ("h:1",)}, [R1], ActiveWeights({"r1": 0.95, "r2": 0.05}, 7.25)
        self.balancer_error = self.engine_error = self.drift_error = None

    def pool(self, service):
        if self.balancer_error:
            raise self.balancer_error
        return Pool(service, self.servers, {"r1": 1.0})

    def weights(self, service):
        return self.found

    def drift(self, service):
        if self.drift_error:
            raise self.drift_error
        return ["r1 is in maintenance"]

    def list(self, service):
        if self.engine_error:
            raise self.engine_error
        return self.instances


@pytest.fixture
def parts(monkeypatch):
    made = Parts()
    monkeypatch.setattr(status, "open_balancer", lambda target: made)
    monkeypatch.setattr(status, "open_runtime", lambda target: made)
    return made


@pytest.fixture
def target(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text("[services.shop]\n")
    return parse(file.read_text(), file).target("shop")


def lines(target):
    return list(describe(target).to_text())


def test_each_part_has_a_line(parts, target):
    assert lines(target) == [
        "balancer   http://127.0.0.1:8080: r1 95.0%, r2 5.0% (lease, 7.2 s left)",
        "collector  not running: no requests are being measured",
        "drift      r1 is in maintenance",
        "r1         baseline, h:1, since 2026-11-21 00:00:00Z",
    ]


def test_nothing_is_called_canary_after_a_promotion(parts, target):
    parts.instances = [R1, replace(R1, id="2", revision="r2", role="canary")]
    parts.found = ActiveWeights({"r1": 0.0, "r2": 1.0})
    assert [line.split(",")[0].split()[-1] for line in lines(target)[-2:]] == ["idle", "serving"]


def test_a_dead_run_is_shown_with_the_command_that_resumes_it(parts, target):
    journal = Journal.in_folder(target.state_dir / "runs/k11")
    context = {"service": "shop", "revision": "r2", "stages": [5.0, 25.0], "config": "", "run_id": "k11"}
    journal.append("opened", data={"runbook": "release", "service": "shop", "revision": "r2", "context": context})
    resume = "pratique release shop r2 --stages 5,25 --run-id k11"
    assert (
        f"dead run   k11: release of r2 lost its process; resume it with: {resume}; or undo it with: pratique abort k11"
        in lines(target)
    )
    assert describe(target).to_json()["runs"][0]["resume_command"] == resume


def test_a_balancer_to_restart_waits_for_an_active_run(parts, target, monkeypatch):
    monkeypatch.setattr(status, "balancer_differences", lambda target: ["kill 7 && pratique up shop r1"])
    assert "drift      kill 7 && pratique up shop r1" in lines(target)
    journal = Journal.in_folder(target.state_dir / "runs/k12")
    context = {"service": "shop", "revision": "r2", "config": "", "run_id": "k12"}
    journal.append("opened", data={"runbook": "release", "service": "shop", "revision": "r2", "context": context})
    lock = Lock(target.state_dir, "shop")
    lock.take(who="ann", run="k12", reason="a release")
    try:
        found = lines(target)
    finally:
        lock.release()
    assert "drift      kill 7 && pratique up shop r1 (run k12 would fail: wait until it has ended)" in found


def test_a_route_of_notifications_that_fails_is_shown(parts, target):
    outbox, now = outbox_of(target.state_dir), datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert outbox.put(
        Event("job.failed", "job@n", "1", "high", "it failed"), [NotifySettings(to="env:HOOK", name="ops")], now
    )
    outbox.failed(outbox.take(now)[0], "Connection refused", now, unknown=False)
    sentence = "ops: fails: Connection refused (1 failure since 2026-11-20T12:00:00Z); 1 event waiting since 2026-11-20T12:00:00Z"
    assert f"notify     {sentence}" in lines(target)
    assert describe(target).to_json()["failing_routes"] == [sentence]


def test_an_address_without_an_instance_is_drift(parts, target):
    parts.servers = {"r1": ("h:1", "h:9")}
    assert "drift      no instance of r1 runs at h:9: start it with: pratique up shop r1" in lines(target)


def test_a_balancer_that_does_not_answer_hides_nothing_else(parts, target):
    parts.balancer_error = UnavailableError("away")
    balancer, *_, instance = lines(target)
    assert balancer == "balancer   shop does not answer: start it with: pratique up shop REVISION"
    assert instance.startswith("r1 ")


def test_an_engine_that_does_not_answer_is_an_error_beside_the_rest(parts, target):
    parts.engine_error = UnavailableError("the engine does not answer")
    found = describe(target)
    assert found.error is parts.engine_error
    assert [line.split()[0] for line in found.to_text()] == ["balancer", "collector", "drift"]
    assert found.to_json()["error"] == "the engine does not answer"


def test_drift_that_cannot_be_read_is_an_error_beside_the_rest(parts, target):
    parts.drift_error = UnavailableError("Redis does not answer")
    found = describe(target)
    assert found.error is parts.drift_error
    assert [line.split()[0] for line in found.to_text()] == ["balancer", "collector", "r1"]


def test_missing_instances_and_a_missing_pool_are_reported(parts, target):
    parts.instances, parts.servers, parts.found = [], {}, ActiveWeights()
    assert lines(target)[0] == "balancer   http://127.0.0.1:8080: no pool yet"
    assert lines(target)[-1] == "instances  none"


def test_the_status_is_plain_json(parts, target):
    (target.state_dir / "collector").mkdir(parents=True)
    CollectorStatus(utc_now(), listen="127.0.0.1:5514", received=7).write(target.state_dir)
    found = json.loads(json.dumps(describe(target).to_json(), allow_nan=False))
    assert found["balancer"] == {
        "url": "http://127.0.0.1:8080",
        "answers": True,
        "shares": {"r1": 0.95, "r2": 0.05},
        "lease_left_s": 7.25,
    }
    assert found["collector"]["received"] == 7
    assert found["instances"][0]["started"] == "2026-11-21T00:00:00.000000Z"
    assert found["error"] is None


@pytest.mark.parametrize(("url", "named"), [("prometheus://127.0.0.1:9", False), ("folder", True)])
def test_settings_of_a_collector_that_is_not_needed_are_no_drift(parts, tmp_path, monkeypatch, url, named):
    file = tmp_path / "pratique.toml"
    file.write_text(f'[store]\nurl = "{url}"\n[services.shop]\n')
    monkeypatch.setattr(
        status, "setting_differences", lambda target: ["the collector runs with telemetry.window_s = 1"]
    )
    drift = describe(parse(file.read_text(), file).target("shop")).drift
    assert any("telemetry.window_s" in sentence for sentence in drift) is named
