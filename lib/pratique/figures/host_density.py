"""How full the hosts are: their containers by service, and their memory against limits."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from pratique.doctor.finding import sizes
from pratique.doctor.model import Density, Examination, HostReport, ServiceLoad
from pratique.figures.labels import label
from pratique.figures.panels import Panel
from pratique.figures.theme import BLUE, FAINT, INK, LEGEND_T, MUTED, Chart, empty, figure
from pratique.number_text import plural

NOTHING = "No engine listed its containers."
ROW_PX = 64
GB = 1e9
LOAD_COLUMNS = ("containers", "memory used", "limits", "without a limit")


def containers_by_service(examination: Examination | None) -> Chart:
    """Draw each host as a bar of its running containers, a piece for each service with its name and number."""
    hosts = _hosts(examination)
    if not hosts:
        return empty(NOTHING, alt=NOTHING)
    traces = [
        _piece(
            label(host.name, 40),
            load.containers,
            f"{label(load.service, 24)} {load.containers}",
            _hover(load.service, load.containers, density),
        )
        for host, density in hosts
        for load in density.services
    ]
    text = "; ".join(f"{host.name}: {plural(density.containers, 'container')}" for host, density in hosts)
    return _bars(
        traces, hosts, title="running containers", alt=f"Running containers of each host by service. {label(text, 400)}"
    )


def memory_by_host(examination: Examination | None) -> Chart:
    """Draw each host's memory: the limits of its services as a bar, the used part as a thinner one, the host's memory as a line."""
    hosts = _hosts(examination)
    if not hosts:
        return empty(NOTHING, alt=NOTHING)
    names = [label(host.name, 40) for host, _ in hosts]
    limits = [sum(load.limited for load in density.services) / GB for _, density in hosts]
    used = [sum(load.used or 0 for load in density.services) / GB for _, density in hosts]
    there = [density.memory / GB for _, density in hosts]
    words = [_memory_words(density) for _, density in hosts]
    outline = {"color": FAINT, "line": {"color": MUTED, "width": 1}}
    traces = [
        go.Bar(y=names, x=limits, orientation="h", name="limits", marker=outline, width=0.62, customdata=words, hovertemplate="%{customdata}<extra></extra>"),
        go.Bar(y=names, x=used, orientation="h", name="used", marker={"color": BLUE}, width=0.26, customdata=words, hovertemplate="%{customdata}<extra></extra>"),
        go.Scatter(
            y=names, x=there, mode="markers", name="memory of the host", customdata=words, hovertemplate="%{customdata}<extra></extra>",
            marker={"symbol": "line-ns", "size": 34, "line": {"color": INK, "width": 2}},
        ),
    ]  # fmt: skip
    alt = f"Memory of each host against the limits of its containers. {'; '.join(f'{name}: {word}' for name, word in zip(names, words, strict=True))}"
    return figure(
        traces, height=LEGEND_T + 60 + (ROW_PX + 16) * len(hosts), alt=alt, barmode="overlay", margin={"t": LEGEND_T},
        xaxis={"title": {"text": "GB"}, "rangemode": "tozero"}, yaxis={"autorange": "reversed"},
    )  # fmt: skip


def host_loads(examination: Examination | None) -> Panel:
    """Show the numbers of both figures: for each host and service its containers, their memory and their limits."""
    hosts = _hosts(examination)
    if not hosts:
        return Panel(f"<p>{NOTHING}</p>", NOTHING)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("host and service", *LOAD_COLUMNS))
    rows = "".join(
        f'<tbody><tr class="group"><th scope="rowgroup" colspan="{len(LOAD_COLUMNS) + 1}"><strong>{label(host.name, 80)}</strong>'
        f"<small>{_memory_words(density)}</small></th></tr>{''.join(map(_load_row, density.services))}</tbody>"
        for host, density in hosts
    )
    html = f'<div class="scroll"><table class="guards doctor"><thead><tr>{head}</tr></thead>{rows}</table></div>'
    text = "\n".join(
        f"{host.name}: {load.service}: {load.containers}" for host, density in hosts for load in density.services
    )
    return Panel(html, text)


def _load_row(load: ServiceLoad) -> str:
    values = (
        str(load.containers),
        sizes(load.used) if load.used is not None else "unknown",
        sizes(load.limited),
        str(load.unlimited) if load.unlimited else "none",
    )
    cells = "".join(f'<td title="{name}">{value}</td>' for name, value in zip(LOAD_COLUMNS, values, strict=True))
    return f'<tr><th scope="row">{label(load.service, 60)}</th>{cells}</tr>'


def _hosts(examination: Examination | None) -> list[tuple[HostReport, Density]]:
    hosts = examination.hosts if examination else ()
    return [(host, host.density) for host in hosts if host.density is not None and host.density.containers]


def _piece(name: str, number: int, text: str, hover: str) -> Any:
    return go.Bar(
        y=[name], x=[number], orientation="h", text=[text], textposition="inside", insidetextanchor="middle", textangle=0, constraintext="inside", width=0.6,
        textfont={"color": INK, "size": 12}, marker={"color": FAINT, "line": {"color": MUTED, "width": 1}}, customdata=[hover], hovertemplate="%{customdata}<extra></extra>", cliponaxis=True,
    )  # fmt: skip


def _hover(service: str, number: int, density: Density) -> str:
    processors = f" on {plural(density.processors, 'processor')}" if density.processors else ""
    return f"{label(service, 60)}: {plural(number, 'container')} of {density.containers}{processors}"


def _bars(traces: list[Any], hosts: list[tuple[HostReport, Density]], *, title: str, alt: str) -> Chart:
    return figure(
        traces, height=80 + ROW_PX * len(hosts), alt=alt, barmode="stack", showlegend=False, uniformtext={"minsize": 11, "mode": "hide"},
        xaxis={"title": {"text": title}, "rangemode": "tozero"}, yaxis={"autorange": "reversed"},
    )  # fmt: skip


def _memory_words(density: Density) -> str:
    used = [load.used for load in density.services if load.used is not None]
    unlimited = sum(load.unlimited for load in density.services)
    parts = [
        f"{sizes(sum(used))} used" if used else "use unknown",
        f"limits of {sizes(sum(load.limited for load in density.services))}",
        f"{sizes(density.memory)} there",
        *([f"{plural(unlimited, 'container')} without a limit"] if unlimited else []),
    ]
    return ", ".join(parts)
