"""A file of Pratique that is empty or damaged is named in one line that says what to do."""

import json
import os
import time

import pytest

from pratique.cli import main
from pratique.ledger import open_ledger
from pratique.ledger.anchors import heads_path
from pratique.runbook.engine.journal import Journal
from pratique.store import open_store
from support.report_samples import sample_rollups


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The state folder of a service with a store, a ledger and a run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pratique.toml").write_text("[services.shop]\n")
    found = tmp_path / ".pratique"
    open_store(str(found / "store")).write(sample_rollups())
    ledger = open_ledger(found)
    for _ in range(3):
        ledger.append("step", "shop")
    Journal.in_folder(found / "runs" / "k1").append("opened", data={"service": "shop", "context": {}})
    return found


@pytest.fixture
def run(capsys):
    def done(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, *capsys.readouterr()

    return done


COMPARE = ("compare", "shop", "r2", "r3", "--json")


def emptied(path):
    path.write_bytes(b"")
    old = time.time() - 3600
    os.utime(path, (old, old))


def refused(run, *arguments, code=65):
    status, _, error = run(*arguments)
    assert (status, error.count("\n")) == (code, 1), error
    return error


@pytest.mark.slow
def test_a_verdict_has_the_head_of_the_ledger_and_the_ledger_is_compared_with_it(state, run, tmp_path):
    _, out, _ = run(*COMPARE)
    head = open_ledger(state).head()
    assert json.loads(out)["ledger"] == {"entry": 3, "hash": head.hash}
    kept = tmp_path / "verdict.json"
    kept.write_text(out)
    open_ledger(state).append("release", "shop", revision="r2", data={"event": "first"})
    assert run("releases", "shop", "--known-by", str(kept))[0] == 0
    kept.write_text(out.replace(head.hash, "0" * 64))
    assert f"entry 3 is not the one that {kept} knows" in refused(run, "releases", "shop", "--known-by", str(kept))


@pytest.mark.slow
def test_a_verdict_without_a_ledger_says_so(state, run):
    for path in state.glob("ledger*"):
        path.unlink()
    assert json.loads(run(*COMPARE)[1])["ledger"] is None


def test_an_empty_ledger_is_named_by_a_comparison(state, run):
    emptied(state / "ledger.sqlite")
    heads_path(state / "ledger.sqlite").unlink()
    assert "ledger.sqlite' is empty: restore it from a backup" in refused(run, *COMPARE)
    assert "ledger.sqlite' is empty: restore it from a backup" in refused(run, *COMPARE, "--weight", "10")


@pytest.mark.parametrize("content", ["", "nonsense\n"])
def test_damaged_heads_are_named(state, run, content):
    (state / "ledger.heads").write_text(content)
    assert "ledger.heads'" in refused(run, "releases", "shop")


def test_an_empty_commit_of_the_store_is_named(state, run):
    emptied(max((state / "store/_delta_log").glob("*.json")))
    assert "is empty, so requests are missing: delete that file" in refused(run, *COMPARE)


@pytest.mark.parametrize(
    ("content", "what"), [("", "is empty: the run did nothing"), ("damage\n", "line 1 is damaged")]
)
def test_a_damaged_journal_is_named_beside_other_runs_and_alone(state, run, content, what):
    other = state / "runs/k0/journal.jsonl"
    other.parent.mkdir()
    other.write_text(content)
    emptied(other) if not content else None
    status, out, error = run("runs")
    assert (status, "k1" in out) == (0, True)
    assert what in error
    assert "runs/k0" in error
    (state / "runs/k1/journal.jsonl").unlink()
    assert what in refused(run, "runs")
    assert what in run("status", "shop")[1]


@pytest.mark.parametrize("content", ["", "{"])
def test_damaged_lost_lines_are_named(state, run, content):
    (state / "lost").mkdir()
    (state / "lost/shop.json").write_text(content)
    assert "lost/shop.json' is corrupt: delete it" in refused(run, *COMPARE)
