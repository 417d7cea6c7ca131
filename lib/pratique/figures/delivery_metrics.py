"""The five delivery metrics and the canaries as a table, and the questions that a person should answer."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.delivery.history import History
from pratique.delivery.text import headline, history_lines, rows
from pratique.figures.labels import label
from pratique.figures.panels import Panel

CAPTION = (
    "Intervals in brackets contain the true value with 95 % confidence. A metric is marked ≠ if it differs from the period before by more than "
    "chance (Poisson and Fisher tests at 5 %)."
)


def delivery_metrics(histories: Sequence[History]) -> Panel:
    """Show the metrics of each service: value, interval, the period before, and details."""
    parts = [_table(history) for history in histories]
    text = "\n\n".join("\n".join(history_lines(history)) for history in histories)
    return Panel("".join(parts), text)


def delivery_questions(histories: Sequence[History]) -> Panel:
    """Show what is not known, and the commands that settle it."""
    lines = [line for history in histories for line in _questions(history)]
    if not lines:
        return Panel("<p>Nothing to confirm.</p>", "Nothing to confirm.")
    return Panel(f"<ul>{''.join(f'<li>{label(line, 500)}</li>' for line in lines)}</ul>", "\n".join(lines))


def _table(history: History) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("metric", "value", "period before", "details"))
    body = "".join(
        f'<tr><th scope="row"><strong>{label(row.name, 60)}</strong></th>'
        f'<td title="value">{label(row.value, 200)}{" ≠" if row.changed else ""}</td>'
        f'<td title="period before">{label(row.before, 200) or "–"}</td><td title="details">{label(row.note, 300) or "–"}</td></tr>'
        for row in rows(history)
    )
    return (
        f'<div class="verdict"><p class="reason">{label(headline(history), 300)}</p></div><div class="scroll"><table class="guards">'
        f"<caption>{CAPTION}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _questions(history: History) -> list[str]:
    found = list(history.suggestions)
    if history.commits.why:
        found.insert(0, f"{history.service}: lead times are not known: {history.commits.why}")
    elif history.metrics.lead_time.unknown:
        found.insert(
            0,
            f"{history.service}: deployments without a known commit: {history.metrics.lead_time.unknown}: release with --commit, or name "
            "a revision by its commit or tag",
        )
    return found
