"""Cases that other judges got wrong, from the access log to the verdict through the command line."""

import json
import os
import subprocess
import sys

import pytest

from support.judge_cases import lines

pytestmark = pytest.mark.slow


def verdict(name, folder):
    """The verdict of `pratique import` and `pratique compare` on a case."""
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(name)), encoding="utf-8")
    pratique("import", "in.jsonl", "--service", "s", "--format", "jsonl", "--store", "./st", cwd=folder)
    return json.loads(pratique("compare", "s", "r1", "r2", "--store", "./st", "--json", cwd=folder))


def pratique(*arguments, cwd):
    ran = subprocess.run(
        [sys.executable, "-m", "pratique.cli", *arguments],
        cwd=cwd,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode < 64, ran.stderr
    return ran.stdout


def worse(found):
    return {(guard["guard"], guard["action"]) for guard in found["guards"] if guard["state"] == "worse"}


@pytest.mark.parametrize(
    ("name", "guard", "action"),
    [
        ("redirect-all", "code 302", "*"),
        ("no-answer", "no answer", "*"),
        ("only-post", "5xx", "POST /checkout"),
        ("low-traffic-bad", "5xx", "*"),
    ],
)
def test_difference_is_rolled_back_and_named(name, guard, action, tmp_path):
    found = verdict(name, tmp_path)
    assert found["verdict"] == "rollback"
    assert (guard, action) in worse(found)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("both-failing", "outage", "before the canary"),
        ("all-traffic-then-bad", "gap", "no baseline requests in 240 of 360 windows"),
        ("canary-falls-silent", "gap", "no canary requests in 288 of 360 windows"),
        ("shared-outage-skew", "gap", "the canary's windows end 4 min after the baseline's"),
        ("rejected-lines", "lost lines", "were not counted"),
    ],
)
def test_what_cannot_be_compared_is_a_finding_and_not_promoted(name, kind, message, tmp_path):
    found = verdict(name, tmp_path)
    assert found["verdict"] != "promote"
    assert any(f["kind"] == kind and f["effect"] == "hold" and message in f["message"] for f in found["findings"])
    if kind == "gap" and "skew" not in name:
        assert found["remaining"]["requests"] is None
