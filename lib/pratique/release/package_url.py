"""Packages as package URLs, by which other tools know them. Source: Package URL specification (ECMA-427), its types."""

from __future__ import annotations

from collections.abc import Mapping

from pratique.release.packages import Package

DISTRIBUTIONS = {"deb": "debian", "apk": "alpine", "rpm": "redhat"}


def package_url(package: Package, system: Mapping[str, str]) -> str:
    """Return the URL of a package; "" for a runtime, which no type fits, and for names that no URL can have.

    system: os-release of the side, which names the distribution.
    """
    from packageurl import PackageURL  # noqa: PLC0415 - slow to load

    if package.kind == "runtime":
        return ""
    of_system = package.kind in DISTRIBUTIONS
    namespace = (system.get("ID") or DISTRIBUTIONS[package.kind]) if of_system else package.group
    qualifiers = {"arch": package.architecture} if of_system and package.architecture else {}
    if of_system and system.get("ID") and system.get("VERSION_ID"):
        qualifiers["distro"] = f"{system['ID']}-{system['VERSION_ID']}"
    try:
        url = PackageURL(package.kind, namespace or None, package.name, package.version or None, qualifiers)
    except ValueError:
        return ""
    return str(url.to_string())
