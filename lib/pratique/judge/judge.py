"""Judge one canary: take windows in as they close, and decide at any time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pratique.config import Policy
from pratique.judge.model import Verdict, WeightChanges
from pratique.judge.state import JudgeState
from pratique.judge.verdict import decide
from pratique.telemetry.lost_lines import LostLines
from pratique.telemetry.rollups import Rollups


class Judge:
    """Judge one canary against its baseline. Pass windows in order; rows for an earlier window count as late.

    The judge holds nothing but `state`, so a deep copy costs about a millisecond and continues independently.
    """

    def __init__(
        self,
        policy: Policy,
        service: str,
        baseline: str,
        canary: str,
        window_s: int,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> None:
        """window_s: length of the windows judged, a multiple of every length in the data; shorter windows are added up.

        start, end: the range judged, UTC, [start, end). Windows that end before it are history; those across a bound
        belong to neither. Default: from the window of the canary's first request, without an end.
        """
        self.state = JudgeState(policy, service, baseline, canary, window_s, start=start, end=end)

    def update(self, rollups: Rollups) -> None:
        """Take in rows of complete windows. The cost depends on the new windows only."""
        self.state.update(rollups)

    def verdict(
        self,
        now: datetime | None = None,
        *,
        weights: WeightChanges = (),
        notes: Sequence[str] = (),
        lost: Sequence[LostLines] = (),
    ) -> Verdict:
        """Decide on everything taken in so far.

        now: the time that the deadline is compared with; default the end of the last window. weights: the shares of traffic and the times from which they
        were in force. notes: lines that the collector reports as late or lost; each becomes a finding.
        lost: lines that imports could not count.
        Raises: MissingError when no window was judged yet.
        """
        return decide(self.state, now, weights, notes, lost)
