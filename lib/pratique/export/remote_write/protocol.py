"""The body of a remote write request: a protobuf message, compressed by Snappy.

Source: Prometheus remote write 1.0, prometheus.WriteRequest. The message has the fields that are used here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "pratique.remote_write"
_MESSAGES = {
    "Label": {"name": (1, _Field.TYPE_STRING), "value": (2, _Field.TYPE_STRING)},
    "Sample": {"value": (1, _Field.TYPE_DOUBLE), "timestamp": (2, _Field.TYPE_INT64)},
    "TimeSeries": {"labels": (1, "Label"), "samples": (2, "Sample")},
    "WriteRequest": {"timeseries": (1, "TimeSeries")},
}
"""Each message with the numbers and types of its fields; those that are messages themselves are repeated."""


_VALUE, _TIME, _SAMPLE, _SERIES = b"\x09", b"\x10", b"\x12", b"\x0a"
"""Tags of the fields that are written here byte by byte, because there are so many: value, timestamp, samples, timeseries."""


@dataclass(frozen=True)
class Series:
    """Some samples of one series. labels: with __name__; empty values are left out. samples: (epoch ms, value), rising."""

    labels: Mapping[str, str]
    samples: tuple[tuple[int, float], ...]


def encoded_labels(labels: Mapping[str, str]) -> bytes:
    """Return the labels of a series as the first part of its message."""
    series = _TimeSeries()
    # the protocol wants labels in the order of their names
    for name, value in sorted(labels.items()):
        if value:
            series.labels.add(name=name, value=value)
    return bytes(series.SerializeToString())


def encoded_times(times_ms: Sequence[int]) -> list[bytes]:
    """Return times, epoch ms, as `request` wants them."""
    return [_TIME + _varint(time_ms) for time_ms in times_ms]


def request(series: Iterable[tuple[bytes, Sequence[tuple[bytes, bytes]]]]) -> bytes:
    """Return the body of a request.

    series: for each its labels, from `encoded_labels`, and its samples: the value as eight bytes, little-endian, and the time, from
    `encoded_times`.
    """
    parts: list[bytes] = []
    for labels, samples in series:
        part = labels
        for value, time in samples:
            part += _SAMPLE + bytes((9 + len(time),)) + _VALUE + value + time
        parts += [_SERIES, _varint(len(part)), part]
    return bytes(pa.compress(b"".join(parts), codec="snappy", asbytes=True))


def encoded(series: Iterable[Series]) -> bytes:
    """Return the body of a request."""
    return request(
        (
            encoded_labels(one.labels),
            [(struct.pack("<d", value), encoded_times([time_ms])[0]) for time_ms, value in one.samples],
        )
        for one in series
    )


def decoded(body: bytes, *, size: int = 1 << 26) -> list[Series]:
    """Return the series of a body. size: of the uncompressed message, at least its own."""
    length = _uncompressed_size(body)
    if length > size:
        raise ValueError(f"a message of {length} bytes is too long")
    found = _WriteRequest.FromString(pa.decompress(body, decompressed_size=length, codec="snappy", asbytes=True))
    return [
        Series(
            {label.name: label.value for label in one.labels},
            tuple((sample.timestamp, sample.value) for sample in one.samples),
        )
        for one in found.timeseries
    ]


def _uncompressed_size(body: bytes) -> int:
    """The length that a Snappy block begins with: seven bits a byte, the lowest first."""
    length = 0
    for position, byte in enumerate(body[:5]):
        length |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            break
    return length


@lru_cache(maxsize=4096)
def _varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first; negative ones as 64 bits."""
    left = number & 0xFFFF_FFFF_FFFF_FFFF
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def _made(*names: str) -> Iterator[Any]:
    file = descriptor_pb2.FileDescriptorProto(name="pratique/remote_write.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            options: dict[str, Any] = {"type": kind, "label": _Field.LABEL_OPTIONAL}
            if isinstance(kind, str):
                options = {
                    "type": _Field.TYPE_MESSAGE,
                    "type_name": f".{_PACKAGE}.{kind}",
                    "label": _Field.LABEL_REPEATED,
                }
            described.field.add(name=field, number=number, **options)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    for name in names:
        yield message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_TimeSeries, _WriteRequest = _made("TimeSeries", "WriteRequest")
