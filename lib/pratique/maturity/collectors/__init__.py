"""The collectors of evidence: each is one function, registered under the name that a model uses."""

from pratique.maturity.collectors import (
    ci,
    failures,
    files,
    git,
    images,
    registry,
    release_people,
    releases,
    results,
    reviews,
    runs,
    store,
)
from pratique.maturity.collectors.registered import COLLECTORS, Registered, collect

__all__ = [
    "COLLECTORS",
    "Registered",
    "ci",
    "collect",
    "failures",
    "files",
    "git",
    "images",
    "registry",
    "release_people",
    "releases",
    "results",
    "reviews",
    "runs",
    "store",
]
