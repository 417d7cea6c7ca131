"""Native histograms of some traffic, sent to a real Prometheus by remote write, as a client library exposes them.

Source of the message: prompb/types.proto of Prometheus, whose fields are used as far as integer histograms need them.
"""

import math
import struct
import urllib.request

import numpy as np
import pyarrow as pa

from pratique.export.remote_write.protocol import HEADERS, encoded_labels

SCHEMA = 3
"""Buckets of 2^(2^-SCHEMA): 9 % wide, as client libraries have by default."""
ARGUMENTS = ("--web.enable-remote-write-receiver", "--enable-feature=native-histograms")


def send(server, traffic, *, schema=SCHEMA, name="http_request_duration_seconds", also=()):
    """Send a native histogram for each series of a traffic's classic one. also: samples that are sent beside them."""
    found = {}
    for metric, labels, at, value in traffic.samples():
        if metric == "http_request_duration_seconds_count":
            found.setdefault(tuple(sorted(labels.items())), {})[at] = value
    series = b""
    for labels, counts in found.items():
        named = dict(labels)
        durations_s = _durations(traffic, named)
        samples = b"".join(_message(4, _histogram(durations_s[:n], at, schema)) for at, n in counts.items())
        series += _message(1, encoded_labels({**named, "__name__": name}) + samples)
    plain = {}
    for metric, labels, at, value in also:
        plain.setdefault((metric, tuple(sorted(labels.items()))), []).append((at, value))
    for (metric, labels), samples in plain.items():
        body = b"".join(
            _message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000)))
            for at, value in samples
        )
        series += _message(1, encoded_labels({**dict(labels), "__name__": metric}) + body)
    body = bytes(pa.compress(series, codec="snappy", asbytes=True))
    request = urllib.request.Request(f"{server.http}/api/v1/write", data=body, headers=HEADERS, method="POST")
    urllib.request.urlopen(request, timeout=60).close()


def _durations(traffic, labels):
    """The durations of the requests of a series in s, in order of time."""
    (part,) = [part for part in traffic.parts if part["revision"][0] == labels["version"]]
    chosen = np.array(part["action"]) == f"{labels['method']} {labels['handler']}"
    if "code" in labels:
        chosen &= np.array(part["code"]) == int(labels["code"])
    order = np.argsort(part["time_ms"][chosen], kind="stable")
    return part["duration_ms"][chosen][order] / 1000


def _histogram(durations_s, at, schema):
    index, counts = np.unique(np.ceil(np.log2(durations_s) * 2**schema).astype(int), return_counts=True)
    spans, end = b"", 0
    for first in np.split(index, np.flatnonzero(np.diff(index) > 1) + 1):
        spans += _message(11, b"\x08" + _varint(_zigzag(int(first[0]) - end)) + b"\x10" + _varint(len(first)))
        end = int(first[-1]) + 1
    deltas = b"".join(_varint(_zigzag(int(delta))) for delta in np.diff(counts, prepend=0))
    return (
        b"\x08" + _varint(len(durations_s))
        + b"\x19" + struct.pack("<d", math.fsum(durations_s))
        + b"\x20" + _varint(_zigzag(schema))
        + b"\x29" + struct.pack("<d", 2.0**-128)
        + b"\x30\x00"
        + spans + _message(12, deltas)
        + b"\x78" + _varint(round(at * 1000))
    )  # fmt: skip


def _message(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _zigzag(number):
    return number << 1 if number >= 0 else (-number << 1) - 1


def _varint(number):
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
