"""Problems of this machine that nobody asked about: a dead collector or balancer, a certificate that ends soon."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from pratique.balancer import open_balancer
from pratique.balancer.settings_file import dead_balancer
from pratique.check.certificate import certificate_end
from pratique.clock import iso, utc_now
from pratique.config import Config, Target
from pratique.errors import DeniedError, MissingError, PratiqueError
from pratique.notify import Event, notify
from pratique.status import answers
from pratique.telemetry.collector_status import collector_status

DEAD_AFTER = timedelta(seconds=60)
"""Age of its status from which a collector counts as dead here: a machine may stand still for a while."""
LOG_END = 20_000
"""Bytes of the end of a log that are read."""
SOON = timedelta(days=3)


def notify_problems(config: Config) -> None:
    """Tell each problem once. It raises nothing: whoever looks has other work."""
    if config.notify:
        for event in problems(config):
            notify(config, config.state_dir, event)


def problems(config: Config) -> Iterator[Event]:
    """Yield the problems of now. A part that cannot be read, or whose look breaks, is left to `pratique check`."""
    targets = [config.target(name) for name in config.services]
    looks = [partial(_collector, config)]
    looks += [partial(look, config, target) for target in targets for look in (_balancer, _certificate)]
    for look in looks:
        try:
            yield from look()
        except Exception:  # noqa: BLE001, S112 - the thread beside the collector must go on
            continue


def _collector(config: Config) -> Iterator[Event]:
    status = collector_status(config.state_dir)
    if status is None or status.ended or status.alive or utc_now() - status.updated_at < DEAD_AFTER:
        return
    yield Event(
        kind="collector.dead",
        subject="collector",
        key=f"{status.pid} {iso(status.updated_at)}",
        risk="critical",
        what="the collector is dead: no requests are being measured, so no release can be judged",
        where=platform.node(),
        since=status.updated_at,
        last_lines=_last_lines(config.state_dir, "collector"),
        command=config.command("check"),
    )


def _balancer(config: Config, target: Target) -> Iterator[Event]:
    dead = dead_balancer(target)
    if dead is None or answers(open_balancer(target), target.service):
        return
    yield Event(
        kind="balancer.dead",
        subject=target.service,
        key=f"{dead.pid} {dead.started_ms}",
        risk="critical",
        what=f"the balancer of {target.service} is dead: its users get no answer",
        where=platform.node(),
        since=utc_now(),
        last_lines=_last_lines(config.state_dir, "balancer"),
        command=config.command("status", target.service),
    )


def _certificate(config: Config, target: Target) -> Iterator[Event]:
    haproxy = target.settings.balancer.haproxy
    if target.settings.balancer.kind != "haproxy" or not haproxy.certificate or haproxy.hosts:
        return
    path = target.path(haproxy.certificate).absolute()
    ends: datetime | None = None
    try:
        ends = certificate_end(path)
    except (MissingError, DeniedError):
        raise
    except PratiqueError as error:
        what, key, soon = f"the certificate of {target.service} cannot be used: {error}", str(error), True
    else:
        left = ends - utc_now()
        if left > timedelta(days=haproxy.certificate_warn_days):
            return
        soon = left < SOON
        what = (
            f"the certificate of {target.service} ends in {left / timedelta(days=1):.1f} days, at {iso(ends)}: renew it"
        )
        key = f"{iso(ends)} {'soon' if soon else 'later'}"
    yield Event(
        kind="certificate.ending",
        subject=target.service,
        key=key,
        risk="high" if soon else "medium",
        what=what,
        where=f"{platform.node()}: {path}",
        command=config.command("check"),
    )


def _last_lines(state_dir: Path, part: str) -> tuple[str, ...]:
    path = state_dir / "processes" / f"{part}.log"
    with suppress(OSError), path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_END))
        return tuple(log.read().decode("utf-8", "replace").splitlines())
    return ()
