"""A whole review: what a year of releases answers, what nothing answers, and that taking evidence away never raises a level."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.maturity.answers import Answer, AnswerFile
from pratique.maturity.collectors import COLLECTORS
from pratique.maturity.evidence import Evidence
from pratique.maturity.load import load_model
from pratique.maturity.review import make_review
from pratique.maturity.scoring import categories_of, judge_item, superseded
from pratique.maturity.sources import SOURCES, Sources
from support.delivering_team import Team
from support.made_repository import NOW, git

MODEL = load_model()
NO_ANSWERS = AnswerFile({})
YES = AnswerFile(
    {
        item.id: Answer(item=item.id, answer="yes", who="ann", date=NOW.date(), link="https://tracker.example/7")
        for item in MODEL.items
    }
)


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    return Team(tmp_path_factory.mktemp("team"))


def levels(review):
    return {category.category.id: category.level for category in review.categories}


@pytest.mark.slow
def test_a_year_of_releases_answers_nearly_everything_without_a_person(team):
    review = make_review(team.sources(), NO_ANSWERS)
    own = [one for one in review.items if one.item.deciding]
    unknown = {one.item.id: one.reason for one in own if one.state == "unknown"}
    assert len(own) == 58
    assert len(own) - len(unknown) >= 55, unknown
    assert {one.item.id: one.reason for one in own if one.state == "not met"} == {}


@pytest.mark.slow
@settings(max_examples=8)
@given(st.frozensets(st.sampled_from([*SOURCES, "answers"])), st.sampled_from(SOURCES), st.booleans())
def test_taking_a_source_away_never_raises_a_level(team, without, source, answered):
    answers = YES if answered else NO_ANSWERS
    less = make_review(replace(team.sources(), without=without | {source}), answers)
    more = make_review(replace(team.sources(), without=without - {source}), answers)
    assert all(levels(less)[name] <= level for name, level in levels(more).items())


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data())
def test_no_combination_of_evidence_and_answers_gets_better_by_knowing_less(data):
    states, words = (
        st.sampled_from(["met", "not met", "unknown"]),
        st.sampled_from(["yes", "no", "partly", "not applicable", "not wanted", None]),
    )
    seed = data.draw(st.randoms(use_true_random=False))
    known = {name: seed.choice(["met", "not met", "unknown"]) for name in sorted(COLLECTORS)}
    said = {item.id: seed.choice(["yes", "no", "partly", "not applicable", "not wanted", None]) for item in MODEL.items}
    known |= {name: data.draw(states) for name in data.draw(st.lists(st.sampled_from(sorted(known)), max_size=3))}
    said[data.draw(st.sampled_from(sorted(said)))] = data.draw(words)
    hidden = data.draw(st.sets(st.sampled_from(sorted(known)), min_size=1))

    def reached(states_now):
        results = [
            judge_item(
                item,
                [
                    Evidence(states_now[rule.collector], "seen", collector=rule.collector, supports=rule.supports)
                    for rule in item.evidence
                ],
                Answer(item=item.id, answer=said[item.id], who="ann", date=NOW.date()) if said[item.id] else None,
                NOW.date(),
            )
            for item in MODEL.items
        ]
        return [category.level for category in categories_of(MODEL, superseded(results))]

    less = reached({name: "unknown" if name in hidden else state for name, state in known.items()})
    assert all(one <= other for one, other in zip(less, reached(known), strict=True))


@pytest.mark.parametrize("kind", ["nothing", "no git", "no commit", "an empty commit"])
def test_an_empty_repository_is_all_unknown(tmp_path, kind):
    if kind not in ("nothing", "no git"):
        git(tmp_path, "init", "-q")
    if kind == "an empty commit":
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    review = make_review(Sources(MODEL, NOW, folder=None if kind == "nothing" else tmp_path))
    assert {one.state for one in review.items} == {"unknown"}
    assert set(levels(review).values()) == {-1}
    assert review.steps == ()


def test_a_shallow_clone_is_unknown_and_never_zero(team, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{team.folder}", "shallow")
    review = make_review(Sources(MODEL, NOW, folder=tmp_path / "shallow"), NO_ANSWERS)
    states = {one.item.id: one for one in review.items}
    for item in (
        "culture.frequent-commits",
        "culture.dev-with-test",
        "design.little-branching",
        "culture.written-process",
    ):
        assert states[item].state == "unknown"
        assert "shallow" in states[item].reason
    assert states["build.triggered"].state == "met"


def test_the_next_review_tells_what_moved_and_why(team):
    first = make_review(team.sources(), NO_ANSWERS)
    moved = first.entry()
    moved["items"]["test.unit"] |= {"state": "not met"}
    moved["items"]["build.once"] |= {"state": "met", "threshold": 0.5}
    del moved["items"]["design.modules"]
    earlier = replace(
        team.entries[-1],
        number=len(team.entries) + 1,
        time=NOW - timedelta(days=1),
        kind="review",
        service="",
        data=moved,
    )
    team.digests["shop", "r52"] = "sha256:other"
    second = make_review(team.sources(entries=[*team.entries, earlier]), NO_ANSWERS)
    changes = {change.item: change for change in second.changes}
    assert changes["test.unit"].direction == "▲"
    assert changes["test.unit"].why.startswith("evidence: ")
    assert changes["build.once"].direction == "▼"
    assert changes["build.once"].why.startswith("another threshold: 0.5 before, 1 now")
    assert changes["design.modules"].direction == "new"
    assert second.before == NOW - timedelta(days=1)


def test_an_answer_that_expired_says_so_in_the_trend(team):
    asked = "culture.one-backlog"
    said = Answer(item=asked, answer="yes", who="Ann", date=NOW.date() - timedelta(days=170))
    first = make_review(replace(team.sources(), now=NOW - timedelta(days=20)), AnswerFile({asked: said}))
    entry = replace(
        team.entries[-1], number=9999, time=NOW - timedelta(days=20), kind="review", service="", data=first.entry()
    )
    later = make_review(
        replace(team.sources(entries=[*team.entries, entry]), now=NOW + timedelta(days=20)), AnswerFile({asked: said})
    )
    change = next(change for change in later.changes if change.item == asked)
    assert (change.direction, change.before, change.now) == ("▼", "met", "unknown")
    assert (
        change.why
        == f"an answer expired: no answer yet: {MODEL.find(asked).ask}; yes until {said.last_day} (Ann), which no longer holds"
    )


def test_an_answer_that_is_gone_says_so_in_the_trend(team):
    asked = "culture.one-backlog"
    said = Answer(item=asked, answer="no", who="Ann", date=NOW.date())
    first = make_review(replace(team.sources(), now=NOW - timedelta(days=1)), AnswerFile({asked: said}))
    entry = replace(
        team.entries[-1], number=9999, time=NOW - timedelta(days=1), kind="review", service="", data=first.entry()
    )
    later = make_review(team.sources(entries=[*team.entries, entry]), NO_ANSWERS)
    change = next(change for change in later.changes if change.item == asked)
    assert (change.direction, change.before, change.now) == ("▲", "not met", "unknown")
    assert change.why.startswith("the answer was removed: ")


@pytest.mark.parametrize("threshold", ["3", True, None, [], {"a": 1}])
def test_a_threshold_that_is_not_a_number_does_not_break_the_next_review(team, threshold):
    entry = make_review(team.sources(), NO_ANSWERS).entry()
    entry["items"]["test.unit"] |= {"state": "not met", "threshold": threshold, "value": threshold}
    time = NOW - timedelta(days=1)
    earlier = replace(team.entries[-1], number=9999, time=time, kind="review", service="", data=entry)
    review = make_review(team.sources(entries=[*team.entries, earlier]), NO_ANSWERS)
    (change,) = [change for change in review.changes if change.item == "test.unit"]
    assert change.direction == "▲"
    assert change.why.startswith("evidence: ")


def test_an_answer_in_another_form_is_a_finding_because_its_author_is_not_known(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "maturity").mkdir()
    (tmp_path / "maturity/answers.toml").write_text(
        'answers = [{item = "culture.one-backlog", answer = "yes", who = "Bob", date = 2026-11-01}]\n'
    )
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "answers")
    (finding,) = make_review(Sources(MODEL, NOW, folder=tmp_path)).findings
    assert "culture.one-backlog: git cannot be asked who answered" in finding


def test_an_uncommitted_answer_and_another_author_are_findings(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "maturity").mkdir()
    (tmp_path / "maturity/answers.toml").write_text(
        '[[answers]]\nitem = "culture.one-backlog"\nanswer = "yes"\nwho = "Bob"\ndate = 2026-11-01\n'
        '\n[[answers]]\nitem = "culture.agile-basics"\nanswer = "yes"\nwho = "ann"\ndate = 2026-11-01\n'
    )
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "answers")
    review = make_review(Sources(MODEL, NOW, folder=tmp_path))
    assert review.findings == (
        "maturity/answers.toml: culture.one-backlog: answered by Bob, but git says that another author wrote it",
    )
    with (tmp_path / "maturity/answers.toml").open("a") as file:
        file.write("# changed\n")
    review = make_review(Sources(MODEL, NOW, folder=tmp_path))
    assert "is not committed in its current form" in review.findings[0]
    assert next(one for one in review.items if one.item.id == "culture.one-backlog").state == "met"
