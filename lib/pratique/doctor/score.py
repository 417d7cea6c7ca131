"""The score of a host: 0 to 10, each check weighted by its risk, over the part that was looked at.

Source: the aggregate score of OpenSSF Scorecard, https://github.com/ossf/scorecard#aggregate-score, with its weights
critical 10, high 7.5, medium 5 and low 2.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pratique.doctor.finding import Risk
from pratique.doctor.model import Result

WEIGHTS: Mapping[Risk, float] = {"critical": 10.0, "high": 7.5, "medium": 5.0, "low": 2.5}


def score_of(results: Iterable[Result]) -> tuple[float | None, float]:
    """Return the score, None when nothing was looked at, and the part of the weights that was looked at, 0 to 1.

    A check that could look at a part of its objects only counts half as looked at.
    """
    everything = weighted = seen = 0.0
    for result in results:
        weight = WEIGHTS[result.check.risk]
        everything += weight
        if result.score is None:
            continue
        part = weight / 2 if result.reason else weight
        seen += part
        weighted += part * result.score
    return (round(weighted / seen, 1) if seen else None), (seen / everything if everything else 0.0)
