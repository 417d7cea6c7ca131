"""Where rollups are kept: `open_store` gives the store that an address names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pratique.store.delta import DeltaStore


def open_store(url: str, *, retention_days: float = 0) -> DeltaStore:
    """Open the store at `url`; nothing is touched before the first read or write.

    url: a folder, or an address that Delta Lake knows: s3://, s3a://, gs://, az://, abfss://, file://.
        Credentials of object storage come from the environment (AWS_…, AZURE_…, GOOGLE_…).
    retention_days: windows that are older, and were written longer ago, are dropped; 0 keeps all.
    Raises: UsageError when the address is of no known kind.
    """
    # deltalake takes a tenth of a second to import, and most commands never open a store.
    from pratique.store.delta import DeltaStore  # noqa: PLC0415

    return DeltaStore(url, retention_days=retention_days)
