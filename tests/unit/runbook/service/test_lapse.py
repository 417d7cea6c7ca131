"""A lapse is found in what the balancer and the ledger say, and recorded before a change hides it."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from pratique.balancer.base import ActiveWeights
from pratique.clock import utc_now
from pratique.config import Config
from pratique.errors import UnavailableError
from pratique.ledger import Ledger
from pratique.runbook.engine.ledger_outbox import LedgerOutbox
from pratique.runbook.service.context import ServiceContext
from pratique.runbook.service.lapse import find_lapse

GIVEN = {"shares": {"r1": 0.9, "r2": 0.1}, "lease_s": 5.0}
LOST = {"r1": 1.0, "r2": 0.0}


class Context(ServiceContext):
    """A context with a real ledger, and a balancer that answers as a test says."""

    run_id = service = "shop"
    revision, outcome, reason, exit_status, result, time_limit, title, winner = "r2", "", "", 0, {}, None, "", ""
    new_instances = lambda self: []  # noqa: E731

    def __init__(self, folder, found):
        self.config = Config()
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.outbox = LedgerOutbox(self.ledger, "shop", "run", who="ann", why="")
        self.balancer, self.found, self.calls = self, found, []

    def weights(self, _):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def set_weights(self, _, shares):
        self.found = ActiveWeights(shares)

    def apply(self, pool):
        self.found = ActiveWeights(pool.weights)


@pytest.fixture
def context(tmp_path):
    found = Context(tmp_path, ActiveWeights())
    found.ledger.append("weight", "shop", revision="r2", data=GIVEN)
    found.found = ActiveWeights(LOST, lapsed=utc_now())
    return found


def kinds(context):
    return [entry.kind for entry in context.ledger.entries("shop")]


@pytest.mark.parametrize(
    "change",
    [lambda context: context.shift({"r1": 1.0, "r2": 0.0}), lambda context: context.serve_only("r1", ["a:1"])],
)
def test_a_change_of_the_shares_records_the_lapse_that_it_would_hide(context, change):
    lapsed = context.found.lapsed
    change(context)
    assert kinds(context) == ["weight", "lapse", "weight"]
    entry = context.ledger.entries("shop", "lapse")[0]
    since, until = (datetime.fromisoformat(entry.data[name]) for name in ("since", "until"))
    assert (since, entry.revision) == (lapsed, "r2")
    assert until >= since
    change(context)
    assert kinds(context).count("lapse") == 1


def test_a_balancer_that_has_forgotten_the_time_gives_the_span_in_which_it_must_have_been(context):
    context.found = ActiveWeights(LOST)
    last_held = utc_now() + timedelta(milliseconds=1)
    lapse = find_lapse(context.ledger, context, "shop", last_held=last_held)
    assert lapse.since == min(last_held, lapse.until)
    assert lapse.confirmed == lapse.until


@pytest.mark.parametrize(
    "found",
    [
        ActiveWeights(GIVEN["shares"], 3.0, lease_id=7),
        ActiveWeights({"r1": 0.5, "r2": 0.5}),
        ActiveWeights(),
    ],
)
def test_a_share_that_is_in_force_or_unknown_is_no_lapse(context, found):
    assert find_lapse(context.ledger, SimpleNamespace(weights=lambda _: found), "shop") is None


def test_a_share_without_a_lease_cannot_lapse(context):
    context.ledger.append("weight", "shop", revision="r2", data={"shares": GIVEN["shares"]})
    context.found = ActiveWeights(LOST)
    assert find_lapse(context.ledger, context, "shop") is None


def test_a_service_without_any_entry_has_no_lapse(tmp_path):
    context = Context(tmp_path, ActiveWeights(LOST, lapsed=utc_now()))
    assert find_lapse(context.ledger, context, "shop") is None


def test_a_balancer_that_does_not_answer_does_not_stop_a_change(context, capsys):
    context.found = UnavailableError("no answer")
    context.shift(LOST)
    assert kinds(context) == ["weight", "weight"]
    assert "whether a lease expired is not known: no answer" in capsys.readouterr().out
