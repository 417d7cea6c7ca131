"""Cases that other judges got wrong, from the access log to the verdict through the command line."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from pratique.cli import main
from support.judge_cases import lines

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def verdict(known, tmp_path, monkeypatch):
    """The verdict of `pratique import` and `pratique compare` on a case."""
    monkeypatch.chdir(tmp_path)

    def found(name):
        if name not in known:
            known[name] = judged(name, "./st")
        return known[name]

    return found


def judged(name, store):
    Path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(name)), encoding="utf-8")
    pratique("import", "in.jsonl", "--service", "s", "--format", "jsonl", "--store", store)
    return json.loads(pratique("compare", "s", "r1", "r2", "--store", store, "--json"))


def pratique(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code < 64
    return said.getvalue()


def worse(found):
    return {(guard["guard"], guard["action"]) for guard in found["guards"] if guard["state"] == "worse"}


@pytest.mark.parametrize(
    ("name", "guard", "action"),
    [
        ("redirect-all", "code 302", "*"),
        ("empty-answers", "code 204", "*"),
        ("login-asked", "4xx", "*"),
        ("throttled", "4xx", "*"),
        ("slow-cart", "p95", "POST /cart"),
        ("baseline-down", "5xx", "*"),
        ("warm-up", "p95", "*"),
        ("no-answer", "no answer", "*"),
        ("only-post", "5xx", "POST /checkout"),
        ("low-traffic-bad", "5xx", "*"),
    ],
)
def test_difference_is_rolled_back_and_named(name, guard, action, verdict):
    found = verdict(name)
    assert found["verdict"] == "rollback"
    assert (guard, action) in worse(found)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("both-failing", "outage", "before the canary"),
        ("all-traffic-then-bad", "gap", "no baseline requests in 240 of 360 windows"),
        ("canary-falls-silent", "gap", "no canary requests in 288 of 360 windows"),
        ("dies-half-way", "gap", "the canary is down"),
        ("canary-silent-in-the-middle", "gap", "no canary requests in 90 of 360 windows"),
        ("baseline-silent-at-the-end", "gap", "the baseline is down"),
        ("both-failing-canary-less", "outage", "the baseline is far from its own history: 5xx"),
        ("other-action-rules", "actions", "r2 has no request of 6 actions"),
        ("shared-outage-skew", "gap", "the canary's windows end 4 min after the baseline's"),
        ("rejected-lines", "lost lines", "were not counted"),
    ],
)
def test_what_cannot_be_compared_is_a_finding_and_not_promoted(name, kind, message, verdict):
    found = verdict(name)
    assert found["verdict"] != "promote"
    assert any(f["kind"] == kind and f["effect"] == "hold" and message in f["message"] for f in found["findings"])
    if found["verdict"] == "inconclusive":
        assert kind in found["summary"]
    if kind in ("gap", "actions", "lost lines") and "skew" not in name:
        assert found["remaining"]["requests"] is None


@pytest.mark.parametrize("name", ["nothing", "low-traffic", "weight-changes"])
def test_no_difference_holds_nothing_and_says_what_is_lacking(name, verdict):
    found = verdict(name)
    assert found["verdict"] != "rollback"
    assert not worse(found)
    assert not [finding for finding in found["findings"] if finding["effect"] != "note"]
    assert found["verdict"] == "promote" or "needs about" in found["reason"]


def test_lines_lost_in_another_store_are_not_missing_in_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judged("rejected-lines", "./st")
    found = judged("low-traffic", "./another")
    assert not [finding for finding in found["findings"] if finding["kind"] == "lost lines"]


def test_the_code_behind_unusual_codes_is_named(verdict):
    assert "302" in verdict("redirect-all")["summary"]
