"""The store of rollups. `open_store` opens it from its settings or its address."""

from __future__ import annotations

from pratique.config.store import INFLUXDB, StoreSettings
from pratique.store.base import Seen, Store

__all__ = ["Seen", "Store", "open_store"]


def open_store(settings: StoreSettings | str) -> Store:
    """Open a store. It accesses nothing before the first read or write.

    settings: the `[store]` table of a service file (`load().store`), or only an address. An address is a folder, a
        URL that Delta Lake supports (s3://, s3a://, gs://, az://, abfss://, file://), or a bucket of InfluxDB 2:
        influxdb://HOST:PORT/ORGANISATION/BUCKET, influxdbs:// with TLS. Credentials come from the environment (AWS_…, AZURE_…,
        GOOGLE_…, INFLUX_TOKEN). A store opened by its address alone never deletes a window.
    Raises: UsageError when the scheme of the address is unknown.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_store(folder).exists()
    False
    """
    if isinstance(settings, str):
        settings = StoreSettings(url=settings, retention_days=0)
    # the client of a store takes some tenths of a second to import, and most commands open no store
    if settings.url.partition("://")[0].lower() in INFLUXDB:
        from pratique.store.influxdb.store import InfluxStore  # noqa: PLC0415

        return InfluxStore(settings)
    from pratique.store.delta import DeltaStore  # noqa: PLC0415

    return DeltaStore(settings.url, retention_days=settings.retention_days)
