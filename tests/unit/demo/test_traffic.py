"""Made-up traffic is the same for the same seed, and fails only as planned."""

from dataclasses import replace
from datetime import timedelta

import pyarrow.compute as pc

from pratique.demo.incident import END, SHOP
from pratique.demo.traffic import traffic

SHORT = END - timedelta(minutes=90)


def bad(rollups, *conditions):
    table = rollups.table.filter(pc.field("code") >= 500)
    for condition in conditions:
        table = table.filter(condition)
    return pc.sum(table["n"]).as_py() or 0


def test_the_same_seed_gives_the_same_requests_and_another_one_others():
    one, same, other = (traffic(SHOP, SHORT, END, seed=seed).table for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


def test_a_fault_is_in_its_action_revision_and_time_only():
    found = traffic(SHOP, SHORT, END, seed=1)
    calm = traffic(replace(SHOP, faults=()), SHORT, END, seed=1)
    guilty = (pc.field("revision") == "r42", pc.field("action") == "POST /checkout")
    assert bad(found, *guilty) > 20 * max(1, bad(calm, *guilty))
    assert bad(found, pc.field("revision") == "r41") < 2 * bad(calm, pc.field("revision") == "r41")


def test_every_request_has_a_duration():
    table = traffic(SHOP, END - timedelta(minutes=10), END, seed=1).table
    assert pc.sum(pc.list_flatten(table["count"])).as_py() == pc.sum(table["n"]).as_py()
