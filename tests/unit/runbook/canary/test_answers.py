"""Questions and answers of a run as files in its folder."""

import pytest

from pratique.runbook.canary.answers import ANSWERS, AnswersInFolder, read_answer, read_question, write_answer


@pytest.fixture
def approver(tmp_path):
    return AnswersInFolder(tmp_path)


def test_a_question_stays_on_disk_until_it_is_answered(approver, tmp_path):
    assert approver.ask(1, 5.0, "looks fine") is None
    first = read_question(tmp_path)
    assert (first.number, first.stage, first.status) == (1, 5.0, "looks fine")
    approver.ask(1, 5.0, "still fine")
    assert read_question(tmp_path).status == "still fine"
    assert read_question(tmp_path).asked == first.asked
    write_answer(tmp_path, 5.0, "approve", "ann")
    assert approver.ask(1, 5.0, "still fine") == "approve"


def test_a_stage_can_be_approved_before_it_is_asked_for(approver, tmp_path):
    write_answer(tmp_path, 25.0, "approve", "ann")
    assert approver.ask(1, 5.0, "") is None
    assert approver.ask(2, 25.0, "") == "approve"


def test_the_last_answer_counts(approver, tmp_path):
    write_answer(tmp_path, 5.0, "approve", "ann")
    write_answer(tmp_path, 5.0, "rollback", "bob")
    assert approver.ask(1, 5.0, "") == "rollback"


def test_a_rollout_that_starts_again_asks_again_for_what_it_asked_before(approver, tmp_path):
    approver.ask(1, 5.0, "")
    write_answer(tmp_path, 5.0, "approve", "ann")
    write_answer(tmp_path, 25.0, "approve", "ann")
    assert approver.ask(1, 5.0, "") == "approve"
    approver.withdraw()
    assert read_question(tmp_path) is None
    assert approver.ask(1, 5.0, "") is None
    assert approver.ask(2, 25.0, "") == "approve"


def test_a_damaged_line_is_no_answer(tmp_path):
    (tmp_path / ANSWERS).write_text('{"stage": 5.0, "answer": "approve"}\n[1]\n{"stage": 5.0, "ans', encoding="utf-8")
    with (tmp_path / ANSWERS).open("ab") as file:
        file.write(b"\n\xff\xfe\n" + b"[" * 100_000 + b"\n")
    assert read_answer(tmp_path, 5.0) == "approve"
    (tmp_path / ANSWERS).write_text('{"stage": 5.0, "answer": "maybe"}\n', encoding="utf-8")
    assert read_answer(tmp_path, 5.0) is None
