"""The metrics of well-known programs, as their documentation names them.

Where a program knows nothing of revisions, the preset takes the part after the last hyphen of the name of a server,
backend or service ("shop-r2" is revision r2 of shop). A service file overrides any key.
"""

from __future__ import annotations

from typing import Any

_STEM, _LAST = r"^(.+)[-_][^-_@]+(?:@.*)?$", r"^.+[-_]([^-_@]+)(?:@.*)?$"
"""The parts of a name before and after its last hyphen or underscore; Traefik appends @PROVIDER."""
_POD = "pod|kubernetes_pod_name|instance"

PRESETS: dict[str, dict[str, Any]] = {
    # its exporter has averages of durations only, so latency is not judged; code="other" is no valid status
    "haproxy": {
        "requests": "haproxy_server_http_responses_total",
        "service": "proxy|backend",
        "revision": r"server:^(?:.+?[-_])?([A-Za-z]*[0-9][A-Za-z0-9.]*)(?:[-_][0-9]+)?$",
        "code": "code",
        "host": "server",
        "start_time": "haproxy_process_start_time_seconds",
    },
    # Prometheus renames labels that its own targets have, too: service becomes exported_service
    "nginx-ingress": {
        "requests": "nginx_ingress_controller_requests",
        "latency": "nginx_ingress_controller_request_duration_seconds",
        "service": f"exported_service|service:{_STEM}",
        "revision": f"exported_service|service:{_LAST}",
        "action": ("method", "path"),
        "code": "status",
        "host": "controller_pod|instance",
        "start_time": "nginx_ingress_controller_nginx_process_oldest_start_time_seconds",
    },
    "traefik": {
        "requests": "traefik_service_requests_total",
        "latency": "traefik_service_request_duration_seconds",
        "service": f"exported_service|service:{_STEM}",
        "revision": f"exported_service|service:{_LAST}",
        "action": ("method",),
        "code": "code",
        "host": "instance",
    },
    "envoy": {
        "requests": "envoy_cluster_upstream_rq",
        "latency": "envoy_cluster_upstream_rq_time",
        "latency_unit": "ms",
        "service": f"envoy_cluster_name:{_STEM}",
        "revision": f"envoy_cluster_name:{_LAST}",
        "code": "envoy_response_code",
        "host": _POD,
    },
    # both ends of a connection report each request
    "istio": {
        "requests": "istio_requests_total",
        "latency": "istio_request_duration_milliseconds",
        "latency_unit": "ms",
        "match": {"reporter": "destination"},
        "service": "destination_service_name|destination_canonical_service",
        "revision": "destination_version|destination_canonical_revision",
        "code": "response_code",
        "host": _POD,
    },
    "spring": {
        "requests": "http_server_requests_seconds_count",
        "latency": "http_server_requests_seconds",
        "service": "application|service|job",
        "revision": "version|revision",
        "action": ("method", "uri"),
        "code": "status",
        "host": _POD,
    },
    # names and labels of the examples of promhttp
    "go": {
        "requests": "http_requests_total|promhttp_requests_total",
        "latency": "http_request_duration_seconds|request_duration_seconds",
        "service": "service|job",
        "revision": "version|revision",
        "action": ("method", "handler"),
        "code": "code|status",
        "host": _POD,
    },
    # prometheus-fastapi-instrumentator; its codes are classes, its histogram has no code
    "python": {
        "requests": "http_requests_total",
        "latency": "http_request_duration_seconds",
        "service": "service|job",
        "revision": "version|revision",
        "action": ("method", "handler"),
        "code": "status|code",
        "host": _POD,
    },
    "flask": {
        "requests": "flask_http_request_duration_seconds_count",
        "latency": "flask_http_request_duration_seconds",
        "service": "service|job",
        "revision": "version|revision",
        "action": ("method", "path|url_rule|endpoint"),
        "code": "status",
        "host": _POD,
    },
    "django": {
        "requests": "django_http_responses_total_by_status_view_method_total|django_http_responses_total_by_status_view_method",
        "latency": "django_http_requests_latency_seconds_by_view_method",
        "service": "service|job",
        "revision": "version|revision",
        "action": ("method", "view"),
        "code": "status",
        "host": _POD,
    },
    # the stable conventions, exported with and without the unit as a suffix
    "opentelemetry": {
        "requests": "http_server_request_duration_seconds_count|http_server_request_duration_count",
        "latency": "http_server_request_duration_seconds|http_server_request_duration",
        "service": "service_name|exported_job|job",
        "revision": "service_version|version",
        "action": ("http_request_method", "http_route"),
        "code": "http_response_status_code",
        "host": "service_instance_id|exported_instance|pod|instance",
    },
    # what Pratique's own collector sends by remote write
    "pratique": {
        "requests": "pratique_requests_total",
        "latency": "pratique_request_duration_seconds",
        "service": "service",
        "revision": "revision",
        "action": ("action",),
        "code": "code",
        "host": "host",
    },
    # the conventions before they were stable
    "opentelemetry-1.20": {
        "requests": "http_server_duration_milliseconds_count|http_server_duration_count",
        "latency": "http_server_duration_milliseconds|http_server_duration",
        "latency_unit": "ms",
        "service": "service_name|exported_job|job",
        "revision": "service_version|version",
        "action": ("http_method", "http_route|http_target"),
        "code": "http_status_code",
        "host": "service_instance_id|exported_instance|pod|instance",
    },
}
