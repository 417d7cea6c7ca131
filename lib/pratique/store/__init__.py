"""The store of rollups. `open_store` opens it from its settings or its address."""

from __future__ import annotations

from pratique.config.store import StoreSettings
from pratique.store.base import Seen, Store
from pratique.store.read_only import empty_hint, is_scraped, require_writable

__all__ = ["Seen", "Store", "empty_hint", "is_scraped", "open_store", "require_writable"]


def open_store(settings: StoreSettings | str) -> Store:
    """Open a store. It accesses nothing before the first read or write.

    settings: the `[store]` table of a service file (`load().store`), or only an address. An address is a folder, a
        URL that Delta Lake supports (s3://, s3a://, gs://, az://, abfss://, file://), or a bucket of InfluxDB 2:
        influxdb://HOST:PORT/ORGANISATION/BUCKET, influxdbs:// with TLS. Credentials come from the environment (AWS_…, AZURE_…,
        GOOGLE_…, INFLUX_TOKEN). A store opened by its address alone never deletes a window.
        prometheus:// and prometheus+https:// read the metrics that the table [store.metrics] describes; with a table
        [store.points], influxdb:// reads the points of another program.
    Raises: UsageError when the scheme of the address is unknown.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_store(folder).exists()
    False
    """
    if isinstance(settings, str):
        settings = StoreSettings(url=settings, retention_days=0)
    # the client of a store takes some tenths of a second to import, and most commands open no store
    if settings.is_prometheus:
        from pratique.store.prometheus.store import PrometheusStore  # noqa: PLC0415

        return PrometheusStore(settings)
    if settings.is_points:
        from pratique.store.points.store import PointStore  # noqa: PLC0415

        return PointStore(settings)
    if settings.is_influxdb:
        from pratique.store.influxdb.store import InfluxStore  # noqa: PLC0415

        return InfluxStore(settings)
    from pratique.store.delta import DeltaStore  # noqa: PLC0415

    return DeltaStore(settings.url, retention_days=settings.retention_days)
