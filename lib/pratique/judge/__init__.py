"""Decide whether a canary is worse than its baseline, with evidence that is valid after every window."""

from pratique.judge.compare import compare
from pratique.judge.judge import Judge

__all__ = ["Judge", "compare"]
