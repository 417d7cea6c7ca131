"""Where rollups are kept: `open_store` opens the store that the settings name."""

from __future__ import annotations

from pratique.config.store import StoreSettings
from pratique.store.base import Seen, Store

__all__ = ["Seen", "Store", "open_store"]


def open_store(settings: StoreSettings | str) -> Store:
    """Open a store; nothing is touched before the first read or write.

    settings: the `[store]` table of a service file (`load().store`), or only an address. An address is a folder, or one
        that Delta Lake knows: s3://, s3a://, gs://, az://, abfss://, file://. Credentials of object storage come from
        the environment (AWS_…, AZURE_…, GOOGLE_…). A store opened by its address alone keeps every window.
    Raises: UsageError when the address is of an unknown kind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_store(folder).exists()
    False
    """
    # deltalake takes a tenth of a second to import, and most commands never open a store
    from pratique.store.delta import DeltaStore  # noqa: PLC0415

    if isinstance(settings, str):
        settings = StoreSettings(url=settings, retention_days=0)
    return DeltaStore(settings.url, retention_days=settings.retention_days)
