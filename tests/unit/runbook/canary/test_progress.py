import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pratique.judge.model import Finding, GuardResult, Trace, Verdict
from pratique.runbook.canary.progress import Progress, look_line

END = datetime(2026, 11, 20, 14, 2, 10, tzinfo=UTC)


def verdict(e_value=12.4, ratio=1.9):
    counts = {"r1": 9310, "r2": 1020}
    common = {"bad": counts, "requests": counts, "ratio": ratio, "ratio_low": None, "ratio_high": None, "excess": None}
    rest = {"excess_high": None, "tolerated_ratio": 1.5, "tolerated_excess": 0.0, "first_fired": None, "reason": ""}
    guards = (
        GuardResult(guard="5xx", action="*", e_value=e_value, state="open", **common, **rest),
        GuardResult(guard="5xx", action="GET /", e_value=1.0, state="worse", **common, **rest),
    )
    trace = Trace(np.array([], "datetime64[ms]"), np.array([]))
    start = END - timedelta(minutes=3)
    return Verdict(
        "continue", "not yet", "shop", "r1", "r2", start, END, 10, counts, e_value, 100.0, None,
        guards, (), None, {}, trace, 0.01, 0.05, "", "",
    )  # fmt: skip


def test_a_look_is_one_line():
    line = look_line(5.0, 3, 6, verdict())
    assert (
        line
        == "14:02:10  5 %  window 3 of 6  requests r1 9,310 r2 1,020  evidence 12 of 100  5xx 1.9x open  → continue"
    )


def test_a_look_with_a_suspect_says_what_is_suspected():
    found = replace(verdict(), summary="suspected: r2 fails more often", cause=verdict().guards[0])
    assert look_line(5.0, 3, 6, found).endswith("→ continue: suspected: r2 fails more often")


def test_after_its_minimum_a_stage_shows_only_the_count():
    assert "window 7  requests" in look_line(50.0, 7, 6, verdict(ratio=None))


def test_a_finding_that_holds_the_promotion_is_named():
    held = replace(verdict(), findings=(Finding("gap", "hold", "no request"), Finding("noisy", "note", "it is")))
    assert look_line(5.0, 3, 6, held).endswith("→ continue (held: gap)")


def test_a_look_that_says_the_same_is_not_repeated(tmp_path, capsys):
    progress = Progress(tmp_path / "progress.jsonl", "one")
    for _ in range(3):
        progress.look(5.0, 1, 6, {}, verdict())
    progress.look(5.0, 2, 6, {}, verdict())
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("e_value", [0.0, 12.4, float("inf")])
def test_each_look_is_one_json_object(tmp_path, capsys, e_value):
    progress = Progress(tmp_path / "progress.jsonl", "one")
    progress.stage(5.0, {"r1": 0.95, "r2": 0.05}, "stage 5 %")
    progress.look(5.0, 1, 6, {"r1": 0.95, "r2": 0.05}, verdict(e_value))
    progress.waiting(5.0)
    progress.waiting(5.0)  # printed again only after a while
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["stage", "look", "waiting"]
    assert lines[1]["requests"] == {"r1": 9310, "r2": 1020}
    assert lines[1]["guards"].keys() == {"5xx"}
    assert [line["text"] for line in lines] == [line.strip() for line in capsys.readouterr().out.splitlines()]
