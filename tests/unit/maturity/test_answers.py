"""Answers hold for a time, expire, survive other answers, and a file that cannot be read is a finding, never an error."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import DataError, UsageError
from pratique.maturity.answers import answer_of, parse_answers, write_answer

TODAY = date(2026, 11, 30)


def answer(item="culture.one-backlog", word="yes", *, who="Ann", until=None, why="one board", link="", today=TODAY):
    return answer_of(item, word, who=who, today=today, until=until, why=why, link=link)


def test_an_answer_is_read_back_as_it_was_written(tmp_path):
    first = answer(link="https://tracker.example/7", why='a "quoted" \\ reason')
    path = write_answer(tmp_path, first)
    write_answer(tmp_path, answer("design.modules", "partly"))
    found = parse_answers(path.read_bytes(), TODAY)
    assert found.findings == ()
    assert found.answers["culture.one-backlog"] == first
    assert found.answers["design.modules"].answer == "partly"
    assert not list(path.parent.glob("*.lock"))


def test_a_new_answer_takes_the_place_of_the_earlier_one(tmp_path):
    write_answer(tmp_path, answer())
    path = write_answer(tmp_path, answer(word="no"))
    assert path.read_text().count("[[answers]]") == 1
    assert parse_answers(path.read_bytes(), TODAY).answers["culture.one-backlog"].answer == "no"


@given(st.text(max_size=300), st.text(min_size=1, max_size=80))
def test_any_text_can_be_a_reason(tmp_path_factory, why, who):
    folder = tmp_path_factory.mktemp("any")
    if not who.strip():
        return
    given_answer = answer(why=why, who=who)
    found = parse_answers(write_answer(folder, given_answer).read_bytes(), TODAY)
    assert found.answers == {given_answer.item: given_answer}


@pytest.mark.parametrize(
    ("until", "days", "holds"),
    [
        (None, 0, True),
        (None, 180, True),
        (None, 181, False),
        (TODAY + timedelta(days=10), 10, True),
        (TODAY + timedelta(days=10), 11, False),
        (None, -1, True),
        (None, -2, False),
    ],
)
def test_an_answer_holds_for_half_a_year_or_until_its_day(until, days, holds):
    assert answer(until=until).holds(TODAY + timedelta(days=days)) is holds


def test_no_answer_holds_longer_than_a_year(tmp_path):
    with pytest.raises(UsageError, match="for a year at most: give --until up to 2027-11-30"):
        write_answer(tmp_path, answer(until=TODAY + timedelta(days=366)))
    text = b'[[answers]]\nitem = "a.b"\nanswer = "yes"\nwho = "Ann"\ndate = 2026-11-30\nuntil = 2030-01-01\n'
    found = parse_answers(text, TODAY)
    assert "more than a year away: it holds until 2027-11-30" in found.findings[0]
    assert not found.answers["a.b"].holds(TODAY + timedelta(days=366))


@pytest.mark.parametrize("word", ["not applicable", "not wanted"])
def test_leaving_a_practice_out_needs_a_reason(tmp_path, word):
    with pytest.raises(UsageError, match="needs a reason"):
        write_answer(tmp_path, answer(word=word, why=" "))


def entry(item="a.b", word="yes", *, date="2026-11-01", more="", table="[[answers]]"):
    return f'{table}\nitem = "{item}"\nanswer = "{word}"\nwho = "Ann"\ndate = {date}\n{more}\n'


@pytest.mark.parametrize("date", ["2026-12-02", "9999-12-31"])
def test_an_answer_from_the_future_does_not_count_yet(date):
    found = parse_answers((entry() + entry("c.d", date=date) + entry(word="no", date=date)).encode(), TODAY)
    assert {name: one.answer for name, one in found.answers.items()} == {"a.b": "yes"}
    assert all(f"the date {date} is in the future: it does not count yet" in finding for finding in found.findings)
    assert len(found.findings) == 2


def test_the_last_day_of_the_last_year_is_no_error():
    found = parse_answers(entry(date="9999-12-31").encode(), date(9999, 12, 31))
    assert found.answers["a.b"].last_day == date(9999, 12, 31)


@pytest.mark.parametrize("word", ["not applicable", "not wanted"])
@pytest.mark.parametrize("why", ["", 'why = " "'])
def test_leaving_a_practice_out_without_a_reason_does_not_count(tmp_path, word, why):
    found = parse_answers(entry(word=word, more=why).encode(), TODAY)
    assert found.answers == {}
    assert found.findings == (
        f"maturity/answers.toml: a.b: '{word}' has no reason and does not count: write it as `why`",
    )
    path = write_answer(tmp_path, answer("c.d"))
    path.write_text(entry(word=word, more=why))
    with pytest.raises(DataError, match="correct the file first"):
        write_answer(tmp_path, answer("c.d"))
    write_answer(tmp_path, answer("a.b", word, why="nothing of the kind"))
    assert parse_answers(path.read_bytes(), TODAY).findings == ()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (entry(), {"a.b": (1, 5)}),
        (entry() + entry("c.d"), {"a.b": (1, 5), "c.d": (7, 11)}),
        (entry(table=' [[ "answers" ]] # first'), {"a.b": (1, 5)}),
        (entry(more="why = '\u2028\u0085x'\n") + entry("c.d"), {"a.b": (1, 6), "c.d": (8, 12)}),
        (entry(word="no") + entry(table="[[ answers ]]"), {"a.b": (7, 11)}),
        ('answers = [{item = "a.b", answer = "yes", who = "Ann", date = 2026-11-01}]', {}),
        (entry() + entry(table='[["\\u0061nswers"]]'), {}),
        (entry(more='why = """\n[[answers]]\n"""') + entry(table='[["\\u0061nswers"]]'), {}),
    ],
    ids=["one", "two", "spaces", "line signs", "twice", "inline", "escaped", "text like a table"],
)
def test_the_lines_of_an_answer_are_those_that_git_counts(text, lines):
    found = parse_answers(text.encode(), TODAY)
    assert found.answers["a.b"].answer == "yes"
    assert found.lines == lines


@pytest.mark.parametrize(
    "content",
    [b"[[answers", b"\xff\xfe", b"answers = 1", b"[" * 100_000, b"# \n" * (1 << 20), b"answers = [" + b"[" * 5000],
    ids=["half", "UTF-16", "no list", "brackets", "large", "nested"],
)
def test_a_file_that_cannot_be_read_counts_for_nothing_and_says_so(content):
    found = parse_answers(content, TODAY)
    assert found.answers == {}
    assert "no answer counts" in found.findings[0]


@pytest.mark.parametrize(
    "wrong", ['answer = "maybe"', "answer = 1", 'item = "x"', 'date = "soon"', "extra = 1", "who = 7"]
)
def test_one_wrong_answer_does_not_take_the_others_with_it(wrong):
    good = '[[answers]]\nitem = "a.b"\nanswer = "yes"\nwho = "Ann"\ndate = 2026-11-01\n'
    key = wrong.partition(" ")[0]
    bad = (
        "".join(line + "\n" for line in good.replace("a.b", "c.d").splitlines() if not line.startswith(key + " "))
        + wrong
    )
    found = parse_answers((good + bad).encode(), TODAY)
    assert list(found.answers) == ["a.b"]
    assert "answer 2 does not count" in found.findings[0]


def test_a_damaged_file_is_not_written_over(tmp_path):
    path = write_answer(tmp_path, answer())
    path.write_text("[[answers")
    with pytest.raises(DataError, match="correct the file first"):
        write_answer(tmp_path, answer(word="no"))
    assert path.read_text() == "[[answers"


def test_a_link_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/maturity").symlink_to(outside)
    with pytest.raises(UsageError, match="is a link"):
        write_answer(tmp_path / "in", answer())
    assert list(outside.iterdir()) == []
