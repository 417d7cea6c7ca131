"""The instances that a pool uses."""

from datetime import UTC, datetime

from pratique.runtime.base import Instance, in_use_by


def instance(name, address, *, revision="r1", group=""):
    return Instance(name, "shop", revision, "run-1", "baseline", address, datetime(2026, 11, 21, tzinfo=UTC), group)


def names(instances, **servers):
    return [found.id for found in in_use_by(instances, servers)]


def test_instances_at_an_address_of_the_pool_are_in_use():
    there = [instance("a", "h:1"), instance("b", "h:2"), instance("c", "h:3", revision="r2")]
    assert names(there, r1=["h:1"]) == ["a"]
    assert names(there, r1=["h:1"], r2=["h:3"]) == ["a", "c"]
    assert names(there) == []


def test_instances_that_stop_together_with_one_of_the_pool_are_in_use():
    there = [instance("a", "h:1", group="one"), instance("b", "h:2", group="one"), instance("c", "h:3", group="two")]
    assert names(there, r1=["h:1"]) == ["a", "b"]


def test_groups_of_a_revision_with_a_missing_instance_are_in_use():
    there = [instance("a", "h:2", group="one"), instance("b", "h:3", revision="r2", group="two")]
    assert names(there, r1=["h:1"], r0=["h:9"]) == ["a"]
