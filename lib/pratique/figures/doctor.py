"""An examination of hosts as panels and figures: hosts by checks, how full the hosts are, and every finding. Readable without colour."""

from __future__ import annotations

from html import escape

from pratique.doctor.model import Check, Examination, Finding, HostReport, Result
from pratique.doctor.text import examination_lines
from pratique.figures.labels import label, plain, utc_time
from pratique.figures.panels import Panel
from pratique.number_text import plural

SIGNS = {"critical": "✖", "high": "▲", "medium": "◆", "low": "•"}
"""The sign of a finding, by its risk."""
GOOD, UNSEEN, ACCEPTED = "✓", "?", "≈"
LEGEND = "✖ critical ▲ high ◆ medium • low, with the number of findings · ≈ accepted · ✓ good · ? not looked at"
THEMES = {
    "container": "Containers",
    "image": "Images",
    "engine": "Engine",
    "host": "Host",
    "records": "Our own records",
}
NOTHING = "Nothing was examined: a dry run only lists what it would read."
ANSWERS = {0: ("promote", "✓", "Well"), 1: ("rollback", "✕", "Found"), 2: ("", "?", "Cannot be decided")}
MOST_FINDINGS = 100
SHOWN = 4
"""Findings of one check that are shown at once; the others are folded."""


def doctor_banner(examination: Examination | None) -> Panel:
    """Show the outcome in one sentence, and the score of each host."""
    if examination is None:
        return _nothing()
    kind, mark, title = ANSWERS[examination.exit_status]
    hosts = "".join(
        f"<div><dt>{label(host.name, 80)}</dt><dd><strong>{_score(host)}</strong><br><small>{host.looked_at:.0%} looked at</small></dd></div>"
        for host in examination.hosts
    )
    html = (
        f'<div class="verdict {kind}"><p class="answer"><span class="mark">{mark}</span> <strong>{title}</strong></p>'
        f'<p class="reason">{label(examination.sentence, 200)}</p><p class="numbers">{utc_time(examination.at)}, in {examination.took_ms / 1000:.1f} s. '
        f'What counts is of risk {examination.fail_on} and above.</p><dl class="facts hosts">{hosts}</dl></div>'
    )
    return Panel(html, f"{title}: {examination.sentence}")


def _score(host: HostReport) -> str:
    return f"{host.score:.1f} of 10" if host.score is not None else "no score"


def hosts_by_checks(examination: Examination | None) -> Panel:
    """Show each check on each host: findings, and anything not looked at, by sign and number; then the checks that are good everywhere."""
    if examination is None:
        return _nothing()
    head = "".join(f'<th scope="col">{label(host.name, 60)}</th>' for host in examination.hosts)
    bodies, good = [], []
    for theme, title in THEMES.items():
        checks = [check for check in examination.checks if check.theme == theme]
        good += [check.id for check in checks if _is_good(examination, check)]
        rows = "".join(_row(examination, check) for check in checks if check.id not in good)
        group = f'<tr class="group"><th scope="rowgroup" colspan="{len(examination.hosts) + 1}"><strong>{title}</strong></th></tr>'
        bodies += [f"<tbody>{group}{rows}</tbody>"] if rows else []
    table = (
        f'<div class="scroll"><table class="guards doctor"><caption>{LEGEND}</caption>'
        f'<thead><tr><th scope="col">check</th>{head}</tr></thead>{"".join(bodies)}</table></div>'
    )
    well = f"<p>{GOOD} Good on every host: {', '.join(good)}.</p>" if good else ""
    lines = [
        f"{check.id}: {', '.join(f'{host.name} {_sign(host.result(check.id))}' for host in examination.hosts)}"
        for check in examination.checks
    ]
    return Panel(f"{table if bodies else ''}{well}", "\n".join([*lines, LEGEND]))


def _is_good(examination: Examination, check: Check) -> bool:
    results = [host.result(check.id) for host in examination.hosts]
    return all(result is None or (result.state == "good" and not result.reason) for result in results)


def _row(examination: Examination, check: Check) -> str:
    cells = "".join(_cell(host, host.result(check.id)) for host in examination.hosts)
    return f'<tr><th scope="row">{check.id}<small>{check.risk}</small></th>{cells}</tr>'


def _cell(host: HostReport, result: Result | None) -> str:
    kind = (
        ""
        if result is None
        else "good"
        if result.state == "good"
        else "unseen"
        if not result.findings
        else result.check.risk
        if result.open
        else "accepted"
    )
    part = " in part" if result is not None and result.reason and result.findings else ""
    return f'<td class="{kind}" title="{escape(plain(host.name, 60))}"><span>{_sign(result)}</span>{part}</td>'


def _sign(result: Result | None) -> str:
    if result is None:
        return ""
    if result.open:
        return f"{SIGNS[result.check.risk]} {len(result.open)}"
    if result.findings:
        return f"{ACCEPTED} {len(result.findings)}"
    return GOOD if result.state == "good" else UNSEEN


def doctor_findings(examination: Examination | None) -> Panel:
    """Show every finding, worst first: where, what, why it matters, and what to type."""
    if examination is None:
        return _nothing()
    rows = [(host, result) for host, result in examination.worst_first() if result.findings]
    parts = "".join(_findings(host, result) for host, result in rows)
    html = f'<div class="findings">{parts or "<p>Nothing was found.</p>"}</div>'
    return Panel(html, "\n".join(examination_lines(examination)))


def _findings(host: HostReport, result: Result) -> str:
    check, findings = result.check, result.findings[:MOST_FINDINGS]
    first = next((one for one in findings if not one.accepted), None)
    more = "".join(f"{_finding(one)}{_command(one)}" for one in findings[SHOWN:])
    rest = f"<details><summary>{len(findings) - SHOWN} more</summary><ul>{more}</ul></details>" if more else ""
    return (
        f"<h3>{SIGNS[check.risk]} {check.risk}: {check.id} <small>on {label(host.name, 80)}</small></h3>"
        f'<p>{label(check.why, 300)} <a href="{escape(check.source)}">More</a></p>'
        f"<ul>{''.join(map(_finding, findings[:SHOWN]))}</ul>{_command(first) if first else ''}{rest}"
    )


def _command(one: Finding) -> str:
    return "" if one.accepted else f'<pre class="command">{label(one.found.remedy, 400)}</pre>'


def _finding(one: Finding) -> str:
    notes = [
        *(["new"] if one.is_new else []),
        *([f"accepted {one.accepted}"] if one.accepted else []),
        *([one.expired] if one.expired else []),
    ]
    note = f' <span class="effect">{label("; ".join(notes), 300)}</span>' if notes else ""
    return f"<li><strong>{label(one.found.object, 120)}</strong>: {label(one.found.what, 300)}{note}</li>"


def not_looked_at(examination: Examination | None) -> Panel:
    """Show anything not looked at, and why; and what changed since the run before."""
    if examination is None:
        return _nothing()
    reasons: dict[tuple[str, str], list[str]] = {}
    for host in examination.hosts:
        for result in host.results:
            if result.reason:
                reasons.setdefault((host.name, result.reason), []).append(result.check.id)
    items = "".join(
        f"<li><strong>{label(name, 80)}</strong>: {label(reason, 300)}<br><small>{label(', '.join(checks), 900)}</small></li>"
        for (name, reason), checks in reasons.items()
    )
    html = f"<ul>{items}</ul>" if items else "<p>Everything was looked at.</p>"
    lines = [f"{name}: {reason}: {', '.join(checks)}" for (name, reason), checks in reasons.items()]
    return Panel(f'<div class="findings">{html}</div>', "\n".join(lines) or "Everything was looked at.")


def doctor_changes(examination: Examination | None) -> Panel:
    """Show what is new and what is mended since the run before of each host."""
    if examination is None:
        return _nothing()
    items = []
    for host in examination.hosts:
        if host.compared_with is None:
            items.append(f"<li><strong>{label(host.name, 80)}</strong>: there is no earlier run</li>")
            continue
        new = [one.key for result in host.results for one in result.findings if one.is_new]
        keys = [f"<br>+ {label(key, 200)}" for key in new[:MOST_FINDINGS]] + [
            f"<br>- {label(key, 200)}" for key in host.gone[:MOST_FINDINGS]
        ]
        words = f"{plural(len(new), 'new finding')}, {len(host.gone)} mended since {utc_time(host.compared_with)}"
        items.append(f"<li><strong>{label(host.name, 80)}</strong>: {words}<small>{''.join(keys)}</small></li>")
    text = "\n".join(f"mended {host.name}: {key}" for host in examination.hosts for key in host.gone)
    return Panel(f'<div class="findings"><ul>{"".join(items)}</ul></div>', text or "Nothing is mended.")


def _nothing() -> Panel:
    return Panel(f'<div class="findings"><p>{NOTHING}</p></div>', NOTHING)
