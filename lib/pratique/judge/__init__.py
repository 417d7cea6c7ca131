"""Is the canary worse? Evidence that may be looked at after every window, and a verdict."""

from pratique.judge.compare import compare
from pratique.judge.engine import Judge

__all__ = ["Judge", "compare"]
