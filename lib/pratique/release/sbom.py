"""The packages of one side as a software bill of materials. Source: CycloneDX 1.6, JSON."""

from __future__ import annotations

import json
import uuid
from dataclasses import astuple
from typing import Any

from pratique.release.bounds import shown
from pratique.release.package_changes import unknown_kinds
from pratique.release.package_url import package_url
from pratique.release.packages import Package
from pratique.release.sides import Side
from pratique.version import __version__


def sbom(side: Side) -> dict[str, Any]:
    """Return the packages of a side in CycloneDX's JSON. Equal sides give equal bills: it has no time and no random number.

    Where packages were not read, the bill says that it is incomplete.
    """
    system = side.system
    components = [_component(package, system) for package in sorted(side.packages())]
    if system.get("ID"):
        components.insert(0, _system(system))
    whole = not unknown_kinds(side)
    top = {"type": "container" if side.given.kind == "image" else "application", "name": shown(side.given.name)}
    if side.given.digest:
        top["version"] = side.given.digest
    body = {
        "version": 1,
        "metadata": {
            "component": {"bom-ref": "release", **top},
            "tools": {"components": [{"type": "application", "name": "pratique", "version": __version__}]},
        },
        "components": components,
        "compositions": [{"aggregate": "complete" if whole else "incomplete", "assemblies": ["release"]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}", **body}


def _component(package: Package, system: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "platform" if package.kind == "runtime" else "library",
        "bom-ref": ":".join(astuple(package)),
        "name": package.name,
        "version": package.version,
    }
    if package.kind in {"maven", "npm"} and package.group:
        found["group"] = package.group
    url = package_url(package, system)
    return {**found, "purl": url} if url else found


def _system(system: dict[str, str]) -> dict[str, str]:
    return {
        "type": "operating-system",
        "bom-ref": "system",
        "name": system["ID"],
        "version": system.get("VERSION_ID", ""),
        "description": system.get("PRETTY_NAME", ""),
    }
