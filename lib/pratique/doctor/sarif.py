"""An examination as SARIF 2.1.0, for programs that collect findings of several tools.

Source: the OASIS standard, https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pratique.doctor.finding import Risk
from pratique.doctor.model import Check, Examination, Finding, HostReport, Result
from pratique.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS: dict[Risk, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
SEVERITY: dict[Risk, str] = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0"}
"""What GitHub calls security-severity: above 9 critical, above 7 high, above 4 medium."""
ADDRESS = "https://pratique.readthedocs.io/"


def examination_sarif(examination: Examination) -> dict[str, Any]:
    """Return the log with one run: a rule for each check, a result for each finding and for anything not looked at."""
    order = {check.id: at for at, check in enumerate(examination.checks)}
    results = [
        one
        for host in examination.hosts
        for result in host.results
        for one in _results(examination, host, result, order)
    ]
    driver = {
        "name": "pratique doctor",
        "version": __version__,
        "semanticVersion": _semantic(__version__),
        "rules": [_rule(check) for check in examination.checks],
    }
    invocation = {
        "executionSuccessful": True,
        "exitCode": examination.exit_status,
        "startTimeUtc": f"{examination.at:%Y-%m-%dT%H:%M:%SZ}",
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _semantic(version: str) -> str:
    numbers = [part for part in version.split(".")[:3] if part.isdigit()]
    return ".".join([*numbers, "0", "0", "0"][:3])


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.id.title().replace("-", ""),
        "shortDescription": {"text": f"Finds {check.finds}."},
        "fullDescription": {"text": check.why},
        "help": {"text": f"Remedy: {check.remedy}."},
        "helpUri": check.source,
        "defaultConfiguration": {"level": LEVELS[check.risk]},
        "properties": {
            "tags": ["security", check.theme],
            "security-severity": SEVERITY[check.risk],
            "risk": check.risk,
        },
    }


def _results(
    examination: Examination, host: HostReport, result: Result, order: dict[str, int]
) -> Iterator[dict[str, Any]]:
    check = result.check
    common = {"ruleId": check.id, "ruleIndex": order[check.id]}
    for one in result.findings:
        yield {**common, "kind": "fail", "level": LEVELS[check.risk], **_finding(examination, host, one)}
    if result.reason:
        # "open": the tool did not have enough information to decide
        text = f"{check.id} was not looked at on {host.name}: {result.reason}"
        location = _location(examination, host.name, host.name, "host")
        yield {**common, "kind": "open", "level": "none", "message": {"text": text}, "locations": [location]}


def _finding(examination: Examination, host: HostReport, one: Finding) -> dict[str, Any]:
    found = one.found
    fingerprint = hashlib.sha256(f"{host.name}\n{one.key}".encode()).hexdigest()
    told: dict[str, Any] = {
        "message": {"text": f"{host.name}, {found.object}: {found.what}. Type: {found.remedy}"},
        "locations": [_location(examination, found.object, f"{host.name}/{found.object}", "object")],
        "partialFingerprints": {"hostCheckObject/v1": fingerprint},
    }
    if host.compared_with is not None:
        told["baselineState"] = "new" if one.is_new else "unchanged"
    if one.accepted:
        told["suppressions"] = [{"kind": "external", "status": "accepted", "justification": one.accepted}]
    return told


def _location(examination: Examination, name: str, full: str, kind: str) -> dict[str, Any]:
    """A finding is on a host, not in a file; the service file stands for it, because collectors of findings want one."""
    file = Path(examination.config_file).name or "pratique.toml"
    return {
        "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": 1}},
        "logicalLocations": [{"name": name, "fullyQualifiedName": full, "kind": kind}],
    }
