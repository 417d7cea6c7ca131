"""Bounds on distinct names."""

from pratique.telemetry.cardinality import LONGEST_NAME, OTHER, BoundedNames, RecentNames


def test_names_beyond_the_bound_are_other_and_counted():
    names = BoundedNames(2)
    assert [names.admit(name, 5) for name in ("a", "b", "c", "a", "x" * (LONGEST_NAME + 1))] == [
        "a",
        "b",
        OTHER,
        "a",
        OTHER,
    ]
    assert (len(names), names.folded) == (2, 10)


def test_name_out_of_use_makes_room_and_a_known_one_always_has_its_place():
    names = RecentNames(2, {"r1"}.__contains__)
    assert [names.admit(name, 1) for name in ("a", "b", "c", "r1")] == ["a", "b", OTHER, "r1"]
    names.admit("b", 2)
    names.forget(2)
    assert [names.admit(name, 3) for name in ("b", "c", "a")] == ["b", "c", OTHER]
