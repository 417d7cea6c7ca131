"""The points of Telegraf's inputs, as their documentation names measurements, tags and fields.

Sources: README.md and code of plugins/inputs/{haproxy,nginx,nginx_vts,nginx_sts,nginx_plus_api,http_response,tail,prometheus},
plugins/parsers/grok/influx_patterns.go, https://github.com/influxdata/telegraf. Telegraf adds the tag `host`, its own machine, to every point.
"""

from __future__ import annotations

from typing import Any

from pratique.config.metric_presets import AFTER_LAST_HYPHEN, REVISION_OF_SERVER, UP_TO_LAST_HYPHEN

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_UPSTREAM = {
    "service": f"upstream:{UP_TO_LAST_HYPHEN}",
    "revision": f"upstream:{AFTER_LAST_HYPHEN}",
    "host": "upstream_address",
    "target": ("host", "source", "port"),
}

POINT_PRESETS: dict[str, dict[str, Any]] = {
    # with keep_field_names = true its tags are pxname and svname, its fields hrsp_…
    "telegraf-haproxy": {
        "measurement": "haproxy",
        "counters": tuple(f"{stem}{each}" for stem in ("http_response.", "hrsp_") for each in (*_CLASSES, "other")),
        "code": r"_field:^(?:http_response\.|hrsp_)(.+)$",
        "service": "proxy|pxname",
        "revision": f"sv|svname:{REVISION_OF_SERVER}",
        "host": "sv|svname",
        "match": {"type": "server"},
        "target": ("host", "server"),
    },
    "telegraf-nginx-vts": {
        "measurement": "nginx_vts_upstream",
        "counters": tuple(f"response_{each}_count" for each in _CLASSES),
        "code": "_field:^response_(...)_count$",
        **_UPSTREAM,
    },
    "telegraf-nginx-sts": {
        "measurement": "nginx_sts_upstream",
        "counters": tuple(f"response_{each}_count" for each in _CLASSES),
        "code": "_field:^response_(...)_count$",
        **_UPSTREAM,
    },
    "telegraf-nginx-plus": {
        "measurement": "nginx_plus_api_http_upstream_peers",
        "counters": tuple(f"responses_{each}" for each in _CLASSES),
        "code": "_field:^responses_(...)$",
        **_UPSTREAM,
    },
    # metric_version = 1; with 2 the measurement is "prometheus" and the counter is named like the metric
    "telegraf-prometheus": {
        "measurement": "http_requests_total",
        "counters": ("counter",),
        "code": "code|status",
        "service": "service|job",
        "revision": "version|revision",
        "action": ("method", "handler"),
        "host": "url",
        "target": ("host", "url"),
    },
    # one point for each probe; a probe that got no answer has no status code
    "telegraf-http-response": {
        "measurement": "http_response",
        "code": "status_code|http_response_code",
        "service": "service",
        "revision": "version|revision",
        "action": ("method",),
        "host": "server",
        "duration": "response_time",
        "duration_unit": "s",
        "counted": "result_code",
    },
    # tail with the patterns COMMON_LOG_FORMAT or COMBINED_LOG_FORMAT, which have no duration
    "telegraf-access-log": {
        "measurement": "tail",
        "code": "resp_code|response_code",
        "service": "service",
        "revision": "version|revision",
        "method": "verb",
        "path": "request",
        "host": "host",
        "counted": "client_ip",
    },
}

WITHOUT_CODES = {
    "telegraf-nginx": "telegraf-nginx-vts, telegraf-nginx-sts or telegraf-nginx-plus",
    "telegraf-apache": "telegraf-access-log",
}
"""Inputs that tell how many requests there were, and not their status codes, with what to use in their place."""
