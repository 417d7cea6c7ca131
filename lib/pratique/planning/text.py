"""A plan as text for a terminal, and its proposals as lines of the service file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pratique.number_text import percent
from pratique.planning.forecast import Duration, Forecast, GuardForecast
from pratique.planning.plan import Plan
from pratique.planning.proposal import Proposal
from pratique.text_table import aligned

MONTH = "> 30 d"


def plan_text(plan: Plan) -> str:
    """Return the whole plan: the traffic, a table of times, the conclusion, and the proposals."""
    return "\n".join([*_head(plan), *table(plan.forecast), "", conclusion(plan), *_proposals(plan)])


def conclusion(plan: Plan) -> str:
    """Return in a sentence how long a good release takes, and whether that is in time."""
    found = plan.forecast
    promoted = found.release.promoted
    if promoted.median is None:
        times = "A release like the baseline is not promoted within a month"
    else:
        times = f"A release like the baseline is promoted after {minutes(promoted.median)} (median), 90 % within {minutes(promoted.p90)}"
    deadline = f"{percent(found.within_deadline)} of them before the deadline of {minutes(found.deadline_min)}"
    slowest = "" if found.within_deadline > 0.9 else f"; {found.slowest.name} takes longest"
    return f"{times}, {deadline}{slowest}."


def table(found: Forecast) -> Iterator[str]:
    """Yield the lines of the table: guards as rows, times as columns."""
    factors = list(found.release.found)
    heads = ["", "baseline", "promoted", *(f"{factor:g}x worse found" for factor in factors)]
    # worse in every outcome by what each guard tolerates is tolerated too
    common = [factor for factor in factors if found.guards and all(factor in guard.tolerated for guard in found.guards)]
    release = replace(found.release, tolerated=(*found.release.tolerated, *common))
    yield from aligned([heads, *(_row(row, factors) for row in (*found.guards, release))])


def _row(row: GuardForecast, factors: list[float]) -> list[str]:
    rate = "" if row.rate is None else f"{100 * row.rate:.2g} %"
    found = ["tolerated" if factor in row.tolerated else both(row.found[factor]) for factor in factors]
    return [row.name, rate, both(row.promoted), *found]


def both(duration: Duration) -> str:
    """Return median and 90 % of a time."""
    if duration.median is None:
        return MONTH
    return f"{minutes(duration.median)} ({minutes(duration.p90)})"


def minutes(value: float | None) -> str:
    """Return minutes with a suitable unit.

    >>> minutes(0.5), minutes(79), minutes(200), minutes(None)
    ('30 s', '79 min', '3.3 h', '> 30 d')
    """
    if value is None:
        return MONTH
    if value < 2:
        return f"{value * 60:.0f} s"
    if value < 120:
        return f"{value:.0f} min"
    return f"{value / 60:.1f} h" if value < 2880 else f"{value / 1440:.0f} d"


def _head(plan: Plan) -> Iterator[str]:
    found = plan.forecast
    stages = ", ".join(f"{stage:g}" for stage in found.stages)
    yield (
        f"{plan.service}: {found.per_minute:,.0f} requests a minute ({found.source}); stages {stages} %, "
        f"{found.stage_min_windows} windows of {found.window_s} s each at least"
    )
    yield "Times are median (90 %). Worse: the odds of the outcome are so many times the baseline's."
    yield ""


def _proposals(plan: Plan) -> Iterator[str]:
    if plan.arrives:
        return
    yield ""
    if not plan.proposals:
        yield f"No setting was found that promotes 90 % of good releases within {minutes(plan.within_min)}: more traffic is needed."
        return
    yield f"For 90 % of good releases within {minutes(plan.within_min)}, or a deadline that suits, one of these in the service file:"
    for proposal in plan.proposals:
        promoted = proposal.forecast.release.promoted
        yield ""
        yield f"# {proposal.title}: promoted after {both(promoted)}"
        yield proposal_toml(plan, proposal)


def proposal_toml(plan: Plan, proposal: Proposal) -> str:
    """Return the changed keys as tables of the service file."""
    service = plan.service if "." not in plan.service else json.dumps(plan.service)
    return "\n".join(_tables(f"services.{service}", proposal.changes(plan.policy, plan.rollout)))


def _tables(name: str, values: dict[str, Any]) -> Iterator[str]:
    keys = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if keys:
        yield f"[{name}]"
        yield from (f"{key} = {json.dumps(value)}" for key, value in keys.items())
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _tables(f"{name}.{key}", value)
