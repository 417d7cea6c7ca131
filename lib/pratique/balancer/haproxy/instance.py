"""One running HAProxy: what it serves, its shares, its lease, and a change of its configuration that can be put back."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
import secrets
import socket
import time
from dataclasses import dataclass, replace

from pratique.balancer.base import Lease, Pool
from pratique.balancer.haproxy.hosts import LocalSite, Site
from pratique.balancer.haproxy.template import (
    Surroundings,
    decoded,
    limits,
    order_of,
    pool_in,
    render,
    shares_file,
    shares_of,
)
from pratique.balancer.shares import SAME_SHARE, State, split_address
from pratique.errors import BusyError, StorageError, UnavailableError

RELOAD_S = 8.0
CHECK_S = 5.0
DRAIN_S = 7.0
"""How long requests at servers that were taken out may take; longer than an idle connection is kept."""
CLOCK_S = 1.0
POLL_S = 0.05
PROBE_S = 3.0


@dataclass(frozen=True)
class Serving:
    """What a worker says of itself. state: times are the seconds of HAProxy's own clock; up: servers that pass their check."""

    stamp: str
    now: float
    state: State
    up: dict[str, int]


class Node:
    """One HAProxy at a site."""

    def __init__(self, site: Site, around: Surroundings) -> None:
        self.site = site
        self._around = around
        self._paths = site.paths

    def in_force(self) -> Serving:
        """What serves now. Raises: UnavailableError."""
        return _read(self._http("GET"), self.site.name)

    def renew(self) -> bool:
        """Renew the lease by HAProxy's own clock; False when it has lapsed. Raises: UnavailableError."""
        answer = self._http("PUT")
        if answer.startswith("HTTP/1.1 409"):
            return False
        _read(answer, self.site.name)
        # a restart begins with the file: it must not find a lease that was renewed long ago; whoever changes the pool
        # meanwhile writes it anyway
        with contextlib.suppress(StorageError, UnavailableError, BusyError), self.site.locked(wait=False):
            self._keep_shares(_entries(self.in_force().state))
        return True

    def set_shares(self, state: State) -> None:
        """Replace shares and lease as one, without a reload; kept for a restart. Raises: UnavailableError."""
        entries = _entries(state)
        self._commit(entries)
        self._keep_shares(entries)

    def install(self, state: State, *, proven: bool = True) -> None:
        """Make this the configuration: verify, keep the old one, replace, reload, prove; else put the old one back.

        proven: whether its servers must pass their checks; what is only put back need not.
        Raises: UnavailableError with HAProxy's or a server's own words, UsageError.
        """
        before = self.in_force()
        text = self._render(state.pool)
        self._verify(text.content)
        files = (self._paths.configuration, self._paths.shares, self._paths.users)
        old = {path: self.site.read(path) or "" for path in files}
        for path, content in old.items():
            self.site.write(f"{path}.old", content)
        self._calm(before.state.pool, state)
        try:
            self._keep_shares(_entries(state))
            self.site.write(self._paths.users, self._first_users())
            self.site.write(self._paths.configuration, text.content)
            self._keep_lease(state)
            self._reload(text.stamp)
            if proven:
                self._prove(before.state.at(before.now).pool, state.pool)
        except Exception:
            for path, content in old.items():
                self.site.write(path, content)
            self._reload(before.stamp, fresh=True)
            raise
        if _addresses(before.state.pool) - _addresses(state.pool):
            self._drained()

    def prepare(self, state: State) -> None:
        """Write the files that HAProxy starts with; shares of the same revisions that stand there already are kept."""
        self.site.write(self._paths.users, self._first_users())
        kept, entries = self.site.read(self._paths.shares) or "", _entries(state)
        if not state.pool.servers or _limited(kept) != _limited("\n".join(entries)):
            self._keep_shares(entries)
        self.site.write(self._paths.configuration, self._render(state.pool).content)

    def kept(self) -> Pool | None:
        """The pool of the configuration on disk; None where there is none of ours."""
        return pool_in(self.site.read(self._paths.configuration) or "")

    def drift(self, wanted: Pool | None) -> list[str]:
        """How it differs from what is wanted, a sentence each."""
        found, said = self.in_force(), []
        pool, name = found.state.pool, self.site.name
        if pool.servers != (wanted.servers if wanted else {}):
            said.append(f"{name} serves {_addressed(pool)}, wanted is {_addressed(wanted)}")
        elif wanted and not same_shares(pool.weights, wanted.weights) and found.state.lease is None:
            said.append(f"{name} has shares {pool.weights}, wanted are {wanted.weights}")
        if f'"stamp":"{found.stamp}"' not in (self.site.read(self._paths.configuration) or ""):
            said.append(f"{name}: {self._paths.configuration} is not the configuration that runs")
        if (self.site.read(self._paths.users) or "") != self._first_users():
            said.append(
                f"{name}: the first users are not those of the service file: the next change of the pool brings them"
            )
        return said + self._changed_servers(pool)

    def expires(self) -> str | None:
        """When the certificate in use ends, as HAProxy writes it ("Nov 21 01:42:41 2026 GMT"); None without TLS."""
        if not self._paths.certificate:
            return None
        said = self._stats(f"show ssl cert {self._paths.certificate}")
        found = re.findall(r"^not ?after: (.+)$", said, re.IGNORECASE | re.MULTILINE)
        if not found:
            raise UnavailableError(f"HAProxy does not know {self._paths.certificate!r}: {said.strip()[:200]}")
        return str(found[0]).strip()

    def _first_users(self) -> str:
        return "".join(f"{user}\n" for user in self._around.settings.haproxy.canary_users)

    def _render(self, pool: Pool) -> _Text:
        stamp = secrets.token_hex(8)
        return _Text(stamp, render(pool, replace(self._around, paths=self._paths), stamp=stamp))

    def _verify(self, text: str) -> None:
        draft = f"{self._paths.configuration}.draft"
        self.site.write(draft, text)
        if self.site.read(self._paths.shares) is None:
            self._keep_shares({})
        status, said = self.site.run([self._around.settings.haproxy.binary, "-c", "-f", draft])
        if status != 0:
            lines = [line for line in said.splitlines() if "[ALERT]" in line] or said.splitlines()
            raise UnavailableError(
                f"HAProxy refuses the configuration, the old one stays: {' | '.join(lines)[:400]} ({draft})"
            )

    def _calm(self, before: Pool, state: State) -> None:
        """Give the workers that a reload leaves behind shares that are safe when servers are taken out."""
        staying = {name: share for name, share in state.pool.weights.items() if share > 0 and name in before.servers}
        gone = set(before.servers) - set(state.pool.servers)
        total = sum(staying.values())
        if gone and total > 0:
            shares = dict.fromkeys(before.servers, 0.0) | {name: share / total for name, share in staying.items()}
            self._commit(_entries(State(replace(before, weights=shares))))

    def _keep_lease(self, state: State) -> None:
        """Keep what the lease was renewed to while files were written: the next worker begins with the file."""
        now = self.in_force().state
        if state.lease is not None and now.lease == state.lease and now.expires > state.expires:
            self._keep_shares(_entries(replace(state, expires=now.expires)))

    def _reload(self, stamp: str, *, fresh: bool = False) -> None:
        """Reload, and wait until a worker with this stamp answers; `fresh`: also one that has it already may."""
        running = None if fresh else self.in_force().stamp
        try:
            self.site.talk(self._paths.master, "reload\n")
        except UnavailableError:
            if running is None:
                return
            raise
        deadline = time.monotonic() + RELOAD_S
        while time.monotonic() < deadline:
            try:
                if self.in_force().stamp == stamp:
                    return
            except UnavailableError:
                pass
            time.sleep(POLL_S)
        raise UnavailableError(
            f"HAProxy on {self.site.name} did not take the new configuration within {RELOAD_S:g} s: the old one is put back; look at its log"
        )

    def _prove(self, before: Pool, pool: Pool) -> None:
        """Each new server passes its check, and so does one of each revision with a share; users get an answer."""
        checked = self._checked(pool)
        for revision, addresses in pool.servers.items():
            failed = {address: checked[pool.service, revision, at] for at, address in enumerate(addresses)}
            failed = {address: why for address, why in failed.items() if why}
            new = [address for address in failed if address not in before.servers.get(revision, ())]
            # a revision that is down already is no reason to stay with it: only more traffic for it is
            more = pool.weights.get(revision, 0.0) > before.weights.get(revision, 0.0)
            if new or (failed and len(failed) == len(addresses) and more):
                address = (new or list(failed))[0]
                raise UnavailableError(
                    f"{revision} does not pass its check at {address} ({failed[address]}): the pool stays as it was"
                )
        self._probe()

    def _checked(self, pool: Pool) -> dict[tuple[str, str, int], str]:
        """What is wrong with each server of (service, revision, number); "" for nothing."""
        deadline = time.monotonic() + CHECK_S
        while True:
            rows = csv.DictReader(io.StringIO(self._stats("show stat").removeprefix("# ")))
            status = {(row["pxname"], row["svname"]): (row["status"], row["check_status"]) for row in rows}
            found, waiting = {}, False
            for revision, addresses in pool.servers.items():
                for at in range(len(addresses)):
                    up, check = status.get((f"{pool.service}.{revision}", f"s{at}"), ("?", "INI"))
                    waiting = waiting or check.startswith("*") or check in ("INI", "")
                    passes = up.startswith("UP") and check.lstrip("* ").startswith("L7OK")
                    waiting = waiting or (up.startswith("UP") and not passes)
                    found[pool.service, revision, at] = "" if passes else f"{up} {check}"
            if not waiting or time.monotonic() > deadline:
                return found
            time.sleep(POLL_S)

    def _probe(self) -> None:
        """Users' address accepts a connection."""
        if not isinstance(self.site, LocalSite):
            return
        host, port = split_address(self._around.settings.listen)
        try:
            socket.create_connection((host.replace("0.0.0.0", "127.0.0.1"), port), PROBE_S).close()  # noqa: S104
        except OSError as error:
            raise UnavailableError(
                f"HAProxy does not accept users at {self._around.settings.listen}: {error}"
            ) from error

    def _drained(self) -> None:
        """Wait for the workers of before the reload: they still have the requests of servers that were taken out."""
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            try:
                _, _, old = self.site.talk(self._paths.master, "show proc\n").partition("# old workers")
            except UnavailableError:
                return
            if not any("worker" in line for line in old.splitlines()):
                return
            time.sleep(POLL_S)

    def _changed_servers(self, pool: Pool) -> list[str]:
        """Servers that somebody has changed by hand: another address, or taken out."""
        wanted = {
            (f"{pool.service}.{revision}", f"s{at}"): address
            for revision, addresses in pool.servers.items()
            for at, address in enumerate(addresses)
        }
        said = []
        lines = self._stats("show servers state").splitlines()
        names = next((line[2:].split() for line in lines if line.startswith("# be_id")), [])
        for line in lines:
            row = dict(zip(names, line.split(" "), strict=False))
            address = wanted.get((row.get("be_name", ""), row.get("srv_name", "")))
            if address is None:
                continue
            host, port = split_address(address)
            if row["srv_port"] != str(port) or (host[:1].isdigit() and row["srv_addr"] != host):
                said.append(f"{self.site.name}: {address} was changed to {row['srv_addr']}:{row['srv_port']}")
            if int(row["srv_admin_state"]) & _FORCED:
                said.append(f"{self.site.name}: {address} was put into maintenance or drained by hand")
        return said

    def _commit(self, entries: dict[str, int]) -> None:
        path = self._paths.shares
        said = self._stats(f"prepare map {path}")
        version = said.rpartition(":")[2].strip()
        if not version.isdigit():
            raise UnavailableError(f"HAProxy on {self.site.name} does not take shares: {said.strip()[:200]}")
        lines = "".join(f"{key} {value}\n" for key, value in entries.items())
        said = self._stats(f"add map @{version} {path} <<\n{lines}") + self._stats(f"commit map @{version} {path}")
        if said.strip():
            raise UnavailableError(f"HAProxy on {self.site.name} does not take shares: {said.strip()[:200]}")

    def _keep_shares(self, entries: dict[str, int]) -> None:
        self.site.write(self._paths.shares, "".join(f"{key} {value}\n" for key, value in entries.items()))

    def _stats(self, command: str) -> str:
        return self.site.talk(self._paths.stats, command + "\n")

    def _http(self, method: str) -> str:
        return self.site.talk(self._paths.control, f"{method} / HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n")


@dataclass(frozen=True)
class _Text:
    stamp: str
    content: str


_FORCED = 0x01 | 0x08
"""srv_admin_state: SRV_ADMF_FMAINT and SRV_ADMF_FDRAIN (HAProxy's management guide, `show servers state`)."""


def same_shares(found: dict[str, float], wanted: dict[str, float]) -> bool:
    """Whether two shares are the same, as far as 10⁹ths tell."""
    return all(abs(found.get(name, 0.0) - wanted.get(name, 0.0)) < SAME_SHARE for name in found | wanted)


def _entries(state: State) -> dict[str, int]:
    until = 0 if state.lease is None else round(state.expires * 1000)
    return shares_file(state.pool.weights, order_of(state.pool), state.lease, until)


def _read(answer: str, name: str) -> Serving:
    try:
        body = json.loads(answer.partition("\r\n\r\n")[2])
        pool = decoded(body["pool"])
        order = order_of(pool)
        shares = {key: round(share, 9) for key, share in shares_of(body["limits"], order).items()}
        # a pool that was never changed at run time has its own numbers, to the last digit
        if body["limits"] == limits(pool.weights, order):
            shares = dict(pool.weights)
        pool = replace(pool, weights={revision: shares.get(revision, 0.0) for revision in pool.servers})
        ttl_s, lease = body["ttl"] / 1000, None
        if ttl_s > 0 and body["canary"]:
            lease = Lease(order[body["canary"] - 1], order[body["baseline"] - 1], ttl_s)
        now, until = body["now"] / 1000, body["until"] / 1000
        # as HAProxy's own rule has it: one that ends too far ahead is over, the clock was set back
        until = until if until - now <= ttl_s + CLOCK_S else now
        state = State(pool, lease, until if lease else math.inf)
        return Serving(body["stamp"], now, state, dict(zip(order, body["up"], strict=True)))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        said = answer.partition("\r\n")[0][:120]
        raise UnavailableError(f"HAProxy on {name} has no configuration of ours: it answers {said!r}") from error


def _limited(shares: str) -> set[str]:
    """The revisions that a file of shares has limits for."""
    return {line.split(" ")[0] for line in shares.splitlines() if line.startswith("limit.")}


def _addresses(pool: Pool) -> set[str]:
    return {address for addresses in pool.servers.values() for address in addresses}


def _addressed(pool: Pool | None) -> str:
    servers = pool.servers if pool else {}
    return "; ".join(f"{revision} at {', '.join(addresses)}" for revision, addresses in servers.items()) or "nothing"
