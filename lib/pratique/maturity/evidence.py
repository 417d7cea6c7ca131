"""The evidence about one practice: a state, one sentence with the numbers, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pratique.number_text import count
from pratique.printable_text import printable

if TYPE_CHECKING:
    from pratique.maturity.model import Rule

State = Literal["met", "not met", "unknown"]
Strength = Literal["recorded", "declared", "said"]
MOST_LINKS = 5
NOT_APPLICABLE = "if there is nothing of the kind, answer `not applicable` with the reason"
LONGEST_REASON = 400


@dataclass(frozen=True)
class Evidence:
    """The answer of one collector.

    state: "unknown" where there are no data, too few cases, or only old ones; it never counts as met.
    reason: one sentence with the numbers. value: the measured number; threshold: what it is compared with; n: the cases it was
    measured from. where: what it was taken from, such as "ledger 214", "git 3f2a91c" or ".gitlab-ci.yml:12".
    strength: "recorded" (it happened), "declared" (a file in version control says so) or "said" (by the team).
    collector: its name. supports: whether it only supports an answer, and decides nothing.
    """

    state: State
    reason: str
    value: float | None = None
    threshold: float | None = None
    n: int | None = None
    where: tuple[str, ...] = ()
    strength: Strength = "recorded"
    collector: str = ""
    supports: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "where": list(self.where)}


def unknown(reason: str, where: Sequence[str] = ()) -> Evidence:
    """Return the evidence of a collector that cannot tell. reason: one sentence."""
    return Evidence("unknown", _line(reason), where=links(where))


def compared(rule: Rule, value: float, n: int, reason: str, where: Sequence[str] = (), *, asked: str = "") -> Evidence:
    """Compare a value with the threshold of its rule; fewer cases than the rule asks for are unknown.

    n: the cases behind the value. reason: the numbers in words, without the threshold. asked: the threshold in other words than the rule's.
    """
    if n < rule.of:
        needed = f"{rule.of} are needed" if n else f"there must be {rule.of} or more"
        return Evidence(
            "unknown", _line(f"{reason}: too few to judge, {needed}"), value, rule.threshold, n, links(where)
        )
    met = rule.is_met_by(value)
    # that one is enough needs no words where there is one
    condition = "" if met and rule.at_most is None and rule.threshold == 1 else f" ({asked or rule.condition})"
    return Evidence("met" if met else "not met", _line(f"{reason}{condition}"), value, rule.threshold, n, links(where))


def share(rule: Rule, good: int, n: int, what: str, where: Sequence[str] = ()) -> Evidence:
    """Compare the share of good cases with the threshold. what: completes "3 of 9 …"."""
    asked = "at least 100 %" if rule.threshold == 1 and rule.at_most is None else ""
    return compared(rule, good / n if n else 0.0, n, f"{count(good)} of {count(n)} {what}", where, asked=asked)


def share_of_known(rule: Rule, good: int, open_: int, n: int, what: str, where: Sequence[str] = ()) -> Evidence:
    """As `share`, where it is not known of some cases whether they are good: unknown where these could decide.

    open_: how many of the n cases are not known; they are not among the good ones.
    """
    found = share(rule, good, n, f"{what}; of {count(open_)} it is not known" if open_ else what, where)
    decided = bool(n) and rule.is_met_by(good / n) == rule.is_met_by((good + open_) / n) and n - open_ >= rule.of
    return found if decided or not open_ or not n else unknown(found.reason, where)


def links(where: Sequence[str]) -> tuple[str, ...]:
    """Return the first few distinct links, safe for a terminal, and how many more there are."""
    distinct = [printable(link, 200) for link in dict.fromkeys(where)]
    more = (f"{len(distinct) - MOST_LINKS} more",) if len(distinct) > MOST_LINKS else ()
    return (*distinct[:MOST_LINKS], *more)


def _line(text: str) -> str:
    return printable(" ".join(text.split()), LONGEST_REASON)
