"""Changes that the ledger does not know, from any JSON."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.incident.foreign_change import EXAMPLE, LONGEST, MOST_SERVICES, foreign_change

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
GIVEN = {"time": "2026-11-20T12:00:00Z", "service": "shop"}


def read(**fields):
    return foreign_change({**GIVEN, **fields}, source="test")


@pytest.mark.parametrize(
    "time",
    ["2026-11-20T12:00:00Z", "2026-11-20T12:00", "2026-11-20 13:00+01:00", 1795176000, 1795176000.0, 1795176000000],
)
def test_a_time_is_utc_unless_it_tells_a_zone(time):
    assert read(time=time).time == NOON


def test_texts_that_are_not_given_are_empty_and_the_kind_is_a_change():
    change = read()
    assert (change.kind, change.revision, change.who, change.why, change.source) == ("change", "", "", "", "test")


def test_a_change_of_all_services_is_one_for_each_that_is_known():
    change = read(service="*", why="new router")
    assert [one.service for one in change.of_each(("shop", "till"))] == ["shop", "till"]
    assert [one.service for one in change.of_each()] == ["*"]
    assert {one.why for one in change.of_each(("shop", "till"))} == {"new router"}
    assert [one.service for one in read(services=["a", "b", "a"]).of_each(("shop",))] == ["a", "b"]


def test_the_same_content_is_the_same_change_and_another_one_is_not():
    assert read(why="a").key == read(why="a", time="2026-11-20T13:00:00+01:00").key
    others = [read(why="b"), read(why="a", service="till"), read(why="a", kind="flag"), read(why="a", source="x")]
    assert len({change.key for change in [read(why="a"), *others]}) == 5
    assert read(why="a", id=7).key == read(why="b", id="7").key


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"time": None}, "time is missing"),
        ({"time": "noon"}, 'time is "noon"'),
        ({"time": True}, "time is true"),
        ({"time": float("nan")}, "time"),
        ({"time": 1e300}, "time"),
        ({"service": None}, "service is missing"),
        ({"service": "../etc"}, 'service is "../etc"'),
        ({"services": []}, "service is []"),
        ({"services": ["*", "shop"]}, "service"),
        ({"why": {"a": 1}}, "why is"),
        ({"who": 5}, "who is 5"),
    ],
)
def test_a_wrong_field_is_named_with_an_example(fields, named):
    with pytest.raises(ValueError, match="field") as raised:
        read(**fields)
    assert named in str(raised.value)
    assert EXAMPLE in str(raised.value)


@pytest.mark.parametrize("found", [None, 1, "text", [], ["shop"]])
def test_what_is_no_object_is_refused(found):
    with pytest.raises(ValueError, match="JSON object"):
        foreign_change(found, source="test")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["time", "service", "services", *LONGEST]), _json))
def test_any_json_is_a_bounded_printable_change_or_one_error(found):
    try:
        change = foreign_change(found | {"time": GIVEN["time"], "service": "shop", "services": ["shop"]}, source="test")
    except ValueError:
        return
    for name, most in LONGEST.items():
        text = getattr(change, name)
        assert len(text) <= most
        assert text.isprintable()
    assert len(change.services) <= MOST_SERVICES
    assert foreign_change(change.to_json(), source="other") == change


def test_long_ids_that_begin_alike_are_two():
    long = "https://flags.example/" + "a" * 300
    first, second, again = (
        foreign_change({"time": "2026-11-20", "service": "shop", "id": name}, source="x")
        for name in (f"{long}1", f"{long}2", f"{long}1")
    )
    assert first.key != second.key
    assert first.key == again.key
    assert foreign_change(first.to_json(), source="y").key == first.key
    assert len(first.id) <= 200


def test_too_many_services_are_refused():
    with pytest.raises(ValueError, match="names 101 services"):
        foreign_change({"time": "2026-11-20", "services": [f"s{at}" for at in range(101)]}, source="x")
