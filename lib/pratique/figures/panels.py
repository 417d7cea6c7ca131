"""What is read rather than drawn: the verdict, the table of guards, the findings, how to reproduce.

A panel is HTML of a few plain elements with classes that the report's style sheet knows; in JupyterLab it
shows without them. Every text that can come from the data is escaped here, and shortened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pratique.figures.labels import count, duration, evidence_of, interval, label, moment, percent, span, times
from pratique.judge.model import SERVICE, GuardResult, Verdict

REASON = 600
LONG = 40
"""Rows from which the table scrolls in a box of its own."""
TITLES = {
    "promote": ("✓", "Promote", "the canary may take the traffic"),
    "rollback": ("✕", "Roll back", "the canary is worse than tolerated"),
    "continue": ("…", "Continue", "neither is shown yet"),
    "inconclusive": ("?", "Inconclusive", "the deadline came before an answer; this is no pass"),
}
STATES = {"worse": "▲ worse", "met": "✓ within tolerance", "open": "not shown yet", "not evaluated": "not evaluated"}
ORDER = {"worse": 0, "not evaluated": 1, "open": 2, "met": 3}


@dataclass(frozen=True)
class Panel:
    """A piece of HTML, escaped where it was made. `text` says the same for a terminal."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def verdict_banner(verdict: Verdict) -> Panel:
    """The verdict, its reason in a sentence, and how much traffic it rests on."""
    mark, title, meaning = TITLES[verdict.verdict]
    facts = [
        ("service", label(verdict.service, 60)),
        ("canary", f'<span class="canary">◆ {label(verdict.canary, 40)}</span> {_requests(verdict, verdict.canary)}'),
        (
            "baseline",
            f'<span class="baseline">● {label(verdict.baseline, 40)}</span> {_requests(verdict, verdict.baseline)}',
        ),
        ("judged", f"{_range(verdict)}<br><small>{_length(verdict)}</small>"),
        ("evidence", _evidence(verdict)),
    ]
    remaining = f'<p class="remaining">{label(verdict.remaining.message, REASON)}</p>' if verdict.remaining else ""
    html = (
        f'<div class="verdict {verdict.verdict}"><p class="answer"><span class="mark">{mark}</span> <strong>{title}</strong>'
        f' <span class="meaning">{meaning}</span></p><p class="reason">{label(verdict.reason, REASON)}</p>{remaining}'
        f"{_facts(facts)}</div>"
    )
    return Panel(html, f"{verdict.verdict}: {verdict.reason}")


def _requests(verdict: Verdict, revision: str) -> str:
    number = verdict.requests.get(revision, 0)
    whole = sum(verdict.requests.values())
    return f"{count(number)} requests ({percent(number / whole if whole else 0.0)})"


def _range(verdict: Verdict) -> str:
    same_day = verdict.start.date() == verdict.end.date()
    return f"{verdict.start:%Y-%m-%d %H:%M:%S} to {verdict.end:%H:%M:%S} UTC" if same_day else _two_days(verdict)


def _two_days(verdict: Verdict) -> str:
    return f"{moment(verdict.start)} to {moment(verdict.end)}"


def _length(verdict: Verdict) -> str:
    seconds = (verdict.end - verdict.start).total_seconds()
    return f"{span(seconds)} in windows of {span(verdict.window_s)}"


def _evidence(verdict: Verdict) -> str:
    fired = f", reached at {verdict.fired:%H:%M:%S} UTC" if verdict.fired else ""
    return f"{evidence_of(verdict.e_value)} of {evidence_of(verdict.needed)} needed to roll back{fired}"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return (
        '<dl class="facts">' + "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in facts) + "</dl>"
    )


def guard_table(verdict: Verdict) -> Panel:
    """Every guard, for the service and per action: the numbers that were judged, the worst first."""
    results = sorted(verdict.guards, key=_rank)
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("guard", "ratio", "bad / requests", "excess", "evidence", "state")
    )
    body = "".join(_row(verdict, result) for result in results)
    note = f"evidence is weighed at {evidence_of(verdict.needed)}; ratio is an odds ratio with its confidence sequence"
    html = (
        f'<div class="scroll{" long" if len(results) > LONG else ""}"><table class="guards"><caption>{note}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    return Panel(html, "\n".join(result.reason for result in results))


def _rank(result: GuardResult) -> tuple[bool, int, float]:
    return result.action != SERVICE, ORDER[result.state], -result.e_value


def _row(verdict: Verdict, result: GuardResult) -> str:
    where = "whole service" if result.action == SERVICE else label(result.action, 80)
    threshold = f" (slower than {duration(result.threshold_ms)})" if result.threshold_ms else ""
    state = STATES[result.state]
    if result.first_fired:
        state += f", fired {result.first_fired:%H:%M:%S}"
    if result.flagged:
        state += ", flagged"
    cells = (
        ("guard", f"<strong>{label(result.guard, 20)}</strong> {where}<small>{threshold}</small>"),
        (
            "ratio",
            f"{times(result.ratio)} <small>{interval(result.ratio_low, result.ratio_high)}</small><small>tolerated {times(result.tolerated_ratio)}</small>",
        ),
        ("bad / requests", _sides(verdict, result)),
        ("excess", _excess(result)),
        ("evidence", evidence_of(result.e_value)),
        ("state", state),
    )
    kind = result.state.replace(" ", "-")
    return f'<tr class="{kind}">' + "".join(_cell(name, value) for name, value in cells) + "</tr>"


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
    return f"{'+' if share >= 0 else '-'}{percent(abs(share))}"


def findings(verdict: Verdict, weights: Sequence[object] = ()) -> Panel:
    """What was missing or odd in the data, and what the policy made of it; when nothing was, what was looked for.

    weights: the changes of weight that are known; without any, the shares of traffic were not checked.
    """
    spread = ", ".join(f"{label(guard, 16)} {value:.2g}" for guard, value in verdict.dispersion.items())
    noise = f"<p>Overdispersion φ, by which the evidence was divided: {spread}.</p>" if spread else ""
    unchecked = "" if weights else "<p>No weights are known for this time: the shares of traffic were not checked.</p>"
    missing = [result for result in verdict.guards if result.state == "not evaluated"]
    if not verdict.findings and not missing:
        text = (
            "Nothing was missing or odd: both revisions had requests, every guard was evaluated, "
            f"{'the shares of traffic fit the weights, ' if weights else ''}and no line is known to have been late or dropped."
        )
        return Panel(f'<div class="findings"><p>{text}</p>{unchecked}{noise}</div>', text)
    items = [_finding(found.kind, found.effect, found.message) for found in verdict.findings]
    if missing:
        names = ", ".join(f"{result.guard} of {_where(result)}" for result in missing[:8])
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        items.append(
            _finding("not evaluated", "note", f"{names}{more}: a guard that could not be evaluated is no pass")
        )
    text = "\n".join(f"{found.kind} ({found.effect}): {found.message}" for found in verdict.findings)
    return Panel(f'<div class="findings"><ul>{"".join(items)}</ul>{unchecked}{noise}</div>', text)


def _where(result: GuardResult) -> str:
    return "the whole service" if result.action == SERVICE else result.action[:60]


def _finding(kind: str, effect: str, message: str) -> str:
    effects = {"note": "noted", "hold": "holds the promotion", "rollback": "rolls back"}
    return (
        f'<li class="{effect}"><strong>{label(kind, 40)}</strong> <span class="effect">{effects[effect]}</span> '
        f"{label(message, REASON)}</li>"
    )


def reproduction(commands: Sequence[str], facts: Mapping[str, str], policy: str) -> Panel:
    """How to get the same answer again: commands, versions and data, and the policy as it was in force (JSON)."""
    lines = "\n".join(label(command, 2000) for command in commands)
    rows = _facts([(label(key, 40), label(value, 400)) for key, value in facts.items()])
    safe_policy = "\n".join(escape(line[:400]) for line in policy.splitlines())
    html = (
        f'<div class="reproduce"><pre class="command">{lines}</pre>{rows}'
        f"<details><summary>The policy in force</summary><pre>{safe_policy}</pre></details></div>"
    )
    return Panel(html, "\n".join(commands))
