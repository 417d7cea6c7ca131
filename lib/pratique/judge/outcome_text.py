"""A guard's result in words: which outcome is worse, where, and by how much, for a person who has never read the policy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pratique.judge.model import SERVICE, GuardResult
from pratique.number_text import duration, two_shares

MAX_NAME = 60


@dataclass(frozen=True)
class Wording:
    """How to say that an outcome is more frequent.

    worse: a predicate for the canary or the action. of_requests: what the share of its requests is, after a share such
    as "29 % of its requests". among: which requests are counted, if not all. fewer: the share to name is that of the
    requests without the outcome.
    """

    worse: str
    of_requests: str
    among: str = ""
    fewer: bool = False


WORDINGS = {
    "2xx": Wording("succeeds with a 2xx code more often", "are 2xx"),
    "3xx": Wording("redirects more often", "are 3xx"),
    "4xx": Wording("rejects requests more often", "are 4xx"),
    "5xx": Wording("fails more often", "are 5xx"),
    "401": Wording("asks for a login more often", "are 401"),
    "403": Wording("denies access more often", "are 403"),
    "404": Wording("answers 404 (not found) more often", "are 404"),
    "429": Wording("throttles more often", "are 429"),
    "499": Wording("is given up by its clients more often", "are 499"),
    "no answer": Wording("leaves requests without an answer more often", "got no answer"),
    "other": Wording(
        "answers with unusual codes more often", "have a code that no other guard watches", " without an error"
    ),
}
"""The wording of each outcome that has its own; `wording_of` has a default for any other."""
QUANTILE_NAMES = {"50": "median", "25": "lower quartile", "75": "upper quartile"}
FEWER = "fewer "
"""Prefix of an outcome: the outcome after it has become less frequent."""
_CODE = re.compile(r"\d{3}|[1-9]xx")
_QUANTILE = re.compile(r"p(\d+(?:\.\d+)?)")


def wording_of(outcome: str, threshold_ms: float | None = None, *, at_bound: bool = False) -> Wording:
    """Return the wording of an outcome, as the policy names it. threshold_ms: from which a request counts as slow.

    at_bound: the threshold is the bound of a histogram that is nearest above the quantile.

    >>> wording_of("503").worse
    'answers 503 more often'
    >>> wording_of("p50", 120.0).of_requests
    "took longer than the baseline's median (120 ms)"
    """
    quantile = _QUANTILE.fullmatch(outcome)
    if quantile:
        number = quantile[1].removesuffix(".0")
        name = QUANTILE_NAMES.get(number, f"p{number}")
        if at_bound and threshold_ms is not None:
            return Wording(
                "is slower",
                f"took longer than {duration(threshold_ms)}, the histogram's bound for the baseline's {name}",
            )
        limit = f" ({duration(threshold_ms)})" if threshold_ms is not None else ""
        return Wording("is slower", f"took longer than the baseline's {name}{limit}")
    if outcome in WORDINGS:
        return WORDINGS[outcome]
    if outcome.startswith(FEWER):
        less = outcome.removeprefix(FEWER)
        return Wording(f"answers {less} less often", f"are {less}", " that did not fail", fewer=True)
    if _CODE.fullmatch(outcome):
        return Wording(f"answers {outcome} more often", f"are {outcome}")
    return Wording(f'has the outcome "{printable(outcome)}" more often', "have it")


def sentence(guard: GuardResult, baseline: str, canary: str) -> str:
    """Return one sentence: the outcome that is worse, in which action (or in the whole canary), and both shares of requests."""
    wording = wording_of(guard.outcome, guard.threshold_ms, at_bound=guard.at_bound)
    if guard.guard == f"code {guard.outcome}":
        # such a guard watches one code among those that are no error
        wording = replace(wording, among=WORDINGS["other"].among)
    subject = printable(canary if guard.action == SERVICE else guard.action)
    bad = [_share(guard, revision) for revision in (canary, baseline)]
    in_canary, in_baseline = two_shares(*(1.0 - share if wording.fewer else share for share in bad))
    of_requests = f"of its requests{wording.among} {wording.of_requests}"
    if bad[0] > bad[1]:
        return f"{subject} {wording.worse}: {in_canary} {of_requests}, {in_baseline} in the baseline"
    # compared window by window it is worse, although the sums over all windows say the opposite
    return (
        f"{subject} {wording.worse} than the baseline at the same times, although in total {in_canary} {of_requests} "
        f"and {in_baseline} in the baseline"
    )


def printable(text: str) -> str:
    """Return a name without control characters, at most MAX_NAME long."""
    kept = "".join(character if character.isprintable() else "�" for character in text)
    return kept if len(kept) <= MAX_NAME else f"{kept[: MAX_NAME - 1]}…"


def _share(guard: GuardResult, revision: str) -> float:
    return guard.bad[revision] / guard.requests[revision] if guard.requests[revision] else 0.0
