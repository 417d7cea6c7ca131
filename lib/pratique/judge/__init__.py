"""Decide whether a canary is worse than its baseline, with evidence that is valid after every window.

Names load on first use: the verdict's text and its model need no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pratique.judge.compare import compare
    from pratique.judge.judge import Judge

__all__ = ["Judge", "compare"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)
