"""The settings that a balancer process works by, in `balancer/SERVICE.settings.json`, compared with the service file.

A balancer reads the service file when it starts. Another address of the collector there, for instance, would leave it sending its
access lines to where nobody listens any more.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pratique.config import Target
from pratique.files import PRIVATE, make_private_folder, replace_file
from pratique.kept_json import read_kept

EMBEDDED = frozenset({"listen", "timeout_s"})
"""Settings that the embedded balancer keeps while it runs; HAProxy takes its own in with the next change of the pool."""


def keep_settings(target: Target) -> None:
    """Record that this process is the balancer of a service, with the settings of its target. Raises: OSError."""
    me = psutil.Process(os.getpid())
    content = {"pid": me.pid, "started": me.create_time(), "settings": _settings(target)}
    make_private_folder(_path(target).parent)
    replace_file(_path(target), json.dumps(content), durable=False, mode=PRIVATE)


def forget_settings(target: Target) -> None:
    """Record that the balancer of a service was stopped, so that nobody takes it for a dead one."""
    with suppress(OSError):
        _path(target).unlink(missing_ok=True)


@dataclass(frozen=True)
class DeadBalancer:
    """A balancer that ended without being stopped. started_ms: of its process, since the epoch."""

    pid: int
    started_ms: int


def dead_balancer(target: Target) -> DeadBalancer | None:
    """Return the balancer of a service that was started here and is gone without having been stopped; None otherwise."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        content = read_kept(_path(target), dict[str, Any])
        if not _running(target)[0]:
            return DeadBalancer(int(content["pid"]), round(float(content["started"]) * 1000))
    return None


def balancer_differences(target: Target) -> list[str]:
    """Return one sentence for each setting in which the running balancer differs from the service file."""
    pid, running = _running(target)
    wanted = _settings(target)
    # a balancer of another kind has other settings
    is_other_kind = running.get("balancer.kind") != wanted["balancer.kind"]
    kept = "its pool is not" if is_other_kind else "its pool is"
    return [
        f"the balancer runs with {key} = {json.dumps(was)}, the service file says {json.dumps(wanted.get(key))}: "
        f"restart it, {kept} kept: kill {pid} && pratique up {target.service} REVISION"
        for key, was in running.items()
        if wanted.get(key) != was and (key == "balancer.kind" or not is_other_kind)
    ]


def running_listen(target: Target) -> str:
    """Return the address at which users reach the balancer: that of the running one, else that of the service file."""
    _, running = _running(target)
    return str(running.get("balancer.listen", target.settings.balancer.listen))


def _running(target: Target) -> tuple[int, dict[str, Any]]:
    """The process of the balancer and the settings that it works by; none when none is known to run."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, psutil.Error):
        content = read_kept(_path(target), dict[str, Any])
        process = psutil.Process(content["pid"])
        # a zombie keeps its time of creation: a container often has no init process that would reap it
        if process.create_time() == content["started"] and process.status() != psutil.STATUS_ZOMBIE:
            return int(content["pid"]), dict(content["settings"])
    return 0, {}


def _settings(target: Target) -> dict[str, Any]:
    balancer = target.settings.balancer
    own = balancer.model_dump(mode="json", include=set(EMBEDDED)) if balancer.kind == "embedded" else {}
    sends = {"telemetry.listen": target.telemetry.listen} if balancer.kind == "embedded" else {}
    return {"balancer.kind": balancer.kind} | {f"balancer.{name}": value for name, value in own.items()} | sends


def _path(target: Target) -> Path:
    return target.state_dir / "balancer" / f"{target.service}.settings.json"
