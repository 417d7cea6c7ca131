"""A difference as plain JSON values, complete: nothing is folded away."""

from __future__ import annotations

from typing import Any

from pratique.release.bounds import shown
from pratique.release.difference import Difference
from pratique.release.difference_text import sentence
from pratique.release.package_changes import PackageChange
from pratique.release.package_url import package_url
from pratique.release.packages import Package
from pratique.release.sides import LayerSize, Side


def difference_json(difference: Difference) -> dict[str, Any]:
    """Return a difference as plain JSON values."""
    return {
        "service": difference.service,
        "sentence": sentence(difference),
        "exit_status": difference.exit_status,
        "before": _side(difference.before),
        "after": _side(difference.after),
        "base": difference.base.to_json(),
        "runtimes": [_package(difference, change) for change in difference.runtimes],
        "packages": [_package(difference, change) for change in difference.packages],
        "configuration": [setting.to_json() for setting in difference.settings],
        "notes": list(difference.notes),
        "files": {
            "by_package": {name: dict(counts) for name, counts in difference.folded_files().items()},
            "changes": [change.to_json() for change in difference.files.changes],
            "unknown": difference.files.unknown,
        },
        "noise": difference.noise(),
        "findings": [finding.to_json() for finding in difference.findings],
    }


def _package(difference: Difference, change: PackageChange) -> dict[str, Any]:
    return {
        "kind": change.package.kind,
        "name": shown(change.package.full_name),
        "change": change.change,
        "before": _version(change.before, difference.before),
        "after": _version(change.after, difference.after),
    }


def _version(package: Package | None, side: Side) -> dict[str, str] | None:
    if package is None:
        return None
    return {
        "version": shown(package.version),
        "architecture": shown(package.architecture),
        "purl": package_url(package, side.system),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.given.name,
        "kind": side.given.kind,
        "digest": side.given.digest,
        "system": shown(side.system.get("PRETTY_NAME", "")),
        "layers": [_layer(layer) for layer in side.layers],
    }


def _layer(layer: LayerSize) -> dict[str, Any]:
    return {
        "diff_id": shown(layer.diff_id),
        "bytes": layer.bytes,
        "shared": layer.is_shared,
        "command": layer.command,
    }
