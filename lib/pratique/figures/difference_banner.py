"""The first lines of a release difference: one sentence, both sides, and what was not read."""

from __future__ import annotations

from pratique.figures.labels import label
from pratique.figures.panels import MAX_REASON, Panel, fact_list, unbroken
from pratique.number_text import plural
from pratique.release.difference import CANNOT_TELL, DIFFERENT, SAME, Difference
from pratique.release.difference_text import sentence
from pratique.release.sides import Side

ANSWERS = {
    SAME: ("quiet", "=", "The same", "nothing but noise differs"),
    DIFFERENT: ("", "≠", "Different", "downgrades come first below"),
    CANNOT_TELL: ("", "?", "Cannot tell", "no difference was found, but not everything was read"),
}
"""Exit status → class of the banner, mark, title and meaning."""
DOWN = ("rollback", "▼", "Different", "something was downgraded")
MOST_FINDINGS = 30


def difference_banner(difference: Difference) -> Panel:
    """Show what differs in one sentence, what the sides are, and everything that was not read."""
    down = any(change.change == "down" for change in (*difference.runtimes, *difference.packages))
    kind, mark, title, meaning = DOWN if down else ANSWERS[difference.exit_status]
    facts = [
        ("before", _side(difference.before, "baseline", "●")),
        ("after", _side(difference.after, "canary", "◆")),
        ("base", label(difference.base.text, 160)),
    ]
    text = sentence(difference)
    html = (
        f'<div class="verdict {kind}"><p class="answer"><span class="mark">{mark}</span> <strong>{title}</strong>'
        f' <span class="meaning">{meaning}</span></p>'
        f'<p class="reason">{unbroken(label(text, MAX_REASON))}</p>{fact_list(facts)}</div>{_findings(difference)}'
    )
    notes = [
        *difference.notes,
        *(f"not read: {found.unread.what}: {found.unread.reason}" for found in difference.findings),
    ]
    return Panel(html, "\n".join([text, *notes]))


def _side(side: Side, role: str, mark: str) -> str:
    given = side.given
    layers = f", {plural(len(side.layers), 'layer')}" if given.kind == "image" else ""
    digest = f"<br><small>{label(given.digest, 80)}</small>" if given.digest else ""
    return f'<span class="{role}">{mark} {label(given.name, 80)}</span> {given.kind}{layers}{digest}'


def _findings(difference: Difference) -> str:
    items = [
        f'<li class="hold"><strong>{label(found.unread.what, 120)}</strong> <span class="effect">not read, {found.side}</span> '
        f"{label(found.unread.reason, 200)}</li>"
        for found in difference.findings[:MOST_FINDINGS]
    ]
    items += [f"<li>{label(note, 300)}</li>" for note in difference.notes]
    more = len(difference.findings) - MOST_FINDINGS
    items += [f"<li>and {more:,} more</li>"] if more > 0 else []
    return f'<div class="findings"><ul>{"".join(items)}</ul></div>' if items else ""
