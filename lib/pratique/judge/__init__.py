"""Decide whether a canary is worse than its baseline, with evidence that is valid after every window.

`Judge` loads on first use: the verdict's text and its model need no numpy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pratique.judge.judge import Judge

__all__ = ["Judge"]


def __getattr__(name: str) -> object:
    if name != "Judge":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pratique.judge.judge import Judge  # noqa: PLC0415 - numpy

    return Judge
