"""Panels of HTML: the verdict, the table of guards, the findings, and how to reproduce a comparison.

A panel uses a few plain elements with classes from the report's style sheet; JupyterLab shows it unstyled.
Every text that can come from the data is escaped and shortened here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pratique.figures.labels import label, utc_time
from pratique.judge.model import SERVICE, GuardResult, Verdict
from pratique.judge.text import guard_line, ratio_shown
from pratique.number_text import count, duration, evidence, factor, interval, percent, plural, span

MAX_REASON = 600
SCROLL_ROWS = 40
"""A table with more rows than this scrolls inside its own box."""
TITLES = {
    "promote": ("✓", "Promote", "the canary can take all traffic"),
    "rollback": ("✕", "Rollback", "the canary is worse than the policy tolerates"),
    "continue": ("…", "Continue", "not enough evidence to promote or roll back yet"),
    "inconclusive": ("?", "Inconclusive", "the deadline passed without a decision; this is not a pass"),
}
STATES = {
    "worse": "▲ worse",
    "suspect": "△ suspect",
    "met": "✓ within tolerance",
    "open": "not conclusive yet",
    "not evaluated": "not evaluated",
}
ORDER = {"worse": 0, "suspect": 1, "not evaluated": 2, "open": 3, "met": 4}
EFFECTS = {"note": "noted", "hold": "blocks promotion", "rollback": "rolls back"}
NOTHING_JUDGED = "Nothing was judged. A dry run, or a run that stopped before its rollout, has no verdict."


@dataclass(frozen=True)
class Panel:
    """A piece of HTML, already escaped, and the same content as plain text for a terminal."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def verdict_banner(verdict: Verdict | None) -> Panel:
    """Show the verdict, its reason in one sentence, and the traffic that it is based on.

    >>> verdict_banner(None)
    Nothing was judged. A dry run, or a run that stopped before its rollout, has no verdict.
    """
    if verdict is None:
        return _nothing_judged()
    mark, title, meaning = TITLES[verdict.verdict]
    if verdict.verdict == "rollback" and verdict.fired is None:
        meaning = "the policy asks for it"
    facts = [
        ("service", label(verdict.service, 60)),
        ("canary", f'<span class="canary">◆ {label(verdict.canary, 40)}</span> {_requests(verdict, verdict.canary)}'),
        (
            "baseline",
            f'<span class="baseline">● {label(verdict.baseline, 40)}</span> {_requests(verdict, verdict.baseline)}',
        ),
        ("time range", f"{_range(verdict)}<br><small>{_length(verdict)}</small>"),
        ("evidence", _evidence(verdict)),
    ]
    lines = [("reason", _capital(verdict.summary or verdict.reason, verdict))]
    if verdict.cause is not None:
        lines.append(("numbers", guard_line(verdict.cause, verdict)))
    if verdict.lacking and verdict.lacking != verdict.summary:
        lines.append(("lacking", f"Lacking for a promotion: {verdict.lacking}"))
    html = (
        f'<div class="verdict {verdict.verdict}"><p class="answer"><span class="mark">{mark}</span> <strong>{title}</strong>'
        f' <span class="meaning">{meaning}</span></p>'
        + "".join(f'<p class="{kind}">{unbroken(label(text, MAX_REASON))}</p>' for kind, text in lines)
        + f"{fact_list(facts)}</div>"
    )
    first = f"{verdict.verdict}: {verdict.summary or verdict.reason}"
    return Panel(html, "\n".join([first, *(text for _, text in lines[1:])]))


def _capital(text: str, verdict: Verdict) -> str:
    """The text as a whole sentence; one that begins with the canary's or an action's name keeps that as it is."""
    begins_with_a_name = verdict.fired is not None or text.startswith(verdict.canary)
    return text if begins_with_a_name else text[:1].upper() + text[1:]


def unbroken(text: str) -> str:
    """Return text in which no line ends between a number and its percent sign."""
    return text.replace(" %", "\u00a0%")


def _nothing_judged() -> Panel:
    html = (
        '<div class="verdict"><p class="answer"><span class="mark">–</span> <strong>No verdict</strong></p>'
        f'<p class="reason">{NOTHING_JUDGED}</p></div>'
    )
    return Panel(html, NOTHING_JUDGED)


def _requests(verdict: Verdict, revision: str) -> str:
    number = verdict.requests.get(revision, 0)
    total = sum(verdict.requests.values())
    return f"{plural(number, 'request')} ({percent(number / total if total else 0.0)})"


def _range(verdict: Verdict) -> str:
    same_day = verdict.start.date() == verdict.end.date()
    return f"{verdict.start:%Y-%m-%d %H:%M:%S} to {verdict.end:%H:%M:%S} UTC" if same_day else _two_days(verdict)


def _two_days(verdict: Verdict) -> str:
    return f"{utc_time(verdict.start)} to {utc_time(verdict.end)}"


def _length(verdict: Verdict) -> str:
    seconds = (verdict.end - verdict.start).total_seconds()
    return f"{span(seconds)} in windows of {span(verdict.window_s)}"


def _evidence(verdict: Verdict) -> str:
    needed = f"{evidence(verdict.needed)} needed to roll back"
    if verdict.fired is None:
        return f"{evidence(verdict.e_value)} of {needed}"
    return f"{needed}, reached at {verdict.fired:%H:%M:%S} UTC<br><small>{evidence(verdict.e_value)} at the end</small>"


def fact_list(facts: Sequence[tuple[str, str]]) -> str:
    """Return names with their values as HTML. facts: escaped."""
    return (
        '<dl class="facts">' + "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in facts) + "</dl>"
    )


def guard_table(verdict: Verdict | None) -> Panel:
    """Show the numbers of every guard, for the service and for each action, the worst first."""
    if verdict is None:
        return _nothing_judged()
    results = sorted(verdict.guards, key=_rank)
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("guard", "ratio", "bad / requests", "excess", "evidence", "state")
    )
    body = "".join(_row(verdict, result) for result in results)
    note = (
        "Ratio: odds ratio, canary to baseline, with its confidence sequence. "
        f"Evidence: all guards together need {evidence(verdict.needed)} to roll back."
    )
    html = (
        f'<div class="scroll{" long" if len(results) > SCROLL_ROWS else ""}"><table class="guards"><caption>{note}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    return Panel(html, "\n".join(result.reason for result in results))


def _rank(result: GuardResult) -> tuple[bool, int, float]:
    return result.action != SERVICE, ORDER[result.state], -result.e_value


def _row(verdict: Verdict, result: GuardResult) -> str:
    where = "whole service" if result.action == SERVICE else label(result.action, 80)
    threshold = f" (slower than {duration(result.threshold_ms)})" if result.threshold_ms else ""
    state = STATES[result.state] + (", flagged" if result.flagged else "")
    cells = (
        ("guard", f"<strong>{label(result.guard, 20)}</strong> {where}<small>{threshold}</small>"),
        (
            "ratio",
            f"{factor(ratio_shown(result, verdict))} <small>{interval(result.ratio_low, result.ratio_high)}</small><small>tolerated {factor(result.tolerated_ratio)}</small>",
        ),
        ("bad / requests", _sides(verdict, result)),
        ("excess", _excess(result)),
        ("evidence", _evidence_of(verdict, result)),
        ("state", state),
    )
    kind = result.state.replace(" ", "-")
    return f'<tr class="{kind}">' + "".join(_cell(name, value) for name, value in cells) + "</tr>"


def _evidence_of(verdict: Verdict, result: GuardResult) -> str:
    now = evidence(result.e_value)
    if result.state != "worse" or result.e_value_fired is None or verdict.fired is None:
        return now
    then = evidence(result.e_value_fired)
    later = f"<small>{now} at the end</small>" if now != then else ""
    return f"{then}<small>at {verdict.fired:%H:%M:%S}</small>{later}"


def _cell(name: str, value: str) -> str:
    return f'<th scope="row">{value}</th>' if name == "guard" else f'<td title="{name}">{value}</td>'


def _sides(verdict: Verdict, result: GuardResult) -> str:
    return "<br>".join(
        f'<span class="{role}">{mark} {count(result.bad.get(revision, 0))} / {count(result.requests.get(revision, 0))}</span>'
        for role, mark, revision in (("canary", "◆", verdict.canary), ("baseline", "●", verdict.baseline))
    )


def _excess(result: GuardResult) -> str:
    if result.excess is None:
        return "n/a"
    high = "" if result.excess_high is None else f"<small>below {_signed(result.excess_high)}</small>"
    return f"{_signed(result.excess)} {high}"


def _signed(share: float) -> str:
    sign = "+" if share > 0 else "-" if share < 0 else ""
    return f"{sign}{percent(abs(share))}"


def findings(verdict: Verdict | None, weights: Sequence[object] = ()) -> Panel:
    """Show missing or unusual data and the policy's reaction to it, or list the checks that passed.

    weights: the recorded changes of weight; without any, traffic shares were not checked.
    """
    if verdict is None:
        return _nothing_judged()
    dispersion = ", ".join(f"{label(guard, 16)} {value:.2g}" for guard, value in verdict.dispersion.items())
    noise = f"<p>The evidence is divided by the overdispersion φ: {dispersion}.</p>" if dispersion else ""
    unchecked = (
        "" if weights else "<p>No weights are recorded for this time range: traffic shares were not checked.</p>"
    )
    missing = [result for result in verdict.guards if result.state == "not evaluated"]
    if not verdict.findings and not missing:
        text = (
            "No problems found: both revisions have requests, every guard was evaluated, "
            f"{'traffic shares match the weights, ' if weights else ''}and no log lines are known to be late or dropped."
        )
        return Panel(f'<div class="findings"><p>{text}</p>{unchecked}{noise}</div>', text)
    items = [_finding(found.kind, found.effect, found.message) for found in verdict.findings]
    if missing:
        names = ", ".join(f"{result.guard} of {_where(result)}" for result in missing[:8])
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        items.append(
            _finding("not evaluated", "note", f"{names}{more}: a guard that cannot be evaluated never counts as a pass")
        )
    text = "\n".join(f"{found.kind} ({found.effect}): {found.message}" for found in verdict.findings)
    return Panel(f'<div class="findings"><ul>{"".join(items)}</ul>{unchecked}{noise}</div>', text)


def _where(result: GuardResult) -> str:
    return "the whole service" if result.action == SERVICE else result.action[:60]


def _finding(kind: str, effect: str, message: str) -> str:
    return (
        f'<li class="{effect}"><strong>{label(kind, 40)}</strong> <span class="effect">{EFFECTS[effect]}</span> '
        f"{label(message, MAX_REASON)}</li>"
    )


def reproduction_panel(commands: Sequence[str], facts: Mapping[str, str], policy: str) -> Panel:
    """Show how to reproduce a comparison: the commands, the facts that it depends on, and its policy as JSON."""
    lines = "\n".join(label(command, 2000) for command in commands)
    rows = fact_list([(label(key, 40), label(value, 400)) for key, value in facts.items()])
    safe_policy = "\n".join(escape(line[:400]) for line in policy.splitlines())
    html = (
        f'<div class="reproduce"><pre class="command">{lines}</pre>{rows}'
        f"<details><summary>Policy</summary><pre>{safe_policy}</pre></details></div>"
    )
    return Panel(html, "\n".join(commands))
