"""The runs of a state folder: running, dead and ended ones."""

import pytest

from pratique.errors import DataError, MissingError, UsageError
from pratique.runbook.engine.journal import Journal
from pratique.runbook.runs import dead_runs, find_run, list_runs
from pratique.subject_lock import Lock


def begin(state, run_id, *, service="shop", revision="r2", **context):
    journal = Journal.in_folder(state / "runs" / run_id)
    opened = {"runbook": "release", "service": service, "revision": revision, "stages": [5.0, 25.0]}
    journal.append("opened", data={**opened, "context": {"service": service, "revision": revision, **context}})
    return journal


def test_a_run_is_running_while_its_process_holds_the_lock(tmp_path):
    begin(tmp_path, "k1")
    lock = Lock(tmp_path, "shop")
    lock.take(who="ann", run="k1", reason="")
    assert [(run.id, run.state, run.holder.who) for run in list_runs(tmp_path)] == [("k1", "running", "ann")]
    lock.abandon()
    assert [run.id for run in dead_runs(tmp_path, "shop")] == ["k1"]


def test_an_ended_run_has_an_outcome(tmp_path):
    begin(tmp_path, "k1").append("ended", data={"outcome": "promoted"})
    begin(tmp_path, "k2", service="cart").append("ended", data={"outcome": "rolled back"})
    assert [(run.id, run.outcome) for run in list_runs(tmp_path)] == [("k1", "promoted"), ("k2", "rolled back")]
    assert [run.id for run in list_runs(tmp_path, "cart")] == ["k2"]
    assert dead_runs(tmp_path, "shop") == []


def test_a_resumed_run_is_no_longer_ended(tmp_path):
    journal = begin(tmp_path, "k1")
    journal.append("ended", data={"outcome": "failed"})
    journal.append("resumed")
    assert find_run(tmp_path, "k1").state == "dead"


def test_the_command_repeats_the_parameters_of_the_run(tmp_path):
    begin(
        tmp_path,
        "k1",
        config="/etc/my shop.toml",
        stages=[5.0, 12.5],
        approval="ask",
        store="",
        why="try",
        dry_run=False,
    )
    assert find_run(tmp_path, "k1").resume_command == (
        "pratique release shop r2 --approval ask --config '/etc/my shop.toml' --stages 5,12.5 --run-id k1"
    )


def test_an_unknown_run_is_an_error_that_lists_the_known_ones(tmp_path):
    with pytest.raises(MissingError, match="has no runs"):
        find_run(tmp_path, "k1")
    begin(tmp_path, "k1")
    for wrong in ("k2", "../runs/k1", ""):
        with pytest.raises(UsageError, match="choose one of k1"):
            find_run(tmp_path, wrong)


def test_a_damaged_journal_hides_no_other_run(tmp_path):
    begin(tmp_path, "k1")
    (tmp_path / "runs/k0").mkdir()
    (tmp_path / "runs/k0/journal.jsonl").write_text("damage\n{}\n")
    assert [run.id for run in list_runs(tmp_path)] == ["k1"]
    with pytest.raises(DataError, match="k0"):
        find_run(tmp_path, "k0")
