"""Levels with their range, what counts when evidence and answer disagree, and the next steps."""

from datetime import timedelta

import pytest

from pratique.maturity.answers import Answer
from pratique.maturity.collectors import COLLECTORS
from pratique.maturity.evidence import NOT_APPLICABLE, Evidence, compared, share
from pratique.maturity.load import load_model
from pratique.maturity.model import Category, Item, MaturityModel, Rule
from pratique.maturity.scoring import categories_of, judge_item, next_steps, settles, superseded, to_answer
from support.made_repository import NOW

TODAY = NOW.date()
MODEL = load_model()


def said(item, word="yes", *, days=0, why="so"):
    return Answer(item=item, answer=word, who="Ann", date=TODAY - timedelta(days=days), why=why)


def seen(state, reason="seen", **more):
    return Evidence(state, reason, **{"strength": "recorded", **more})


def results(**states):
    """A category c whose items are named after their level: c0a, c1b …"""
    items = []
    for name, state in states.items():
        item = Item(
            id=f"c.{name}",
            level=int(name[1]),
            source="s",
            practice="p",
            next="n",
            evidence=(Rule(collector="git.days"),),
        )
        items.append(
            judge_item(
                item,
                [seen(state if state in ("met", "not met") else "unknown")],
                said(item.id, state) if state in ("not wanted", "not applicable") else None,
                TODAY,
            )
        )
    return items


def category(**states):
    model = MaturityModel(
        name="m",
        levels=("Base", "Beginner", "Intermediate"),
        categories=(Category(id="c", name="C"),),
        items=(MODEL.items[0].model_copy(update={"id": "c.x"}),),
    )
    return categories_of(model, results(**states))[0], model.levels


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (
            {"l0a": "met", "l1a": "unknown", "l1b": "unknown", "l1c": "unknown", "l2a": "not met"},
            "Base, up to Beginner if 3 unknown are met",
        ),
        ({"l0a": "met", "l1a": "met", "l2a": "not met"}, "Beginner"),
        ({"l0a": "not met", "l1a": "met", "l2a": "met"}, "below Base"),
        ({"l0a": "unknown", "l1a": "met", "l2a": "met"}, "below Base, up to Intermediate if 1 unknown is met"),
        ({"l0a": "met", "l1a": "not wanted", "l2a": "met"}, "Intermediate ✻1"),
        ({"l0a": "met", "l1a": "not applicable", "l2a": "met"}, "Intermediate"),
        ({"l0a": "met", "l2a": "unknown"}, "Beginner, up to Intermediate if 1 unknown is met"),
    ],
)
def test_a_level_is_written_with_its_range(states, text):
    found, levels = category(**states)
    assert found.text(levels) == text


LINKED = [item for item in MODEL.items if item.needs_link]


def test_seven_practices_of_the_model_need_a_link():
    assert {item.id for item in LINKED} == {
        "culture.prioritised",
        "design.branch-by-abstraction",
        "design.business-metrics",
        "test.risk-based-manual",
        "test.business-value",
        "information.dashboards",
        "information.cross-silo",
    }
    assert all("Link" in item.ask for item in LINKED)


@pytest.mark.parametrize("item", LINKED, ids=lambda item: item.id)
@pytest.mark.parametrize(("link", "state"), [("", "unknown"), (" ", "unknown"), ("https://tracker.example/7", "met")])
def test_a_yes_counts_there_only_with_its_link(item, link, state):
    yes = said(item.id).model_copy(update={"link": link})
    found = judge_item(item, [], yes, TODAY)
    assert (found.state, found.strength) == (state, "said" if state == "met" else None)
    assert ("give it with --link" in found.reason) is (state == "unknown")
    assert judge_item(item, [], yes.model_copy(update={"answer": "no"}), TODAY).state == "not met"


def test_one_item_short_stays_one_item_short():
    found, _ = category(**{f"l0{letter}": "met" for letter in "abcdef"}, l0g="not met")
    assert (found.level, found.counts(0)) == (-1, (6, 7))


def test_counted_cases_win_over_an_answer_and_both_are_shown():
    item = MODEL.find("build.once")
    found = judge_item(item, [seen("not met", "3 of 9 releases", value=1 / 3, threshold=1.0)], said(item.id), TODAY)
    assert not settles(item)
    assert (found.state, found.strength) == ("not met", "recorded")
    assert found.reason.startswith("3 of 9 releases; said yes (Ann, until ")


def test_where_nothing_was_found_the_answer_counts():
    item = MODEL.find("build.server")
    found = judge_item(item, [seen("unknown", "no pipeline", strength="declared")], said(item.id), TODAY)
    assert (found.state, found.strength) == ("met", "said")
    assert found.reason.endswith("; no pipeline")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("yes", "met"),
        ("no", "not met"),
        ("partly", "not met"),
        ("not applicable", "not applicable"),
        ("not wanted", "not wanted"),
    ],
)
def test_a_question_is_settled_by_its_answer(word, state):
    item = MODEL.find("culture.one-backlog")
    assert judge_item(item, [], said(item.id, word), TODAY).state == state


def test_an_expired_answer_is_unknown_and_says_until_when_it_held():
    item = MODEL.find("culture.one-backlog")
    found = judge_item(item, [], said(item.id, days=200), TODAY)
    assert (found.state, found.expired) == ("unknown", True)
    assert f"yes until {TODAY - timedelta(days=20)} (Ann), which no longer holds" in found.reason


def test_evidence_that_only_supports_decides_nothing():
    item = MODEL.find("culture.prioritised")
    found = judge_item(item, [seen("met", "9 of 9 name a ticket", supports=True)], None, TODAY)
    assert found.state == "unknown"
    assert found.reason.endswith("9 of 9 name a ticket")


def test_all_means_all_and_any_means_one():
    both, one = MODEL.find("information.traceability"), MODEL.find("build.pipeline")
    evidence = [seen("met", "commits"), seen("unknown", "tickets")]
    assert judge_item(both, evidence, None, TODAY).state == "unknown"
    assert judge_item(one, evidence, None, TODAY).state == "met"
    assert judge_item(both, [seen("met"), seen("not met")], None, TODAY).state == "not met"


def of(collector, state):
    known = COLLECTORS[collector]
    return seen(state, collector, strength=known.strength, collector=collector)


@pytest.mark.parametrize(
    ("recorded", "declared", "state"),
    [
        ("not met", "met", "not met"),
        ("unknown", "met", "unknown"),
        ("met", "not met", "met"),
        ("met", "unknown", "met"),
        ("unknown", "unknown", "unknown"),
        ("not met", "unknown", "not met"),
    ],
)
@pytest.mark.parametrize("item", ["build.pipeline", "build.scripted-configuration", "test.performance"])
def test_recorded_cases_beat_what_a_file_declares_and_both_are_shown(item, recorded, declared, state):
    found = MODEL.find(item)
    names = {COLLECTORS[rule.collector].strength: rule.collector for rule in found.deciding}
    evidence = [of(names["recorded"], recorded), of(names["declared"], declared)]
    for given in (evidence, evidence[::-1]):
        judged = judge_item(found, given, None, TODAY)
        assert judged.state == state
        assert judged.strength == (None if state == "unknown" else "recorded")
        assert judged.reason.startswith(names["recorded"])
        assert (f"only declared: {names['declared']}" in judged.reason) == (declared == "met")


@pytest.mark.parametrize("item", ["test.unit", "test.integration", "test.component"])
def test_where_results_are_only_looked_for_a_declared_step_counts_too(item):
    found = MODEL.find(item)
    judged = judge_item(found, [of("results.junit", "unknown"), of("ci.steps", "met")], None, TODAY)
    assert (judged.state, judged.strength) == ("met", "declared")
    judged = judge_item(found, [of("results.junit", "met"), of("ci.steps", "unknown")], None, TODAY)
    assert (judged.state, judged.strength) == ("met", "recorded")


def test_a_better_practice_makes_the_replaced_ones_met():
    items = [MODEL.find(name) for name in ("build.scheduled", "build.polling", "build.triggered")]
    states = {"build.triggered": "met"}
    found = superseded(
        [judge_item(item, [seen(states.get(item.id, "not met"), item.id)], None, TODAY) for item in items]
    )
    assert [one.state for one in found] == ["met"] * 3
    assert found[0].reason == "met, because build.triggered is: build.triggered"


def test_next_steps_begin_in_the_lowest_category_with_the_nearest():
    names = {
        "build.scheduled": (0.0, 1),
        "build.some-scripts": (0, 1),
        "culture.frequent-commits": (2, 3),
        "culture.dev-with-test": (0.4, 0.5),
        "test.security": (0, 1),
    }
    judged = [
        judge_item(
            item,
            [seen("not met", value=names[item.id][0], threshold=names[item.id][1])]
            if item.id in names
            else [seen("met")] * len(item.deciding),
            said(item.id) if not item.deciding else None,
            TODAY,
        )
        for item in MODEL.items
    ]
    steps = [one.item.id for one in next_steps(categories_of(MODEL, judged))]
    assert steps == ["culture.frequent-commits", "build.scheduled", "build.some-scripts"]


def test_questions_come_first_where_they_hold_back_a_level():
    judged = [judge_item(item, [seen("unknown")] * len(item.evidence), None, TODAY) for item in MODEL.items]
    asked = to_answer(categories_of(MODEL, judged))
    assert [one.item.level for one in asked] == sorted(one.item.level for one in asked)
    assert {one.item.id for one in asked} >= {item.id for item in MODEL.items if not item.deciding}
    assert "build.once" not in {one.item.id for one in asked}


@pytest.mark.parametrize("word", ["yes", "no", "partly", "not applicable", "not wanted"])
def test_an_answered_question_is_not_asked_again(word):
    item = MODEL.find("culture.one-backlog")
    assert judge_item(item, [], said(item.id, word), TODAY).reason.startswith(f"said {word}")
    assert "no answer yet" not in judge_item(item, [], said(item.id, word), TODAY).reason
    database = MODEL.find("design.database-versioned")
    nothing = [seen("unknown", f"no file; {NOT_APPLICABLE}", strength="declared")]
    assert NOT_APPLICABLE not in judge_item(database, nothing, said(database.id, word), TODAY).reason
    assert NOT_APPLICABLE in judge_item(database, nothing, None, TODAY).reason


def test_an_unknown_practice_names_everything_that_could_not_be_read():
    found = judge_item(
        MODEL.find("test.unit"),
        [of("results.junit", "unknown"), seen("unknown", "not all could be read", collector="ci.steps")],
        None,
        TODAY,
    )
    assert found.reason.endswith("; not all could be read")


def test_a_share_that_must_be_all_is_written_in_percent():
    rule = Rule(collector="images.pinned", at_least=1.0, of=1)
    assert share(rule, 1, 2, "images are pinned").reason == "1 of 2 images are pinned (at least 100 %)"
    assert compared(rule, 0, 1, "0 files").reason == "0 files (at least 1)"
