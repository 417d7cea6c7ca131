"""The order of versions, as each package manager defines it, by the library `univers`.

Source: deb-version(7), rpmvercmp, apk-tools' version.c, Maven's ComparableVersion, PEP 440, Semantic Versioning 2.0.
"""

from __future__ import annotations

from typing import Any

LONGEST = 200
SCHEMES = {
    "deb": "DebianVersion",
    "apk": "AlpineLinuxVersion",
    "rpm": "RpmVersion",
    "pypi": "PypiVersion",
    "npm": "SemverVersion",
    "maven": "MavenVersion",
    "runtime": "RpmVersion",
}
"""Kind of package → the class of its versions. Runtimes: numbers between any signs, 1.8.0_422, 21.0.5+11."""


def compare_versions(kind: str, before: str, after: str) -> int | None:
    """Return -1 when `after` is lower, 1 when it is higher, 0 when both are equal in order, and None when there is no order."""
    from univers import versions  # noqa: PLC0415 - slow to load

    if not before or not after or max(len(before), len(after)) > LONGEST or not (before + after).isascii():
        return None
    scheme: Any = getattr(versions, SCHEMES[kind])
    try:
        low, high = scheme(before), scheme(after)
    except (versions.InvalidVersion, ValueError, TypeError, LookupError, RecursionError, NotImplementedError):
        return None
    return 1 if low < high else -1 if high < low else 0
