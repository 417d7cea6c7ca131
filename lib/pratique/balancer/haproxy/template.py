"""Render the configuration of HAProxy and its map of shares from a pool. Pure.

For each request HAProxy draws a number below 10⁹ and compares it with one limit per revision, so a share belongs to
the revision whatever its number of servers. The limits and the lease are entries of a map, which HAProxy's runtime
interface replaces atomically without a reload.

Source: HAProxy 2.6 Configuration Manual, sections 2.2 (quoting), 7.3.1 (map_str_int, sub, date), 8.2.4 (log-format).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined, TemplateError

from pratique.balancer.base import Lease, Pool
from pratique.balancer.shares import split_address
from pratique.config import BalancerSettings
from pratique.errors import ConfigError, UsageError

WHOLE = 1_000_000_000
"""The number of parts of all traffic: HAProxy compares integers."""
TEMPLATE = Path(__file__).with_name("haproxy.cfg.j2")
_BARE = re.compile(r"[A-Za-z0-9_.:/@+=-]+")


@dataclass(frozen=True)
class Paths:
    """The files and sockets of one HAProxy, as HAProxy sees them."""

    directory: str
    certificate: str = ""

    @property
    def configuration(self) -> str:
        """The configuration that HAProxy starts with."""
        return f"{self.directory}/haproxy.cfg"

    @property
    def shares(self) -> str:
        """The map with limits and lease."""
        return f"{self.directory}/shares.map"

    @property
    def users(self) -> str:
        """The users that get the canary, one per line."""
        return f"{self.directory}/first-users.lst"

    @property
    def stats(self) -> str:
        """HAProxy's runtime interface."""
        return f"{self.directory}/stats.sock"

    @property
    def control(self) -> str:
        """The socket for the status of a worker and for renewals of the lease."""
        return f"{self.directory}/control.sock"

    @property
    def master(self) -> str:
        """The socket of the master process, for reloads."""
        return f"{self.directory}/master.sock"


RENAMED = {
    "ready": "readiness_path",
    "stay_cookie": "sticky_cookie",
    "first_header": "canary_header",
    "first_users": "canary_users",
}
"""Variables of a template that had another name in 0.1.0."""


@dataclass(frozen=True)
class TemplateContext:
    """The values that a configuration needs besides the pool. readiness_path: of the health check."""

    settings: BalancerSettings
    paths: Paths
    collector: str
    readiness_path: str


def render(pool: Pool, context: TemplateContext, *, stamp: str) -> str:
    """Return the configuration for a pool. stamp: [0-9a-f]*, which workers report to identify their configuration.

    Raises: UsageError (a value that HAProxy's configuration cannot contain), ConfigError (the template).
    """
    settings, haproxy = context.settings, context.settings.haproxy
    values = {
        "service": pool.service,
        "stamp": stamp,
        "pool64": encoded(pool),
        "arms": _arms(pool),
        "paths": context.paths,
        "listen": bind_address(settings.listen),
        "collector": context.collector,
        "readiness_path": context.readiness_path,
        "timeout_ms": round(settings.timeout_s * 1000),
        "threads": haproxy.threads,
        "tls": bool(haproxy.certificate),
        "probe_paths": list(haproxy.probe_paths or (context.readiness_path,)),
        "sticky_cookie": haproxy.sticky_cookie,
        "canary_header": haproxy.canary_header,
        "canary_users": list(haproxy.canary_users),
    }
    try:
        return str(_template(haproxy.template).render(values))
    except TemplateError as error:
        raise ConfigError(f"template {haproxy.template or str(TEMPLATE)!r}: {_problem(error)}") from error


def _problem(error: TemplateError) -> str:
    """Describe the error in a user's template, and the remedy."""
    unknown = re.match(r"'(\w+)' is undefined", error.message or "")
    new = RENAMED.get(unknown.group(1)) if unknown else None
    return (
        f"variable {unknown.group(1)!r} is now {new!r}: rename it"
        if unknown and new
        else f"{error.message}: correct it"
    )


def bind_address(listen: str) -> str:
    """Return an address as HAProxy writes it: IPv6 without brackets."""
    host, port = split_address(listen)
    return f"{host}:{port}"


def shares_file(shares: dict[str, float], order: list[str], lease: Lease | None, until_ms: int) -> dict[str, int]:
    """Return the entries of the map: limits of the revisions in `order`, and the lease. until_ms: of HAProxy's clock."""
    entries = {f"limit.{revision}": limit for revision, limit in zip(order, limits(shares, order), strict=True)}
    if lease is not None:
        entries |= {
            "lease.until": until_ms,
            "lease.ttl": round(lease.ttl_s * 1000),
            "lease.id": lease.id,
            "lease.canary": order.index(lease.canary) + 1,
            "lease.baseline": order.index(lease.baseline) + 1,
        }
    return entries


def limits(shares: dict[str, float], order: list[str]) -> list[int]:
    """Return the upper end, in 10⁹ths, of the interval of each revision, in order."""
    ends, total = [], 0.0
    for revision in order:
        total += shares.get(revision, 0.0)
        ends.append(round(total * WHOLE))
    return ends


def shares_of(ends: list[int], order: list[str]) -> dict[str, float]:
    """Return the shares that the limits represent."""
    return {name: (end - before) / WHOLE for name, end, before in zip(order, ends, [0, *ends], strict=False)}


def order_of(pool: Pool) -> list[str]:
    """Return the revisions in the order of the draw: the newest of the pool first."""
    return list(pool.servers)[::-1]


def encoded(pool: Pool) -> str:
    """Encode a pool as text that needs no quoting."""
    content = {"service": pool.service, "servers": pool.servers, "weights": pool.weights}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def decoded(text: str) -> Pool:
    """Decode a pool that `encoded` has encoded."""
    content = json.loads(base64.urlsafe_b64decode(text))
    servers = {revision: tuple(addresses) for revision, addresses in content["servers"].items()}
    return Pool(content["service"], servers, content["weights"])


def pool_in(configuration: str) -> Pool | None:
    """Return the pool in a configuration; None if the configuration is not of Pratique, or has no servers."""
    found = re.search(r'"pool":"([\w=-]+)"', configuration)
    try:
        pool = decoded(found[1]) if found else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return pool if pool and pool.servers else None


def _arms(pool: Pool) -> list[dict[str, object]]:
    order = order_of(pool)
    ends = limits(pool.weights, order)
    return [
        {
            "number": number,
            "revision": revision,
            "backend": f"{pool.service}.{revision}",
            "limit": end,
            "servers": [
                {"name": f"s{index}", "address": bind_address(address)}
                for index, address in enumerate(pool.servers[revision])
            ],
        }
        for number, (revision, end) in enumerate(zip(order, ends, strict=True), start=1)
    ]


def _template(path: str):  # type: ignore[no-untyped-def] # noqa: ANN202 - jinja2's Template
    # autoescape is for HTML; `_quoted` escapes for HAProxy
    environment = Environment(undefined=StrictUndefined, finalize=_quoted, keep_trailing_newline=True)  # noqa: S701
    environment.filters["raw"] = _raw
    try:
        return environment.from_string((Path(path) if path else TEMPLATE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read template {path!r}: {error.strerror}") from error


class _Bare(str):
    __slots__ = ()


def _raw(value: object) -> _Bare:
    """Return a value for use within quotes of the template: only text that needs no quoting."""
    text = str(value)
    if not _BARE.fullmatch(text):
        raise UsageError(f"{text[:80]!r} is not allowed in HAProxy's configuration: use letters, digits and _.:/@+=-")
    return _Bare(text)


def _quoted(value: object) -> object:
    """Return a value as one word of HAProxy's configuration, in strong quotes, which make all characters literal."""
    if isinstance(value, _Bare) or value in ("", ",") or isinstance(value, int):
        return value
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        raise UsageError(f"{text[:80]!r} is not allowed in HAProxy's configuration: use printable ASCII characters")
    if _BARE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
