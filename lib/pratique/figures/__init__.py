"""What a person sees of a comparison: one function, one plotly figure, or one panel of HTML."""

from pratique.figures.codes import status_codes
from pratique.figures.evidence import evidence
from pratique.figures.heatmap import ratio_heatmap
from pratique.figures.latency import latency_distribution, latency_quantiles
from pratique.figures.measures import Measures, measure
from pratique.figures.panels import Panel, findings, guard_table, reproduction, verdict_banner
from pratique.figures.timeline import timeline
from pratique.figures.traffic import traffic

__all__ = [
    "Measures",
    "Panel",
    "evidence",
    "findings",
    "guard_table",
    "latency_distribution",
    "latency_quantiles",
    "measure",
    "ratio_heatmap",
    "reproduction",
    "status_codes",
    "timeline",
    "traffic",
    "verdict_banner",
]
