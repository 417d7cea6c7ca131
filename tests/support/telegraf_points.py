"""The traffic of `scraped_traffic` as Telegraf's inputs write it to InfluxDB: line protocol in the documented form.

No Telegraf runs. Names of measurements, tags, fields and their types are those of plugins/inputs/*/README.md, of
plugins/inputs/haproxy/haproxy.go and of plugins/parsers/grok/influx_patterns.go; Telegraf adds the tag `host`.
"""

import contextlib
import re

import numpy as np

from pratique.errors import UnavailableError

INTERVAL_S = 10
LINES = 5000
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
ESCAPED = re.compile(r"([, =])")


def line(measurement, tags, fields, time_ns):
    """One point. A value of type int is an integer, float a float, str a text."""
    named = "".join(f",{_escaped(name)}={_escaped(value)}" for name, value in sorted(tags.items()) if value)
    values = ",".join(f"{_escaped(name)}={_value(value)}" for name, value in fields.items())
    return f"{_escaped(measurement)}{named} {values} {time_ns}"


def _escaped(text):
    return ESCAPED.sub(r"\\\1", text)


def _value(value):
    if isinstance(value, str):
        return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
    return f"{int(value)}i" if isinstance(value, int | np.integer) else repr(float(value))


def write(server, bucket, lines):
    """Write lines to a bucket of the tests' server; one that is busy is asked again, as Telegraf does."""
    client = server.client
    for at in range(0, len(lines), LINES):
        for _ in range(3):
            with contextlib.suppress(UnavailableError):
                client.write(bucket.name, "\n".join(lines[at : at + LINES]).encode(), precision="ns")
                break
        else:
            raise AssertionError("the server does not take the points")


def haproxy(traffic):
    """The input `haproxy`, of a HAProxy whose backend shop has the servers r1 and r2, and of its other rows."""
    both = {code: [0] * len(_samples(traffic)) for code in CLASSES}
    for part in traffic.parts:
        revision = part["revision"][0]
        for at, time, counts in _counted(traffic, part):
            tags = {"proxy": "shop", "server": "/run/haproxy.sock", "sv": revision, "type": "server", "host": "web-1"}
            yield line("haproxy", tags, _haproxy_fields(counts), time)
            for code, n in counts.items():
                both[code][at] += n
    for sv, kind, proxy in (("BACKEND", "backend", "shop"), ("FRONTEND", "frontend", "public")):
        for at, second in enumerate(_samples(traffic)):
            tags = {"proxy": proxy, "server": "/run/haproxy.sock", "sv": sv, "type": kind, "host": "web-1"}
            counts = {code: found[at] for code, found in both.items()}
            yield line("haproxy", tags, _haproxy_fields(counts), _ns(traffic.start_s + second))


def _haproxy_fields(counts):
    fields = {f"http_response.{code}": n for code, n in counts.items()}
    total = sum(counts.values())
    return {
        **fields,
        "http_response.other": 0,
        "status": "UP",
        "mode": "http",
        "stot": total,
        "req_tot": total,
        "pid": 1,
    }


def nginx_upstreams(traffic, kind="vts"):
    """The input `nginx_vts`, `nginx_sts` or `nginx_plus_api`: upstreams shop-r1 and shop-r2 with one server each."""
    measurement, stem, end = {
        "vts": ("nginx_vts_upstream", "response_", "_count"),
        "sts": ("nginx_sts_upstream", "response_", "_count"),
        "plus": ("nginx_plus_api_http_upstream_peers", "responses_", ""),
    }[kind]
    for part in traffic.parts:
        revision = part["revision"][0]
        tags = {"upstream": f"shop-{revision}", "upstream_address": f"10.0.0.{revision[1]}:80", "host": "web-1"}
        for _, time, counts in _counted(traffic, part):
            fields = {f"{stem}{code}{end}": n for code, n in counts.items()}
            yield line(measurement, {**tags, "source": "localhost", "port": "80"}, {**fields, "weight": 1}, time)


def prometheus(traffic):
    """The input `prometheus` with metric_version = 1: a counter with labels as tags, a float."""
    for part in traffic.parts:
        revision, codes, actions = part["revision"][0], np.array(part["code"]), np.array(part["action"])
        for action in np.unique(actions):
            for code in np.unique(codes):
                method, handler = action.split(" ")
                tags = {"service": "shop", "version": revision, "method": method, "handler": handler, "code": str(code)}
                tags |= {"url": f"http://{revision}:8000/metrics", "host": "web-1"}
                chosen = (actions == action) & (codes == code)
                for _, time, n in _up_to(traffic, part, chosen):
                    yield line("http_requests_total", tags, {"counter": float(n)}, time)


def access_log(traffic, *, timed="request_time"):
    """The input `tail` with a grok pattern that extends COMBINED_LOG_FORMAT by the duration in s, one point a request.

    timed: the name of its field; "" for the pattern as it is.
    """
    for part in traffic.parts:
        revision = part["revision"][0]
        for number, time_ms in enumerate(part["time_ms"].tolist()):
            verb, path = part["action"][number].split(" ")
            tags = {"verb": verb, "resp_code": str(part["code"][number]), "path": "/var/log/nginx/access.log"}
            tags |= {"service": "shop", "revision": revision, "host": revision}
            fields = {"client_ip": "192.0.2.1", "ident": "-", "auth": "-", "request": path, "http_version": 1.1}
            fields |= {"resp_bytes": 512, "agent": 'curl "8"'}
            if timed:
                fields[timed] = float(part["duration_ms"][number]) / 1000
            # Telegraf moves lines with the same time apart
            yield line("tail", tags, fields, time_ms * 1_000_000 + number % 999_983)


def probes(server_start_s, answers, *, revision="r1"):
    """The input `http_response`, every 10 s. answers: (status code or None without an answer, seconds or None)."""
    for number, (code, seconds) in enumerate(answers):
        tags = {"server": "http://shop/", "method": "GET", "service": "shop", "revision": revision, "host": "web-1"}
        result = "success" if code else "connection_failed"
        fields = {"result_type": result, "result_code": 0 if code else 3}
        if code:
            tags["status_code"] = str(code)
            fields |= {"http_response_code": code, "content_length": 5}
        if seconds is not None:
            fields["response_time"] = seconds
        yield line("http_response", {**tags, "result": result}, fields, _ns(server_start_s + 10 * number))


def _samples(traffic):
    return np.arange(0, traffic.windows * 60 + 2 * INTERVAL_S, INTERVAL_S).tolist()


def _counted(traffic, part):
    """(number of the sample, time in ns, total of each class up to it) of each sample of a revision's process."""
    classes = np.array(part["code"]) // 100
    found = {code: _up_to(traffic, part, classes == int(code[0])) for code in CLASSES}
    for rows in zip(*found.values(), strict=True):
        yield rows[0][0], rows[0][1], {code: row[2] for code, row in zip(CLASSES, rows, strict=True)}


def _up_to(traffic, part, chosen):
    begun_s = traffic.history * 60 if part["revision"][0] == "r2" else 0
    times = np.sort(part["time_ms"][chosen] / 1000 - traffic.start_s)
    return [
        (at, _ns(traffic.start_s + second), int(np.searchsorted(times, second, side="right")))
        for at, second in enumerate(_samples(traffic))
        if second >= begun_s
    ]


def _ns(second):
    return int(second) * 1_000_000_000
