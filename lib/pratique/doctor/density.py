"""How full a host is: its running containers by service, and their memory against limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pratique.doctor.container import Container
from pratique.doctor.facts.engine import Untold
from pratique.doctor.look import Look
from pratique.doctor.model import Density, ServiceLoad
from pratique.masked_text import masked
from pratique.printable_text import printable

NO_SERVICE = "(no service)"


def density_of(look: Look) -> Density | None:
    """Return the load of a host; None when its engine did not tell its containers, or answers nonsense."""
    try:
        return _density(look.running, look.info, look)
    except Exception:  # noqa: BLE001 - as for a check: what an engine answers stops nothing
        return None


def _density(running: Sequence[Container], info: Mapping[str, Any], look: Look) -> Density:
    groups: dict[str, list[Container]] = {}
    for one in running:
        groups.setdefault(masked(printable(one.service, 60)) or NO_SERVICE, []).append(one)
    loads = [_load(look, name, group) for name, group in groups.items()]
    loads.sort(key=lambda load: (-load.containers, load.service))
    return Density(tuple(loads), int(info.get("NCPU") or 0), int(info.get("MemTotal") or 0))


def _load(look: Look, name: str, group: list[Container]) -> ServiceLoad:
    used = [_memory(look, one) for one in group]
    known = [size for size in used if size is not None]
    unlimited = sum(not one.memory_limit for one in group)
    return ServiceLoad(
        name, len(group), sum(known) if known else None, sum(one.memory_limit for one in group), unlimited
    )


def _memory(look: Look, one: Container) -> int | None:
    """The memory of a container without the cache of files, as `docker stats` shows it."""
    told = look.facts.parts.get("stats", {}).get(one.id)
    if told is None or isinstance(told, Untold):
        return None
    memory = told.get("memory_stats") or {}
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(0, int(memory["usage"]) - int(cache)) if "usage" in memory else None
