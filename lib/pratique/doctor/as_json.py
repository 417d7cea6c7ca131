"""An examination as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.clock import stamp
from pratique.doctor.model import Check, Density, Examination, HostReport, Result

VERSION = 1


def examination_json(examination: Examination) -> dict[str, Any]:
    """Return an examination as plain JSON values; times are ISO 8601, UTC, sizes are bytes."""
    return {
        "version": VERSION,
        "run": examination.run or None,
        "at": stamp(examination.at),
        "took_ms": examination.took_ms,
        "fail_on": examination.fail_on,
        "exit_status": examination.exit_status,
        "summary": examination.sentence,
        "hosts": [_host(host) for host in examination.hosts],
        "checks": [_check(check) for check in examination.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    texts = {"finds": check.finds, "why": check.why, "remedy": check.remedy, "source": check.source}
    return {"id": check.id, "theme": check.theme, "risk": check.risk, "by": list(check.by), **texts}


def _host(host: HostReport) -> dict[str, Any]:
    return {
        "name": host.name,
        "address": host.address,
        "score": host.score,
        "looked_at": round(host.looked_at, 3),
        "compared_with": stamp(host.compared_with) if host.compared_with else None,
        "mended": list(host.gone),
        "density": _density(host.density),
        "results": [_result(result) for result in host.results],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "check": result.check.id,
        "risk": result.check.risk,
        "state": result.state,
        "score": result.score,
        "objects": result.of,
        "not_looked_at": result.reason or None,
        "findings": [
            {
                "object": one.found.object, "what": one.found.what, "remedy": one.found.remedy, "new": one.is_new,
                "accepted": one.accepted or None, "acceptance_ended": one.expired or None,
            }
            for one in result.findings
        ],
    }  # fmt: skip


def _density(density: Density | None) -> Mapping[str, Any] | None:
    if density is None:
        return None
    services = [
        {
            "service": load.service,
            "containers": load.containers,
            "memory_used": load.used,
            "memory_limits": load.limited,
            "without_limit": load.unlimited,
        }
        for load in density.services
    ]
    return {
        "processors": density.processors,
        "memory": density.memory,
        "containers": density.containers,
        "services": services,
    }
