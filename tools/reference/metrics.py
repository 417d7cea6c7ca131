"""The page of metrics: the columns of rollups, the latency buckets, and the counters of the collector."""

from __future__ import annotations

from dataclasses import fields

from pratique.telemetry import buckets
from pratique.telemetry.collector_status import CollectorStatus
from pratique.telemetry.rollups import KEY, SCHEMA
from tools.reference.markdown import explained, table

COLUMNS = {
    "window": "start of the window, UTC",
    "window_s": "length of the window in seconds",
    "service": "service name",
    "revision": "revision that answered; `none` when no revision was chosen",
    "action": "route, as the rules of the service file name it; unmatched requests are `other`",
    "code": "status code; 0 for no answer, 499 for a client that closed the connection first",
    "host": "instance or host that answered",
    "source": "who counted: a collector, or an imported file",
    "n": "number of requests",
    "sum_ms": "sum of the durations in milliseconds",
    "bucket": "latency buckets with at least one request, sorted",
    "count": "requests in each of these buckets; their sum is below `n` when a request has no duration",
}
"""The meaning of each column of a rollup; the page cannot be written while one is missing here."""
TEXT = f"""# Metrics

Pratique measures every request that the balancer logs. It keeps no single request: the collector adds them up.

## Rollups

The store is a Delta Lake table, partitioned by service and day. A row is one window × service × revision × action × code × host × source.
Rows that differ only in `source` add up. A row with the same key as a stored one replaces it.

{{columns}}

Columns in bold are the key. Any tool that reads Delta Lake can query the table:

```python
from deltalake import DeltaTable

table = DeltaTable(".pratique/store").to_pyarrow_table(columns=["revision", "code", "n"])
print(table.group_by(["revision", "code"]).aggregate([("n", "sum")]))
```

A request belongs to the window in which it began. Its duration is the time from the complete request to the end of the answer.

## Latency buckets

The histogram is OpenTelemetry's exponential histogram at scale 4. Bucket i holds durations from 2^(i/{buckets.PER_DOUBLING}) to
2^((i+1)/{buckets.PER_DOUBLING}) ms, so a bucket is 4.4 % wide. Buckets go from {buckets.LOWEST} (below {buckets.lower_ms(buckets.LOWEST + 1):.2g} ms, and 0) to
{buckets.HIGHEST} (46 days). Histograms add up exactly.

## The collector's counters

The collector writes `collector/status.json` in the state folder about once a second. `pratique status` shows it, and every counter that can
distort a verdict becomes a finding.

{{counters}}
"""


def page() -> str:
    """The whole page."""
    columns = [
        (f"**`{item.name}`**" if item.name in KEY else f"`{item.name}`", f"`{item.type}`", COLUMNS[item.name])
        for item in SCHEMA
    ]
    names = [item.name for item in fields(CollectorStatus)]
    meanings = explained(CollectorStatus.__doc__, names).names
    counters = [(f"`{name}`", meanings[name]) for name in names]
    return TEXT.format(
        columns=table(("column", "type", "meaning"), columns).strip(),
        counters=table(("field", "meaning"), counters).strip(),
    )
