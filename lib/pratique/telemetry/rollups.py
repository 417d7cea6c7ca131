"""Rollups: what the store keeps, what the judge reads, and how they add up.

One row is one window × service × revision × action × code × host × source. `bucket` and `count` are
the sparse latency histogram, parallel lists sorted by bucket; bucket i holds durations in
[2^(i/16), 2^((i+1)/16)) ms, OpenTelemetry's exponential histogram at scale 4. Their sum can be below
`n`: a request without a duration (a timer of -1) is counted and not timed.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("window", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("window_s", pa.int32(), nullable=False),
        pa.field("service", pa.string(), nullable=False),
        pa.field("revision", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("code", pa.int16(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("sum_ms", pa.float64(), nullable=False),
        pa.field("bucket", pa.list_(pa.int16()), nullable=False),
        pa.field("count", pa.list_(pa.int64()), nullable=False),
    ]
)
KEY = ("window", "service", "revision", "action", "code", "host", "source")


@dataclass(frozen=True)
class Rollups:
    """A table of rollups with the columns of SCHEMA.

    `source` names who counted (a collector, an imported file): rows that differ only in it add up,
    rows alike in the whole KEY replace one another in a store.
    """

    table: pa.Table

    @classmethod
    def empty(cls) -> Rollups:
        """No rows."""
        return cls(SCHEMA.empty_table())

    def __len__(self) -> int:
        return int(self.table.num_rows)
