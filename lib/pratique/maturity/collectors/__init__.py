"""The collectors of evidence: each is one function, registered under the name that a model uses."""

from pratique.maturity.collectors import ci, files, git, images, ledger, registry, results, runs, store
from pratique.maturity.collectors.registered import COLLECTORS, Registered, collect

__all__ = [
    "COLLECTORS",
    "Registered",
    "ci",
    "collect",
    "files",
    "git",
    "images",
    "ledger",
    "registry",
    "results",
    "runs",
    "store",
]
