"""The lease of a canary is renewed only while the judge sends heartbeats."""

import threading

import pytest

from pratique.errors import MissingError, UnavailableError
from pratique.runbook.canary.lease_renewer import LeaseRenewer

PATIENCE_S = 60.0


class Balancer:
    """Counts renewals; `answers` are raised one after another, None is a renewal that succeeds."""

    def __init__(self, *answers):
        self.answers, self.renewals, self.asked = list(answers), 0, threading.Semaphore(0)

    def renew(self, service):
        assert service == "shop"
        self.renewals += 1
        self.asked.release()
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    def wait_for(self, renewals):
        for _ in range(renewals):
            assert self.asked.acquire(timeout=PATIENCE_S)


@pytest.fixture
def renewer_of():
    started = []

    def start(balancer, *, timeout_s=PATIENCE_S):
        renewer = LeaseRenewer(balancer, "shop", 0.03, timeout_s=timeout_s)
        started.append(renewer)
        renewer.start()
        return renewer

    yield start
    for renewer in started:
        renewer.stop()


def test_it_renews_again_and_again(renewer_of):
    balancer = Balancer()
    renewer = renewer_of(balancer)
    balancer.wait_for(3)
    assert not renewer.expired


@pytest.mark.slow
def test_it_stops_renewing_without_a_heartbeat(renewer_of):
    balancer = Balancer()
    renewer_of(balancer, timeout_s=-1.0)
    assert not balancer.asked.acquire(timeout=0.3)
    assert balancer.renewals == 0


def test_it_reports_a_lease_that_the_balancer_does_not_have(renewer_of):
    balancer = Balancer(None, MissingError("no lease"))
    renewer = renewer_of(balancer)
    balancer.wait_for(2)
    renewer.stop()
    assert renewer.expired


def test_it_goes_on_after_a_balancer_that_did_not_answer(renewer_of):
    balancer = Balancer(UnavailableError("restarting"), UnavailableError("restarting"))
    renewer = renewer_of(balancer)
    balancer.wait_for(3)
    assert not renewer.expired


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_reports_expiry_when_its_thread_died(renewer_of):
    balancer = Balancer(RuntimeError("a fault in the client"))
    renewer = renewer_of(balancer)
    balancer.wait_for(1)
    renewer._thread.join(PATIENCE_S)
    assert renewer.expired


def test_it_can_be_started_again_after_the_lease_expired(renewer_of):
    balancer = Balancer(MissingError("no lease"))
    renewer = renewer_of(balancer)
    balancer.wait_for(1)
    renewer._thread.join(PATIENCE_S)
    renewer.start()
    balancer.wait_for(2)
    assert not renewer.expired
