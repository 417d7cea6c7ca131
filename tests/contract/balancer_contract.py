"""The contract of every balancer, tested on real servers. The test file of a balancer inherits BalancerContract and
defines the fixture `place`: an object with

    balancer        the balancer, of the service "shop", with no pool yet
    again()         another client of it, as another process has
    url             "host:port" that users connect to
    restart(down_s) kill the balancer's process and start it again after that time
    no_balancer()   a client of an address where no balancer runs
    holder          a Python program that gives r2 all traffic under a lease of 2 s, prints "renewing", and renews
                    the lease until it is killed
"""

from __future__ import annotations

import asyncio
import http.client
import math
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import aiohttp
import pytest

from pratique.balancer.base import Lease, Pool
from pratique.balancer.lease import LEASE_MAX_S
from pratique.errors import MissingError, UnavailableError, UsageError
from support.upstream import Upstream
from support.waiting import eventually

FIVE_SIGMA = 5.0
"""Chance exceeds this once in two million tests."""
LONG_S = LEASE_MAX_S
"""A lease that holds for some requests of a test."""
HOLDER_S = 2.0
"""The lease of a `holder`."""
IN_FLIGHT = 100
"""Requests that a load has in flight at most."""


def get(url, path="/", method="GET", body=None, headers=None, timeout=10):
    connection = http.client.HTTPConnection(url, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer
    finally:
        connection.close()


def names(url, count):
    """Count the answers to `count` requests over one connection."""
    connection = http.client.HTTPConnection(url, timeout=60)
    found = Counter()
    for _ in range(count):
        connection.request("GET", "/")
        answer = connection.getresponse()
        content = answer.read().decode()
        found[content if answer.status == 200 else str(answer.status)] += 1
    connection.close()
    return found


def unlikely(count, total, share):
    """Return by how many standard deviations a count differs from its expectation."""
    return abs(count - total * share) / max(1.0, math.sqrt(total * share * (1 - share)))


@contextmanager
def four_servers():
    """Two servers of r1 and one each of r2 and r3."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Upstream(name[:2])) for name in ("r1", "r1b", "r2", "r3")}


def pool_of(servers, *revisions, **weights):
    addresses = {name: (servers[name].address,) for name in revisions}
    return Pool("shop", addresses, {name: weights.get(name, 0.0) for name in revisions})


async def _load(url, rate, done, found, paths=("/", "/slow/5", "/slow/20")):
    """Send requests at a fixed rate until done() holds; found: (sent, ended, answer).

    Requests beyond the first IN_FLIGHT wait, so that a machine that is short of CPU is slow and does not collapse.
    """
    free = asyncio.Semaphore(IN_FLIGHT)

    async def one(session, number):
        sent = time.monotonic()
        try:
            async with session.request(
                "POST" if number % 10 == 0 else "GET",
                f"http://{url}{paths[number % len(paths)]}",
                data=b"item=1" if number % 10 == 0 else None,
            ) as answer:
                text = (await answer.read()).decode()
                found.append((sent, time.monotonic(), text if answer.status == 200 else str(answer.status)))
        except (aiohttp.ClientError, TimeoutError) as error:
            found.append((sent, time.monotonic(), repr(error)))
        finally:
            free.release()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        tasks = []
        while not done():
            await free.acquire()
            tasks.append(asyncio.create_task(one(session, len(tasks))))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*tasks)


def lapsed_between(balancer):
    """When the lease expired according to the balancer, in epoch seconds: at the earliest and at the latest."""
    began = time.time()
    lapsed = balancer.weights("shop").lapsed.timestamp()
    return lapsed - (time.time() - began), lapsed


def continues_past_its_end(place, ttl_s):
    """Renew a lease until it would have ended without; False where this machine did not renew it in time."""
    began = renewed = time.monotonic()
    place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", ttl_s))
    try:
        while time.monotonic() < began + 1.5 * ttl_s:
            time.sleep(ttl_s / 5)
            asked = time.monotonic()
            place.again().renew("shop")
            renewed = asked
        held = names(place.url, 20) == {"r2": 20}
    except MissingError:
        held = False
    assert held or time.monotonic() - renewed > ttl_s
    return held


def under_load(url, changes, *, meanwhile=lambda made: None, rate=500, requests_each=600):
    """Run changes one after another under load; return the answers, and the start and end of each change.

    requests_each: requests that are sent and answered after a change before the next one is made.
    meanwhile: called until then again and again, with the number of changes made.
    """
    found, times, over = [], [], threading.Event()

    def answered_since(moment):
        meanwhile(len(times))
        return sum(sent >= moment for sent, _, _ in list(found)) >= requests_each

    def change_all():
        try:
            for change in changes:
                began = time.monotonic()
                change()
                times.append((began, time.monotonic()))
                eventually(lambda: answered_since(times[-1][1]))
        finally:
            over.set()

    async def both():
        await asyncio.gather(_load(url, rate, over.is_set, found), asyncio.to_thread(change_all))

    asyncio.run(both())
    return found, times


class BalancerContract:
    """Inherited by the tests of each balancer."""

    @pytest.fixture
    def servers(self):
        with four_servers() as servers:
            yield servers

    def test_without_a_pool_users_get_503(self, place):
        assert place.balancer.pool("shop") is None
        assert place.balancer.weights("shop").shares == {}
        assert get(place.url)[0] == 503

    def test_a_pool_is_active_when_apply_returns(self, place, servers):
        pool = pool_of(servers, "r1", "r2", r1=1.0)
        place.balancer.apply(pool)
        assert place.again().pool("shop") == pool
        assert names(place.url, 50) == {"r1": 50}

    def test_shares_are_active_when_set_weights_returns(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0})
        assert names(place.url, 50) == {"r2": 50}
        assert place.again().weights("shop").shares == {"r1": 0.0, "r2": 1.0}
        assert place.again().weights("shop").lease_left_s is None

    def test_a_share_belongs_to_the_revision_whatever_its_number_of_servers(self, place, servers):
        addresses = {"r1": (servers["r1"].address, servers["r1b"].address), "r2": (servers["r2"].address,)}
        place.balancer.apply(Pool("shop", addresses, {"r1": 0.5, "r2": 0.5}))
        found = names(place.url, 2000)
        assert unlikely(found["r2"], 2000, 0.5) < FIVE_SIGMA
        assert unlikely(len(servers["r1b"].received), found["r1"], 0.5) < FIVE_SIGMA

    def test_a_pool_with_an_unreachable_new_server_is_refused_and_the_old_one_stays(self, place, servers):
        old = pool_of(servers, "r1", r1=1.0)
        place.balancer.apply(old)
        with Upstream("gone") as gone:
            pass
        new = Pool("shop", old.servers | {"r2": (gone.address,)}, {"r1": 1.0, "r2": 0.0})
        with pytest.raises(UnavailableError, match=gone.address):
            place.balancer.apply(new)
        assert place.balancer.pool("shop") == old
        assert names(place.url, 10) == {"r1": 10}

    def test_a_dead_server_of_the_old_pool_does_not_block_a_change(self, place, servers):
        with Upstream("r3") as dying:
            addresses = {"r1": (servers["r1"].address, dying.address), "r2": (servers["r2"].address,)}
            place.balancer.apply(Pool("shop", addresses, {"r1": 0.9, "r2": 0.1}))
        without = Pool("shop", {"r1": addresses["r1"]}, {"r1": 1.0})
        place.balancer.apply(without)
        assert place.balancer.pool("shop") == without

    def test_a_share_for_a_revision_with_only_dead_servers_is_refused_and_the_old_pool_stays(self, place, servers):
        with Upstream("r3") as dying:
            addresses = {"r1": (servers["r1"].address,), "r3": (dying.address,)}
            old = Pool("shop", addresses, {"r1": 1.0, "r3": 0.0})
            place.balancer.apply(old)
        with pytest.raises(UnavailableError, match=f"r3.*{dying.address}"):
            place.balancer.apply(Pool("shop", addresses, {"r1": 0.5, "r3": 0.5}))
        assert place.again().pool("shop") == old
        assert names(place.url, 10) == {"r1": 10}

    @pytest.mark.parametrize("weights", [{"r1": 0.5, "r2": 0.4}, {"r1": 0.5, "r3": 0.5}, {"r1": 0.5, "r9": 0.5}, {}])
    def test_an_invalid_pool_is_refused_and_the_old_one_stays(self, place, servers, weights):
        old = pool_of(servers, "r1", "r2", r1=1.0)
        place.balancer.apply(old)
        with pytest.raises(UsageError):
            place.balancer.apply(Pool("shop", old.servers | {"r3": ()}, weights))
        assert place.again().pool("shop") == old

    @pytest.mark.parametrize(
        ("shares", "error"),
        [({"r1": 0.5, "r2": 0.4}, UsageError), ({"r1": 2.0, "r2": -1.0}, UsageError), ({"r9": 1.0}, MissingError)],
    )
    def test_invalid_shares_are_refused_and_nothing_changes(self, place, servers, shares, error):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        with pytest.raises(error):
            place.balancer.set_weights("shop", shares)
        assert place.balancer.weights("shop").shares == {"r1": 1.0, "r2": 0.0}

    def test_shares_without_a_pool_are_refused(self, place):
        with pytest.raises(MissingError, match="no pool"):
            place.balancer.set_weights("shop", {"r1": 1.0})

    def test_a_lease_that_is_not_renewed_expires_and_the_baseline_gets_the_traffic(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", LONG_S))
        assert 0 < place.balancer.weights("shop").lease_left_s <= LONG_S
        assert names(place.url, 20) == {"r2": 20}
        asked = time.time()
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", 1.0))
        confirmed = time.time()
        eventually(lambda: names(place.url, 5) == {"r1": 5})
        assert time.time() - asked > 0.9
        weights = place.again().weights("shop")
        assert (weights.shares, weights.lease_left_s) == ({"r1": 1.0, "r2": 0.0}, None)
        earliest, latest = lapsed_between(place.again())
        assert asked + 0.9 < latest
        assert earliest < confirmed + 1.5

    def test_a_renewed_lease_continues(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        assert any(continues_past_its_end(place, ttl_s) for ttl_s in (1.0, 5.0, 25.0))

    def test_an_expired_lease_cannot_be_renewed(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", 0.2))
        time.sleep(0.5)
        with pytest.raises(MissingError, match="expired"):
            place.balancer.renew("shop")

    def test_a_lease_has_an_id_as_long_as_it_holds(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", LONG_S, 4711))
        place.again().renew("shop")
        # a pool with more servers and the same shares, as for a canary on one host more
        place.balancer.apply(pool_of(servers, "r1", "r2", "r3", r1=0.5, r2=0.5))
        assert place.again().weights("shop").lease_id == 4711
        place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", 0.2, 4712))
        eventually(lambda: place.again().weights("shop").lease_id is None)

    def test_shares_that_name_a_lease_are_set_only_if_it_held(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.9, "r2": 0.1}, lease=Lease("r2", "r1", LONG_S, 1))
        place.balancer.set_weights("shop", {"r1": 0.8, "r2": 0.2}, lease=Lease("r2", "r1", 0.3, 2), held=1)
        eventually(lambda: place.balancer.weights("shop").lapsed)
        for held in (1, 2):
            with pytest.raises(MissingError, match="it expired, and the baseline has the traffic"):
                place.balancer.set_weights(
                    "shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", LONG_S, 3), held=held
                )
        found = place.balancer.weights("shop")
        assert (found.shares, found.lease_id) == ({"r1": 1.0, "r2": 0.0}, None)
        assert found.lapsed is not None

    def test_permanent_shares_end_the_lease(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", LONG_S))
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0})
        with pytest.raises(MissingError):
            place.balancer.renew("shop")
        assert place.again().weights("shop").shares == {"r1": 0.0, "r2": 1.0}

    def test_a_lease_expires_on_time_after_its_holder_is_killed(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        process = subprocess.Popen([sys.executable, "-c", place.holder], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"renewing\n"
        eventually(lambda: names(place.url, 20) == {"r2": 20})
        process.kill()
        process.communicate()
        killed = time.time()
        eventually(lambda: names(place.url, 20) == {"r1": 20})
        earliest, _ = lapsed_between(place.balancer)
        assert earliest < killed + HOLDER_S + 0.5

    def test_pool_and_shares_survive_a_restart(self, place, servers):
        pool = pool_of(servers, "r1", "r2", r1=0.25, r2=0.75)
        place.balancer.apply(pool)
        place.restart()
        assert place.balancer.pool("shop") == pool
        found = names(place.url, 400)
        assert unlikely(found["r2"], 400, 0.75) < FIVE_SIGMA

    def test_a_lease_that_expires_during_a_restart_ends(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", 0.1))
        place.restart(down_s=0.2)
        assert names(place.url, 20) == {"r1": 20}
        assert place.balancer.weights("shop").shares == {"r1": 1.0, "r2": 0.0}

    def test_the_error_for_a_stopped_balancer_names_the_command_that_starts_it(self, place):
        with pytest.raises(UnavailableError, match="pratique up"):
            place.no_balancer().weights("shop")

    def test_another_service_is_refused(self, place):
        with pytest.raises(UsageError, match="shop"):
            place.balancer.pool("billing")

    def test_no_request_fails_while_weights_shift_and_pools_change(self, place, servers):
        balancer = place.balancer
        shares = [0.1, 0.25, 0.5]
        two, three = pool_of(servers, "r1", "r2", r1=1.0), pool_of(servers, "r2", "r3", r2=1.0)
        balancer.apply(two)
        changes = [
            *[
                lambda s=s: balancer.set_weights("shop", {"r1": 1 - s, "r2": s}, lease=Lease("r2", "r1", LONG_S))
                for s in shares
            ],
            lambda: balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}),
            lambda: balancer.apply(three),
            lambda: balancer.set_weights("shop", {"r2": 0.5, "r3": 0.5}, lease=Lease("r3", "r2", 0.5)),
            lambda: balancer.apply(two),
        ]
        found, times = under_load(
            place.url, changes, meanwhile=lambda made: balancer.renew("shop") if made <= len(shares) else None
        )
        answers = Counter(answer for _, _, answer in found)
        assert set(answers) <= {"r1", "r2", "r3"}, answers
        for share, (_, done), (following, _) in zip([*shares, 1.0], times, times[1:], strict=False):
            within = [answer for sent, ended, answer in found if done <= sent and ended <= following]
            assert len(within) >= 600
            assert unlikely(within.count("r2"), len(within), share) < FIVE_SIGMA, (share, Counter(within))

    def test_removed_servers_have_finished_their_requests_when_apply_returns(self, place, servers):
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=0.0, r2=1.0))
        found = []

        async def both():
            sent_later = threading.Event()
            slow = asyncio.create_task(_load(place.url, 20, sent_later.is_set, found, paths=("/slow/1000",)))
            await asyncio.to_thread(eventually, lambda: servers["r2"].unanswered)
            await asyncio.to_thread(place.balancer.apply, pool_of(servers, "r1", r1=1.0))
            unfinished = servers["r2"].unanswered
            await asyncio.to_thread(eventually, lambda: servers["r1"].received)
            sent_later.set()
            await slow
            return unfinished

        assert asyncio.run(both()) == 0
        assert {answer for _, _, answer in found} == {"r1", "r2"}
