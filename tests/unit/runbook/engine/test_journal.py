import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.errors import DataError, DeniedError, MissingError, StorageError
from pratique.runbook.engine.journal import Journal


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "runs" / "one" / "journal.jsonl")


def test_reading_leaves_no_trace(journal):
    assert journal.lines() == []
    assert journal.state("start") is None
    assert journal.data("start") == {}
    assert not journal.path.parent.exists()


def test_lines_are_returned_in_order(journal):
    journal.append("opened", data={"service": "shop"})
    journal.append("begun", "start")
    journal.append("noted", "start", {"a": 1})
    assert journal.state("start") == "begun"
    assert journal.data("start") == {"a": 1}
    journal.append("done", "start", {"b": 2})
    assert journal.state("start") == "done"
    assert journal.data("start") == {"a": 1, "b": 2}
    journal.append("undone", "start")
    assert journal.state("start") == "undone"
    assert journal.data("start") == {}
    assert journal.first("opened").data == {"service": "shop"}
    with pytest.raises(MissingError, match="no line 'ended'"):
        journal.first("ended")


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(min_value=1, max_value=60))
@pytest.mark.slow
def test_a_torn_tail_is_skipped_and_cut_off(tmp_path_factory, cut):
    journal = Journal(tmp_path_factory.mktemp("run") / "journal.jsonl")
    journal.append("opened", data={"text": "ä\n"})
    complete = journal.path.read_bytes()
    journal.append("begun", "start")
    torn = journal.path.read_bytes()
    journal.path.write_bytes(torn[: max(len(complete), len(torn) - cut)])
    assert [line.event for line in journal.lines()] == ["opened"]
    journal.append("resumed")
    assert [line.event for line in journal.lines()] == ["opened", "resumed"]
    assert all(json.loads(line) for line in journal.path.read_bytes().splitlines())


@pytest.mark.parametrize(
    "damage",
    [b"garbage", b"\xff\xfe", b"[" * 100_000, b'{"time":"2026-11-29T00:00:00Z","event":"done","step":"a","data":[]}',
     b'{"time":"2026-11-29T00:00:00","event":"done","step":"a","data":{}}',
     b'{"time":"2026-11-29T00:00:00Z","event":"opened","step":"","data":{"context":[1]}}'],
)  # fmt: skip
def test_damage_in_the_middle_names_the_line(journal, damage):
    journal.append("opened")
    journal.append("begun", "start")
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(lines[0] + damage + b"\n" + lines[1])
    with pytest.raises(DataError, match="line 2 is damaged"):
        journal.lines()


def test_a_folder_at_the_path_is_an_error(journal):
    journal.path.mkdir(parents=True)
    with pytest.raises((DeniedError, StorageError), match=r"journal .* cannot be written"):
        journal.append("opened")


def test_a_done_step_stays_done_until_it_is_undone(journal):
    for event, state in [
        ("begun", "begun"),
        ("failed", "failed"),
        ("begun", "begun"),
        ("done", "done"),
        ("failed", "done"),
        ("undone", "undone"),
        ("begun", "begun"),
    ]:
        journal.append(event, "conclude")
        assert journal.state("conclude") == state
