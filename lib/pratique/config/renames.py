"""Keys of earlier versions of the service file, and their current names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

RENAMED = {
    "telemetry.address": "advertise_address",
    "telemetry.tcp": "listen_tcp",
    "telemetry.unix": "listen_unix",
    "services.*.runtime.ready": "readiness_path",
    "services.*.runtime.ready_deadline_s": "readiness_timeout_s",
    "services.*.runtime.docker.publish": "publish_address",
    "services.*.runtime.docker.pids": "pids_limit",
    "services.*.runtime.docker.host_network_because": "host_network_reason",
    "services.*.runtime.docker.log": "log_driver",
    "services.*.runtime.docker.log_size": "log_max_size",
    "services.*.runtime.docker.log_files": "log_max_files",
    "services.*.runtime.swarm.parallelism": "update_parallelism",
    "services.*.runtime.swarm.delay_s": "update_delay_s",
    "services.*.balancer.haproxy.state": "state_url",
    "services.*.balancer.haproxy.warn_days": "certificate_warn_days",
    "services.*.balancer.haproxy.stay_cookie": "sticky_cookie",
    "services.*.balancer.haproxy.first_header": "canary_header",
    "services.*.balancer.haproxy.first_users": "canary_users",
    "services.*.rollout.acceptance": "acceptance_paths",
    "services.*.rollout.acceptance_deadline_s": "acceptance_timeout_s",
}
"""Old key (`*` is any service) to the name that replaces its last part."""


def renamed_keys(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each old key that `data` sets, as the path to it and its new name."""
    for pattern, name in RENAMED.items():
        for keys in _matches(data, pattern.split(".")):
            yield keys, name


def _matches(data: Any, pattern: list[str]) -> Iterator[tuple[str, ...]]:
    if not pattern:
        yield ()
        return
    if not isinstance(data, Mapping):
        return
    for key in data if pattern[0] == "*" else data.keys() & {pattern[0]}:
        for rest in _matches(data[key], pattern[1:]):
            yield (key, *rest)
