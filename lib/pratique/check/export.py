"""The check of remote write: whether the server takes a request."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pratique.check.finding import Check
from pratique.config import Config, RemoteWriteSettings
from pratique.errors import DataError


def export_checks(config: Config) -> Iterator[Check]:
    """Yield the check of remote write, if the service file has it."""
    if config.export.remote_write.url:
        yield Check("export.remote_write.url", partial(_takes, config.export.remote_write))


def _takes(settings: RemoteWriteSettings) -> str:
    """Send a request without a series."""
    # protobuf and arrow take some tenths of a second to import
    from pratique.export.remote_write.client import RemoteWriteClient  # noqa: PLC0415
    from pratique.export.remote_write.protocol import encoded  # noqa: PLC0415

    client = RemoteWriteClient(settings)
    try:
        refused = client.post(encoded([]))
    finally:
        client.close()
    if refused:
        raise DataError(f"{settings.url} takes no remote write: {refused}")
    return f"{settings.url} takes remote write"
