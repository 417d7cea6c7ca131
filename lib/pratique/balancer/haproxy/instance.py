"""One running HAProxy: its status, its shares and lease, and changes of its configuration that can be undone."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import time
from dataclasses import dataclass, replace

from pratique.balancer.base import Pool
from pratique.balancer.haproxy.hosts import Host, LocalHost
from pratique.balancer.haproxy.template import TemplateContext, pool_in, render
from pratique.balancer.haproxy.worker_status import (
    WorkerStatus,
    check_results,
    limited_revisions,
    manual_changes,
    map_entries,
    map_text,
    parse_status,
)
from pratique.balancer.lease import State
from pratique.balancer.shares import same_shares, split_address
from pratique.errors import BusyError, StorageError, UnavailableError

RELOAD_TIMEOUT_S = 8.0
CHECK_TIMEOUT_S = 5.0
DRAIN_TIMEOUT_S = 7.0
"""How long requests at removed servers may take: longer than an idle connection stays open."""
CONNECT_TIMEOUT_S = 3.0
POLL_S = 0.05


class HAProxyInstance:
    """The HAProxy of one host."""

    def __init__(self, host: Host, context: TemplateContext) -> None:
        self.host = host
        self._context = context
        self._paths = host.paths

    def status(self) -> WorkerStatus:
        """Return the status of the current worker. Raises: UnavailableError."""
        return parse_status(self._http("GET"), self.host.name)

    def renew(self) -> bool:
        """Renew the lease by HAProxy's clock. Return False when it has expired. Raises: UnavailableError."""
        answer = self._http("PUT")
        if answer.startswith("HTTP/1.1 409"):
            return False
        parse_status(answer, self.host.name)
        # a restart begins with the file, which should hold the renewed lease; if another process has the lock, it is
        # changing the pool and writes the file itself
        with contextlib.suppress(StorageError, UnavailableError, BusyError), self.host.locked(wait=False):
            self._write_map(self.status().state)
        return True

    def set_shares(self, state: State) -> None:
        """Replace shares and lease together without a reload, and store them for a restart. Raises: UnavailableError."""
        self._commit_map(state)
        self._write_map(state)

    def install(self, state: State, *, check_servers: bool = True) -> None:
        """Replace the configuration: verify, back up, replace, reload, check; restore the old one on an error.

        check_servers: whether the new servers must pass their checks. A restored pool is not checked.
        Raises: UnavailableError with the error of HAProxy or of a server, UsageError.
        """
        before = self.status()
        rendered = self._render(state.pool)
        self._verify(rendered.content)
        backup = self._back_up()
        self._protect_old_workers(before.state.pool, state)
        try:
            self._write_map(state)
            self.host.write(self._paths.users, self._canary_users())
            self.host.write(self._paths.configuration, rendered.content)
            self._keep_renewed_lease(state)
            self._reload(rendered.stamp)
            if check_servers:
                self._require_healthy(before.current.pool, state.pool)
        except Exception:
            for path, content in backup.items():
                self.host.write(path, content)
            self._reload(before.stamp, accept_running=True)
            raise
        if _addresses(before.state.pool) - _addresses(state.pool):
            self._wait_old_workers()

    def prepare(self, state: State) -> None:
        """Write the files for a start of HAProxy. Stored shares are kept if they are of the same revisions."""
        self.host.write(self._paths.users, self._canary_users())
        stored = self.host.read(self._paths.shares) or ""
        if not state.pool.servers or limited_revisions(stored) != limited_revisions(map_text(map_entries(state))):
            self._write_map(state)
        self.host.write(self._paths.configuration, self._render(state.pool).content)

    def stored_pool(self) -> Pool | None:
        """Return the pool of the configuration on disk; None if there is no configuration of Pratique."""
        return pool_in(self.host.read(self._paths.configuration) or "")

    def drift(self, desired: Pool | None) -> list[str]:
        """Return one sentence for each difference from the desired pool and the files."""
        status, found = self.status(), []
        pool, name = status.state.pool, self.host.name
        if pool.servers != (desired.servers if desired else {}):
            found.append(f"{name} serves {_addressed(pool)}, desired is {_addressed(desired)}")
        elif desired and not same_shares(pool.weights, desired.weights) and status.state.lease is None:
            found.append(f"{name} has shares {pool.weights}, desired are {desired.weights}")
        if f'"stamp":"{status.stamp}"' not in (self.host.read(self._paths.configuration) or ""):
            found.append(f"{name}: {self._paths.configuration} is not the running configuration")
        if (self.host.read(self._paths.users) or "") != self._canary_users():
            found.append(f"{name}: canary_users differ from the service file: the next change of the pool updates them")
        return found + [f"{name}: {change}" for change in manual_changes(self._runtime("show servers state"), pool)]

    def certificate_expiry(self) -> str | None:
        """Return when the certificate expires, as HAProxy writes it ("Nov 21 01:42:41 2026 GMT"); None without TLS."""
        if not self._paths.certificate:
            return None
        answer = self._runtime(f"show ssl cert {self._paths.certificate}")
        found = re.findall(r"^not ?after: (.+)$", answer, re.IGNORECASE | re.MULTILINE)
        if not found:
            raise UnavailableError(
                f"HAProxy does not know the certificate {self._paths.certificate!r}: {answer.strip()[:200]}"
            )
        return str(found[0]).strip()

    def _canary_users(self) -> str:
        return "".join(f"{user}\n" for user in self._context.settings.haproxy.canary_users)

    def _render(self, pool: Pool) -> _Rendered:
        stamp = secrets.token_hex(8)
        return _Rendered(stamp, render(pool, replace(self._context, paths=self._paths), stamp=stamp))

    def _verify(self, text: str) -> None:
        draft = f"{self._paths.configuration}.draft"
        self.host.write(draft, text)
        if self.host.read(self._paths.shares) is None:
            self.host.write(self._paths.shares, "")
        status, output = self.host.run([self._context.settings.haproxy.binary, "-c", "-f", draft])
        if status != 0:
            lines = [line for line in output.splitlines() if "[ALERT]" in line] or output.splitlines()
            raise UnavailableError(
                f"HAProxy rejected the configuration, the old one is unchanged: {' | '.join(lines)[:400]} ({draft})"
            )

    def _back_up(self) -> dict[str, str]:
        """Copy each file to PATH.old; return the contents by path."""
        files = (self._paths.configuration, self._paths.shares, self._paths.users)
        contents = {path: self.host.read(path) or "" for path in files}
        for path, content in contents.items():
            self.host.write(f"{path}.old", content)
        return contents

    def _protect_old_workers(self, before: Pool, state: State) -> None:
        """Set the shares of removed revisions to 0: workers from before the reload continue with these shares."""
        staying = {name: share for name, share in state.pool.weights.items() if share > 0 and name in before.servers}
        removed = set(before.servers) - set(state.pool.servers)
        total = sum(staying.values())
        if removed and total > 0:
            shares = dict.fromkeys(before.servers, 0.0) | {name: share / total for name, share in staying.items()}
            self._commit_map(State(replace(before, weights=shares)))

    def _keep_renewed_lease(self, state: State) -> None:
        """Write the lease again if it was renewed since `state` was read: the next worker begins with the file."""
        now = self.status().state
        if state.lease is not None and now.lease == state.lease and now.expires > state.expires:
            self._write_map(replace(state, expires=now.expires))

    def _reload(self, stamp: str, *, accept_running: bool = False) -> None:
        """Reload, and wait until a worker with this stamp answers.

        accept_running: the running worker may have the stamp already, and HAProxy may not answer.
        """
        running = None if accept_running else self.status().stamp
        try:
            self.host.ask_socket(self._paths.master, "reload\n")
        except UnavailableError:
            if running is None:
                return
            raise
        deadline = time.monotonic() + RELOAD_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(UnavailableError):
                if self.status().stamp == stamp:
                    return
            time.sleep(POLL_S)
        raise UnavailableError(
            f"HAProxy on {self.host.name} did not load the new configuration within {RELOAD_TIMEOUT_S:g} s: the old "
            f"one is restored: check the log of HAProxy"
        )

    def _require_healthy(self, before: Pool, pool: Pool) -> None:
        """Require that new servers, and a server of each revision with a share, pass their check."""
        results = self._check_results(pool)
        for revision, addresses in pool.servers.items():
            failed = [address for address in addresses if results[revision, address]]
            new = [address for address in failed if address not in before.servers.get(revision, ())]
            # a revision that was down before the change must not block it, unless it gets more traffic
            more = pool.weights.get(revision, 0.0) > before.weights.get(revision, 0.0)
            if new or (failed and len(failed) == len(addresses) and more):
                address = (new or failed)[0]
                raise UnavailableError(
                    f"{revision} does not pass its health check at {address} ({results[revision, address]}): "
                    "the pool is unchanged"
                )
        self._require_listening()

    def _check_results(self, pool: Pool) -> dict[tuple[str, str], str]:
        deadline = time.monotonic() + CHECK_TIMEOUT_S
        while True:
            results, waiting = check_results(self._runtime("show stat"), pool)
            if not waiting or time.monotonic() > deadline:
                return results
            time.sleep(POLL_S)

    def _require_listening(self) -> None:
        if not isinstance(self.host, LocalHost):
            return
        listen = self._context.settings.listen
        host, port = split_address(listen)
        try:
            address = (host.replace("0.0.0.0", "127.0.0.1"), port)  # noqa: S104
            socket.create_connection(address, CONNECT_TIMEOUT_S).close()
        except OSError as error:
            raise UnavailableError(f"HAProxy does not accept connections at {listen}: {error}") from error

    def _wait_old_workers(self) -> None:
        """Wait for the workers from before the reload: they still handle requests at removed servers."""
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                _, _, old = self.host.ask_socket(self._paths.master, "show proc\n").partition("# old workers")
            except UnavailableError:
                return
            if not any("worker" in line for line in old.splitlines()):
                return
            time.sleep(POLL_S)

    def _commit_map(self, state: State) -> None:
        path = self._paths.shares
        answer = self._runtime(f"prepare map {path}")
        version = answer.rpartition(":")[2].strip()
        if not version.isdigit():
            raise self._map_refused(answer)
        answer = self._runtime(f"add map @{version} {path} <<\n{map_text(map_entries(state))}")
        answer += self._runtime(f"commit map @{version} {path}")
        if answer.strip():
            raise self._map_refused(answer)

    def _map_refused(self, answer: str) -> UnavailableError:
        return UnavailableError(f"HAProxy on {self.host.name} refused the new shares: {answer.strip()[:200]}")

    def _write_map(self, state: State) -> None:
        self.host.write(self._paths.shares, map_text(map_entries(state)))

    def _runtime(self, command: str) -> str:
        return self.host.ask_socket(self._paths.stats, command + "\n")

    def _http(self, method: str) -> str:
        return self.host.ask_socket(
            self._paths.control, f"{method} / HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n"
        )


@dataclass(frozen=True)
class _Rendered:
    stamp: str
    content: str


def _addresses(pool: Pool) -> set[str]:
    return {address for addresses in pool.servers.values() for address in addresses}


def _addressed(pool: Pool | None) -> str:
    servers = pool.servers if pool else {}
    return "; ".join(f"{revision} at {', '.join(addresses)}" for revision, addresses in servers.items()) or "nothing"
