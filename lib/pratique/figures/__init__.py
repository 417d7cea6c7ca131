"""Figures and panels of comparisons, incidents, histories, differences, reviews and hosts: one function draws one figure, or one panel of HTML.

Each function that takes a verdict also takes None and then says that nothing was judged.
"""

from pratique.figures.canary_outcomes import canary_outcomes, exposure
from pratique.figures.codes import status_codes
from pratique.figures.delivery_metrics import delivery_metrics, delivery_questions
from pratique.figures.delivery_series import delivery_series
from pratique.figures.difference_banner import difference_banner
from pratique.figures.difference_layers import layer_sizes
from pratique.figures.difference_tables import configuration_changes, file_changes, package_changes
from pratique.figures.doctor import doctor_banner, doctor_changes, doctor_findings, hosts_by_checks, not_looked_at
from pratique.figures.evidence_trace import evidence_over_time
from pratique.figures.expected_times import expected_times
from pratique.figures.heatmap import ratio_heatmap
from pratique.figures.host_density import containers_by_service, host_loads, memory_by_host
from pratique.figures.incident_banner import incident_banner
from pratique.figures.incident_evidence import evidence
from pratique.figures.incident_logs import container_messages
from pratique.figures.incident_onset import onset
from pratique.figures.incident_panels import incident_findings, unaffected
from pratique.figures.incident_places import places
from pratique.figures.incident_suspects import suspects
from pratique.figures.job_lanes import job_lanes
from pratique.figures.latency import latency_distribution, latency_quantiles
from pratique.figures.maturity import item_table, maturity_map, next_steps, review_changes
from pratique.figures.panels import Panel, findings, guard_table, reproduction_panel, verdict_banner
from pratique.figures.release_timeline import release_timeline
from pratique.figures.series import RequestSeries, request_series
from pratique.figures.timeline import timeline
from pratique.figures.traffic import traffic

__all__ = [
    "Panel",
    "RequestSeries",
    "canary_outcomes",
    "configuration_changes",
    "container_messages",
    "containers_by_service",
    "delivery_metrics",
    "delivery_questions",
    "delivery_series",
    "difference_banner",
    "doctor_banner",
    "doctor_changes",
    "doctor_findings",
    "evidence",
    "evidence_over_time",
    "expected_times",
    "exposure",
    "file_changes",
    "findings",
    "guard_table",
    "host_loads",
    "hosts_by_checks",
    "incident_banner",
    "incident_findings",
    "item_table",
    "job_lanes",
    "latency_distribution",
    "latency_quantiles",
    "layer_sizes",
    "maturity_map",
    "memory_by_host",
    "next_steps",
    "not_looked_at",
    "onset",
    "package_changes",
    "places",
    "ratio_heatmap",
    "release_timeline",
    "reproduction_panel",
    "request_series",
    "review_changes",
    "status_codes",
    "suspects",
    "timeline",
    "traffic",
    "unaffected",
    "verdict_banner",
]
