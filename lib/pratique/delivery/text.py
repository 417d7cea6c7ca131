"""The history of deliveries in words and numbers, the same for a terminal and for a page. A share of fewer than ten is written as a count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pratique.delivery.exposure import AfterPromotion
from pratique.delivery.history import History, Metrics
from pratique.delivery.intervals import Interval
from pratique.delivery.metrics import Share
from pratique.number_text import plural
from pratique.printable_text import printable
from pratique.text_table import aligned

FEW = 10
"""Deployments below which a share is written as a count first."""
FEW_TIMES = 5
"""Times below which each is written instead of their median."""
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Row:
    """One line of the metrics. value: this period's, with its interval. before: the period before; "" without one. note: what it is made of.

    changed: whether it differs from the period before by more than chance.
    """

    name: str
    value: str
    before: str
    note: str
    changed: bool


def rows(history: History) -> list[Row]:
    """Return the lines of a history: the five delivery metrics, then the canaries."""
    found = []
    for name, value, note in _METRICS:
        before = value(history.before) if history.before is not None else ""
        found.append(Row(name, value(history.metrics), before, note(history.metrics), name in history.changed))
    return found


def headline(history: History) -> str:
    """Return the sentence on a history."""
    metrics = history.metrics
    made, failed = metrics.frequency.count, metrics.fail_rate.share.count
    stopped, trials = len(metrics.canaries.stopped), len(metrics.canaries.trials)
    period = metrics.period
    text = (
        f"{history.service}: {plural(made, 'deployment')} from {period.start:%Y-%m-%d} to {period.end:%Y-%m-%d}, "
        f"{failed} of them failed"
    )
    if trials:
        text += f"; {plural(trials, 'canary', 'canaries')} had traffic, the judge stopped {stopped}"
    return text


def history_lines(history: History) -> list[str]:
    """Return a history as lines for a terminal."""
    table = [("", "value", "before", ""), *((row.name, row.value, row.before, row.note) for row in rows(history))]
    if history.before is None:
        table = [(name, value, note) for name, value, _, note in table]  # type: ignore[misc] # a column less
    lines = [headline(history), "", *aligned(table)]
    notes = (
        [f"differs from the period before by more than chance: {', '.join(history.changed)}"] if history.changed else []
    )
    if history.metrics.asked.start < history.metrics.period.start:
        notes.append(
            f"the ledger begins at {history.metrics.period.start:%Y-%m-%d %H:%M}: earlier deployments are not known"
        )
    if history.commits.why:
        notes.append(f"lead times are not known: {history.commits.why}")
    notes += history.suggestions
    return lines + [""] * bool(notes) + [printable(note, 500) for note in notes]


def series_lines(metrics: Sequence[Metrics]) -> list[str]:
    """Return the metrics of several periods, a line each."""
    table = [("from (UTC)", "deployments", "lead time", "failed", "recovery", "rework", "canaries stopped")]
    for each in metrics:
        stopped = f"{len(each.canaries.stopped)} of {len(each.canaries.trials)}"
        cells = (_lead_time(each), _of(each.fail_rate.share), _recovery(each), _of(each.rework), stopped)
        table.append((f"{each.asked.start:%Y-%m-%d}", str(each.frequency.count), *cells))
    return aligned(table)


def share_text(share: Share) -> str:
    """Return a share: as a count where there are few, else in percent; with its interval.

    0 of 0 has no share.
    """
    if share.share is None or share.interval is None:
        return "none"
    limits = _limits(share.interval, lambda value: f"{100 * value:.0f}")
    percent = f"{100 * share.share:.0f} %"
    if share.of < FEW:
        return f"{share.count} of {share.of} ({percent} {limits})"
    return f"{percent} {limits} ({share.count} of {share.of})"


def _limits(interval: Interval, text: Callable[[float], str]) -> str:
    low, high = ("–" if value is None else text(value) for value in (interval.low, interval.high))
    return f"[{low}, {high}]"


def _of(share: Share) -> str:
    return f"{share.count} of {share.of}"


def _frequency(metrics: Metrics) -> str:
    found = metrics.frequency
    if found.per_week is None or found.interval is None:
        return NOT_KNOWN
    return f"{found.per_week:.1f} a week {_limits(found.interval, lambda value: f'{value:.1f}')}"


def _frequency_note(metrics: Metrics) -> str:
    found = metrics.frequency
    gap = f", median gap {found.gap_days:.1f} days" if found.gap_days is not None else ""
    return f"{plural(found.count, 'deployment')} on {plural(found.days, 'day')}{gap}"


def _lead_time(metrics: Metrics) -> str:
    found = metrics.lead_time
    if found.median is None:
        return NOT_KNOWN
    limits = f" {_limits(found.interval, lambda value: f'{value:.0f}')}" if found.interval else ""
    return f"{found.median:.0f} h{limits}"


def _lead_time_note(metrics: Metrics) -> str:
    found = metrics.lead_time
    parts = [plural(found.count, "commit")]
    if found.p90 is not None:
        parts.append(f"90 % within {found.p90:.0f} h")
    if found.waiting and found.with_waiting is not None:
        median = found.with_waiting.median
        parts.append(
            f"{found.waiting} more waiting" + (f", {median:.0f} h including them" if median is not None else "")
        )
    if found.negative:
        parts.append(f"{len(found.negative)} left out: newer than the deployment")
    if found.unknown:
        parts.append(f"commit of {plural(found.unknown, 'deployment')} not known")
    return "; ".join(parts)


def _fail_rate_note(metrics: Metrics) -> str:
    found = metrics.fail_rate
    if not found.unexplained:
        return ""
    return f"at most {_of(found.at_most)}: {plural(len(found.unexplained), 'incident')} without a cause"


def _recovery(metrics: Metrics) -> str:
    found = metrics.recovery
    number = len(found.minutes) + len(found.open)
    if not number:
        return "none" if not found.unknown else NOT_KNOWN
    if number < FEW_TIMES:
        return (
            ", ".join([*(f"{time:.0f}" for time in found.minutes), *(f"{time:.0f}+" for time in found.open)]) + " min"
        )
    median = found.survival.median
    limits = _limits(found.survival.interval, lambda value: f"{value:.0f}")
    return f"{'–' if median is None else f'{median:.0f}'} min {limits}"


def _recovery_note(metrics: Metrics) -> str:
    found = metrics.recovery
    parts = [f"{len(found.open)} not recovered yet"] if found.open else []
    return "; ".join([*parts, *([f"{found.unknown} without an incident"] if found.unknown else [])])


def _caught_note(metrics: Metrics) -> str:
    found = metrics.canaries
    parts = [f"{len(found.stopped)} of {plural(len(found.trials), 'canary', 'canaries')} stopped"]
    parts += [f"{len(found.escaped)} escaped"] if found.escaped else []
    parts += [f"{plural(len(found.false_alarms), 'false alarm')}"] if found.false_alarms else []
    parts += [f"{len(found.unreviewed)} not reviewed"] if found.unreviewed else []
    return "; ".join(parts)


def _to_verdict(metrics: Metrics) -> str:
    found = metrics.canaries.to_verdict
    if found.median is None:
        return NOT_KNOWN if not found.ended else "– min"
    return f"{found.median:.0f} min {_limits(found.interval, lambda value: f'{value:.0f}')}"


def _to_verdict_note(metrics: Metrics) -> str:
    found = metrics.canaries.to_verdict
    return f"{found.ended} decided" + (f", {found.waiting} not" if found.waiting else "")


def _exposure(metrics: Metrics) -> str:
    found = metrics.canaries.exposure
    if not found:
        return "none"
    requests = [exposure.requests for exposure in found if exposure.requests is not None]
    bad = [exposure.bad for exposure in found if exposure.bad is not None]
    if len(requests) < len(found):
        return NOT_KNOWN
    return _requests(sum(requests), sum(bad) if len(bad) == len(found) else None)


def _requests(number: int, bad: float | None) -> str:
    return f"{plural(number, 'request')}{'' if bad is None else f', {bad:,.0f} of them bad'}"


def _after_promotion(metrics: Metrics) -> str:
    found = _escaped(metrics)
    if not found:
        return "none"
    requests = [after.requests for after in found if after.requests is not None]
    bad = [after.bad for after in found if after.bad is not None]
    if len(requests) < len(found):
        return f"at least {_requests(sum(requests), None)}" if requests else NOT_KNOWN
    return _requests(sum(requests), sum(bad) if len(bad) == len(found) else None)


def _after_promotion_note(metrics: Metrics) -> str:
    found = _escaped(metrics)
    parts = ["of revisions that escaped, from promotion to recovery"]
    if open_ := sum(not after.is_over for after in found):
        parts.append(f"{open_} not recovered yet")
    # what to do about it does not fit into a table
    why = list(dict.fromkeys(after.why.partition(": ")[0] for after in found if after.requests is None and after.why))
    return "; ".join([*parts, *why[:1]])


def _escaped(metrics: Metrics) -> list[AfterPromotion]:
    return [one.after for one in metrics.canaries.exposure if one.after is not None]


_METRICS: tuple[tuple[str, Callable[[Metrics], str], Callable[[Metrics], str]], ...] = (
    ("deployment frequency", _frequency, _frequency_note),
    ("change lead time", _lead_time, _lead_time_note),
    ("change fail rate", lambda metrics: share_text(metrics.fail_rate.share), _fail_rate_note),
    ("failed deployment recovery time", _recovery, _recovery_note),
    ("deployment rework rate", lambda metrics: share_text(metrics.rework), lambda _: ""),
    ("catch rate", lambda metrics: share_text(metrics.canaries.caught), _caught_note),
    ("time to verdict", _to_verdict, _to_verdict_note),
    ("exposure", _exposure, lambda _: "of canaries that were stopped or failed later; bad beyond the baseline's share"),
    ("exposure after promotion", _after_promotion, _after_promotion_note),
)
"""Name, value and note of each line."""
