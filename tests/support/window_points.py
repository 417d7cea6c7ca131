"""The answers of a server to a read of the points of windows, from the requests that wrote them."""

import re

import numpy as np

from pratique.store.influxdb import window_points

POINT = re.compile(r'pratique_windows,revision=(.*?),service=(.*?),source=(.*?) (rows_\w+)="([^"]*)" (-?\d+)')
HEADER = ",result,table,_time,_value,_field,revision,service,source"


def points(table, numbers, writer="w"):
    """{(revision, service, source, time in ns): {field: value}} of a write of rows with READ_SCHEMA. numbers: one, or by service and source."""
    if isinstance(numbers, int):
        pairs = zip(table["service"].to_pylist(), table["source"].to_pylist(), strict=True)
        numbers = dict.fromkeys(pairs, numbers)
    found = {}
    for request in window_points.requests(table, numbers, writer):
        for line in request.decode().split("\n"):
            revision, service, source, field, value, time = POINT.fullmatch(line).groups()
            plain = (tag.replace("\\", "") for tag in (revision, service, source))
            found.setdefault((*plain, int(time)), {})[field] = value
    return found


def answer_of(stored):
    """The text of the answer. stored: as `points` gives them; a series of the server is a table of its answer."""
    series = {}
    for (revision, service, source, time), fields in sorted(stored.items()):
        for field, value in fields.items():
            series.setdefault((revision, service, source, field), []).append((time, value))
    lines = [HEADER]
    for (revision, service, source, field), values in sorted(series.items()):
        for time, value in values:
            tags = ",".join(f'"{tag}"' if "," in tag else tag for tag in (revision, service, source))
            quoted = f'"{value}"' if "," in value else value
            lines.append(f",_result,0,{np.datetime64(time, 'ns')}Z,{quoted},{field},{tags}")
    return "\r\n".join(lines) + "\r\n\r\n"
