"""The state of a service: running instances, traffic split, collector health, and drift from what was set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pratique.balancer import Balancer, open_balancer
from pratique.balancer.base import ActiveWeights
from pratique.balancer.settings_file import balancer_differences, running_listen
from pratique.clock import stamp
from pratique.config import Target
from pratique.errors import PratiqueError, UnavailableError
from pratique.notify.overview import failing_routes
from pratique.runbook.runs import RunSummary, damaged_runs, list_runs
from pratique.runtime import Instance, open_runtime
from pratique.telemetry.collector_settings import wanted_settings
from pratique.telemetry.collector_status import CollectorStatus, collector_status
from pratique.telemetry.collector_status import setting_differences as collector_differences

APPLY = "apply it with: pratique up {service} REVISION"


@dataclass(frozen=True)
class ServiceStatus:
    """The state of a service, as `pratique status` shows it.

    url: where users reach the service. weights: None when the balancer does not answer. collector: None when it does
    not run. runs: those that work on the service, and those whose process died before they ended. drift: one sentence for each difference between the real state and the recorded one. error: the reason why the
    instances are unknown; None when they are known. scraped: the address of the server that counts in the collector's place.
    failing_routes: one sentence for each route of notifications that fails.
    """

    service: str
    url: str
    weights: ActiveWeights | None
    collector: CollectorStatus | None
    instances: tuple[Instance, ...]
    drift: tuple[str, ...]
    runs: tuple[RunSummary, ...] = ()
    error: PratiqueError | None = None
    scraped: str = ""
    failing_routes: tuple[str, ...] = ()

    def to_text(self) -> Iterator[str]:
        """Yield the lines for a terminal; the first word of each names the part."""
        yield f"balancer   {self._balancer()}"
        yield f"collector  {self._collector()}"
        yield from map(_run_line, self.runs)
        yield from (f"drift      {sentence}" for sentence in self.drift)
        yield from (f"notify     {sentence}" for sentence in self.failing_routes)
        for instance in self.instances:
            since = f"{instance.started:%Y-%m-%d %H:%M:%SZ}"
            yield f"{instance.revision:<10} {self.role_of(instance)}, {instance.address}, since {since}"
        if not self.instances and self.error is None:
            yield "instances  none"

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain JSON values; times are ISO 8601, UTC."""
        weights = self.weights
        return {
            "service": self.service,
            "balancer": {
                "url": self.url,
                "answers": weights is not None,
                "shares": weights.shares if weights else {},
                "lease_left_s": weights.lease_left_s if weights else None,
            },
            "collector": _collector_json(self.collector),
            "instances": [instance_json(i) | {"role": self.role_of(i)} for i in self.instances],
            "runs": [run.to_json() for run in self.runs],
            "drift": list(self.drift),
            "failing_routes": list(self.failing_routes),
            "error": None if self.error is None else str(self.error),
        }

    def role_of(self, instance: Instance) -> str:
        """Return what an instance does now: "canary", "baseline", "serving" or "idle".

        The label of an instance says as what it was started: a canary that was promoted keeps that label.
        """
        if self.weights is None:
            return instance.role
        canaries = {run.revision for run in self.runs if run.state == "running" and run.runbook == "release"}
        if instance.revision in canaries:
            return "canary"
        if not canaries and self.weights.lease_left_s is not None:
            return instance.role
        if self.weights.shares.get(instance.revision, 0.0) == 0.0:
            return "idle"
        return "baseline" if canaries else "serving"

    def _balancer(self) -> str:
        if self.weights is None:
            return f"{self.service} does not answer: start it with: pratique up {self.service} REVISION"
        shares = ", ".join(f"{revision} {share:.1%}" for revision, share in self.weights.shares.items())
        left = self.weights.lease_left_s
        lease = "" if left is None else f" (lease, {left:.1f} s left)"
        return f"{self.url}: {shares or 'no pool yet'}{lease}"

    def _collector(self) -> str:
        if self.collector:
            return self.collector.to_text()
        if self.scraped:
            return f"not needed: requests are counted from {self.scraped}"
        return "not running: no requests are being measured"


def describe(target: Target) -> ServiceStatus:
    """Ask the balancer, the collector and the engine of a service for their state.

    The first part that fails is reported in `error`, and the rest is still asked.
    """
    balancer, service = open_balancer(target), target.service
    weights: ActiveWeights | None = None
    drift: list[str] = []
    instances: Sequence[Instance] = ()
    error: PratiqueError | None = None
    try:
        if answers(balancer, service):
            weights = balancer.weights(service)
            drift += balancer.drift(service)
    except PratiqueError as raised:
        error = raised
    try:
        instances = open_runtime(target).list(service)
        drift += _addresses_without_instance(balancer, service, instances)
    except PratiqueError as raised:
        error = error or raised
    # a collector that is left over counts nothing where another server counts
    differences = [] if target.store.is_read_only else setting_differences(target)
    drift += [f"{sentence}: {APPLY.format(service=service)}" for sentence in differences]
    url, collector = url_of(target), running_collector(target.state_dir)
    runs = tuple(run for run in list_runs(target.state_dir, service) if run.state != "ended")
    drift += balancer_drift(target, runs)
    drift += damaged_runs(target.state_dir)
    scraped = target.store.url if target.store.is_read_only else ""
    failing = tuple(failing_routes(target.state_dir))
    return ServiceStatus(
        service, url, weights, collector, tuple(instances), tuple(drift), runs, error, scraped, failing
    )


def balancer_drift(target: Target, runs: Sequence[RunSummary]) -> list[str]:
    """Return one sentence for each setting in which the running balancer differs from the service file.

    runs: of the service; one that is active would fail without the balancer.
    """
    active = next((run.id for run in runs if run.holder is not None), "")
    wait = f" (run {active} would fail: wait until it has ended)" if active else ""
    return [f"{sentence}{wait}" for sentence in balancer_differences(target)]


def _run_line(run: RunSummary) -> str:
    what = f"{run.id}: {run.runbook} of {run.revision}" if run.revision else f"{run.id}: {run.runbook}"
    if run.holder is not None:
        return f"run        {what}, by {run.holder.who}, since {run.started:%Y-%m-%d %H:%M:%SZ}"
    return f"dead run   {what} lost its process; {run.ways_on}"


def setting_differences(target: Target, *, counting_only: bool = False) -> list[str]:
    """Return one sentence for each setting in which the running collector differs from the service file."""
    return collector_differences(target.state_dir, wanted_settings(target), counting_only=counting_only)


def answers(balancer: Balancer, service: str) -> bool:
    """Whether the balancer of a service answers."""
    try:
        balancer.pool(service)
    except UnavailableError:
        return False
    return True


def running_collector(state_dir: Path) -> CollectorStatus | None:
    """Return the status of the collector; None when it does not run."""
    status = collector_status(state_dir)
    return status if status is not None and status.alive else None


def url_of(target: Target) -> str:
    """Return the URL at which users reach the service: that of the balancer that runs, if one does."""
    scheme = "https" if target.settings.balancer.haproxy.certificate else "http"
    return f"{scheme}://{running_listen(target)}"


def instance_json(instance: Instance) -> dict[str, Any]:
    """Return an instance as plain JSON values."""
    return asdict(instance) | {"started": stamp(instance.started)}


def _collector_json(status: CollectorStatus | None) -> dict[str, Any] | None:
    return None if status is None else asdict(status) | {"updated_at": stamp(status.updated_at)}


def _addresses_without_instance(balancer: Balancer, service: str, instances: Sequence[Instance]) -> Iterator[str]:
    """Addresses of the pool without an instance of that revision, such as that of a task which the engine replaced."""
    try:
        pool = balancer.pool(service)
    except UnavailableError:
        return
    running = {instance.address for instance in instances}
    for revision, addresses in (pool.servers if pool else {}).items():
        for address in addresses:
            if address not in running:
                yield f"no instance of {revision} runs at {address}: start it with: pratique up {service} {revision}"
