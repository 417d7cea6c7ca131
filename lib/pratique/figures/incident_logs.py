"""The kept container logs around the start of an incident: which messages became more, and the lines next to it."""

from __future__ import annotations

from html import escape

from pratique.figures.labels import label
from pratique.figures.panels import Panel
from pratique.incident.container_lines import ContainerLines, ShownLine
from pratique.incident.text import short
from pratique.number_text import count, plural

NO_LOGS = "No container logs are kept around the start, or no start is shown."
WIDEST = 300
"""Characters of a line that are shown."""


def container_messages(found: ContainerLines | None) -> Panel:
    """Show the distinct messages before and after the start, and the lines next to it. found: None without a start."""
    if found is None or not (found.lines_before or found.lines_after):
        return Panel(f'<div class="findings"><p>{NO_LOGS}</p></div>', NO_LOGS)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("message", "before", "after"))
    rows = "".join(
        f'<tr><th scope="row">{label(one.message, WIDEST)}</th><td title="before">{count(one.before)}</td>'
        f'<td title="after">{count(one.after)}</td></tr>'
        for one in found.messages
    )
    left = f"; {plural(found.further, 'further message')} not shown" if found.further else ""
    span = f"{found.first:%H:%M:%S} to {found.end:%H:%M:%S} UTC, {plural(len(found.instances), 'instance')}{left}"
    notes = "".join(f"<li>{label(note, WIDEST)}</li>" for note in found.notes)
    html = (
        f'<div class="scroll"><table class="guards"><caption>{span}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{_lines('Last lines before the start', found.before)}{_lines('First lines after it', found.after)}"
        + (f'<div class="findings"><ul>{notes}</ul></div>' if notes else "")
    )
    text = [f"{count(one.before)} → {count(one.after)}  {short(one.message, WIDEST)}" for one in found.messages]
    return Panel(html, "\n".join([span, *text, *found.notes]))


def _lines(title: str, lines: tuple[ShownLine, ...]) -> str:
    shown = "\n".join(
        escape(f"{line.time:%H:%M:%S} {short(line.revision, 20)} {short(line.instance, 14)} {short(line.text, WIDEST)}")
        for line in lines
    )
    return f"<details><summary>{title} ({len(lines)})</summary><pre>{shown}</pre></details>" if lines else ""
