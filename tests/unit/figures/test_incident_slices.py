"""Two selections side by side: the value with most bad requests more comes first."""

from pratique.figures.incident_slices import Slice, slices
from support.report_samples import HOSTILE

BEFORE = Slice("r41", {"/a": 2, "/b": 5}, {"/a": 1000, "/b": 1000, "/c": 500})
AFTER = Slice("r42", {"/a": 90, "/b": 6, "/d": 1}, {"/a": 1000, "/b": 1000, "/d": 10})


def test_the_largest_difference_comes_first():
    assert slices(BEFORE, AFTER, "action").layout.yaxis.ticktext[0] == "/a"


def test_a_value_that_one_selection_lacks_has_one_dot():
    before, after = slices(BEFORE, AFTER, "action").data
    assert len(before.x) == len(after.x) == 3
    assert "0 of 0 → 1 of 10" in slices(BEFORE, AFTER, "action").text


def test_many_values_are_cut_and_counted():
    many = Slice("all", {}, {f"/{number}": 10 for number in range(40)})
    chart = slices(many, many, "action")
    assert len(chart.layout.yaxis.ticktext) == 16
    assert "24 more not shown" in chart.layout.yaxis.title.text


def test_without_requests_it_says_so():
    assert "Neither selection" in slices(Slice("a", {}, {}), Slice("b", {}, {}), "host").layout.annotations[0].text


def test_hostile_names_are_text():
    hostile = Slice(HOSTILE[1], dict.fromkeys(HOSTILE, 1), dict.fromkeys(HOSTILE, 5))
    text = slices(hostile, hostile, "action").to_json()
    assert "<script" not in text
    assert "<img" not in text
