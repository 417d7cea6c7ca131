"""The body of a remote write request: a protobuf message, compressed by Snappy.

Source: Prometheus remote write 1.0, prometheus.WriteRequest. The message has the fields that are used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Series:
    """Some samples of one series. labels: with __name__; empty values are left out. samples: (epoch ms, value), rising."""

    labels: Mapping[str, str]
    samples: tuple[tuple[int, float], ...]


def encoded(series: Iterable[Series]) -> bytes:
    """Return the body of a request."""
    request = _WriteRequest()
    for one in series:
        added = request.timeseries.add()
        # the protocol wants labels in the order of their names
        for name, value in sorted(one.labels.items()):
            if value:
                added.labels.add(name=name, value=value)
        for time_ms, number in one.samples:
            added.samples.add(timestamp=time_ms, value=number)
    return bytes(pa.compress(request.SerializeToString(), codec="snappy", asbytes=True))


def decoded(body: bytes, *, size: int = 1 << 26) -> list[Series]:
    """Return the series of a body. size: of the uncompressed message, at least its own."""
    length = _uncompressed_size(body)
    if length > size:
        raise ValueError(f"a message of {length} bytes is too long")
    request = _WriteRequest.FromString(pa.decompress(body, decompressed_size=length, codec="snappy", asbytes=True))
    return [
        Series(
            {label.name: label.value for label in one.labels},
            tuple((sample.timestamp, sample.value) for sample in one.samples),
        )
        for one in request.timeseries
    ]


def _uncompressed_size(body: bytes) -> int:
    """The length that a Snappy block begins with: seven bits a byte, the lowest first."""
    length = 0
    for position, byte in enumerate(body[:5]):
        length |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            break
    return length


def _made() -> Any:
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
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.WriteRequest"))


_WriteRequest = _made()
