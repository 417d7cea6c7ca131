"""HAProxy's configuration and its file of shares, made from a pool. Pure.

A share is drawn as a number below 10⁹ and compared with one limit per revision, so that it belongs to the
revision whatever its number of servers. The limits and the lease stand in a map, which HAProxy's runtime
interface replaces as a whole without a reload.

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
"""Parts that the traffic is divided into: HAProxy compares whole numbers."""
TEMPLATE = Path(__file__).with_name("haproxy.cfg.j2")
_BARE = re.compile(r"[A-Za-z0-9_.:/@+=-]+")


@dataclass(frozen=True)
class Paths:
    """Where one HAProxy's files and sockets are, as HAProxy sees them."""

    directory: str
    certificate: str = ""

    @property
    def configuration(self) -> str:
        """What HAProxy is started with."""
        return f"{self.directory}/haproxy.cfg"

    @property
    def shares(self) -> str:
        """The map of limits and lease."""
        return f"{self.directory}/shares.map"

    @property
    def users(self) -> str:
        """Users that go first, one a line."""
        return f"{self.directory}/first-users.lst"

    @property
    def stats(self) -> str:
        """HAProxy's runtime interface."""
        return f"{self.directory}/stats.sock"

    @property
    def control(self) -> str:
        """What serves, and the lease's renewal."""
        return f"{self.directory}/control.sock"

    @property
    def master(self) -> str:
        """The master process's interface: reloads."""
        return f"{self.directory}/master.sock"


@dataclass(frozen=True)
class Surroundings:
    """What a configuration needs to know beside the pool: ready is the path of the health check."""

    settings: BalancerSettings
    paths: Paths
    collector: str
    ready: str


def render(pool: Pool, around: Surroundings, *, stamp: str) -> str:
    """The configuration for a pool. stamp: [0-9a-f]*, by which a worker tells which configuration it has.

    Raises: UsageError (a value that cannot stand in HAProxy's configuration), ConfigError (the template).
    """
    settings, haproxy = around.settings, around.settings.haproxy
    values = {
        "service": pool.service,
        "stamp": stamp,
        "pool64": encoded(pool),
        "arms": _arms(pool),
        "paths": around.paths,
        "listen": bind_address(settings.listen),
        "collector": around.collector,
        "ready": around.ready,
        "timeout_ms": round(settings.timeout_s * 1000),
        "threads": haproxy.threads,
        "tls": bool(haproxy.certificate),
        "probe_paths": list(haproxy.probe_paths or (around.ready,)),
        "sticky_cookie": haproxy.sticky_cookie,
        "canary_header": haproxy.canary_header,
        "canary_users": list(haproxy.canary_users),
    }
    try:
        return str(_template(haproxy.template).render(values))
    except TemplateError as error:
        raise ConfigError(f"template {haproxy.template or str(TEMPLATE)!r}: {error.message}: correct it") from error


def bind_address(listen: str) -> str:
    """A listen address as HAProxy writes it: IPv6 without brackets."""
    host, port = split_address(listen)
    return f"{host}:{port}"


def shares_file(shares: dict[str, float], order: list[str], lease: Lease | None, until_ms: int) -> dict[str, int]:
    """The entries of the map: the limits of `order`'s revisions and the lease. until_ms: HAProxy's epoch ms."""
    entries = {f"limit.{revision}": limit for revision, limit in zip(order, limits(shares, order), strict=True)}
    if lease is not None:
        entries |= {
            "lease.until": until_ms,
            "lease.ttl": round(lease.ttl_s * 1000),
            "lease.canary": order.index(lease.canary) + 1,
            "lease.baseline": order.index(lease.baseline) + 1,
        }
    return entries


def limits(shares: dict[str, float], order: list[str]) -> list[int]:
    """Upper ends, in 10⁹ths, of the intervals that make up the shares, in order."""
    ends, total = [], 0.0
    for revision in order:
        total += shares.get(revision, 0.0)
        ends.append(round(total * WHOLE))
    return ends


def shares_of(ends: list[int], order: list[str]) -> dict[str, float]:
    """The shares that limits make up."""
    return {name: (end - before) / WHOLE for name, end, before in zip(order, ends, [0, *ends], strict=False)}


def order_of(pool: Pool) -> list[str]:
    """The revisions in the order of the draw: the newest in the pool first."""
    return list(pool.servers)[::-1]


def encoded(pool: Pool) -> str:
    """A pool as text that needs no quoting."""
    content = {"service": pool.service, "servers": pool.servers, "weights": pool.weights}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def decoded(text: str) -> Pool:
    """A pool from such text."""
    content = json.loads(base64.urlsafe_b64decode(text))
    servers = {revision: tuple(addresses) for revision, addresses in content["servers"].items()}
    return Pool(content["service"], servers, content["weights"])


def pool_in(configuration: str) -> Pool | None:
    """The pool that a configuration of ours is for; None where it is not ours, or has no servers."""
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
    # autoescape would be HTML's; `_quoted` is what escapes here
    environment = Environment(undefined=StrictUndefined, finalize=_quoted, keep_trailing_newline=True)  # noqa: S701
    environment.filters["raw"] = _raw
    try:
        return environment.from_string((Path(path) if path else TEMPLATE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"template {path!r} cannot be read: {error.strerror}") from error


class _Bare(str):
    __slots__ = ()


def _raw(value: object) -> _Bare:
    """A value that stands within quotes of the template: only what needs no quoting at all."""
    text = str(value)
    if not _BARE.fullmatch(text):
        raise UsageError(f"{text[:80]!r} cannot stand in HAProxy's configuration: use letters, digits and _.:/@+=-")
    return _Bare(text)


def _quoted(value: object) -> object:
    """A value as one word of HAProxy's configuration; strong quotes, within which nothing has a meaning."""
    if isinstance(value, _Bare) or value in ("", ",") or isinstance(value, int):
        return value
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        raise UsageError(f"{text[:80]!r} cannot stand in HAProxy's configuration: it holds a control character")
    if _BARE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
