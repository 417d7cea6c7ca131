"""Settings of the store."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from pratique.config.types import Strict
from pratique.errors import UsageError

_AZURE = ("abfs", "abfss", "az", "azure", "adl")
_KEY = re.compile(r"(:|%3a)(?!\d*$)", re.IGNORECASE)
"""A colon that begins no port."""


class StoreSettings(Strict):
    """Where rollups are kept."""

    url: str = ".pratique/store"
    retention_days: Annotated[float, Field(ge=0, le=36500)] = 90.0


def refuse_credentials(url: str) -> None:
    """Refuse the address of a store that holds a password or a key: it would stand in process lists, reports and logs.

    An address of Azure names the container before an @, and may. Raises: UsageError that shows nothing of the address.
    """
    scheme, there, rest = url.partition("://")
    # a key may hold a slash, which ends what looks like the host
    user, named, _ = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    authority = user if named else re.split("[/?#]", rest, maxsplit=1)[0]
    a_container = scheme.lower() in _AZURE and not _KEY.search(user)
    if there and (not a_container if named else _KEY.search(authority)):
        raise UsageError(
            f"the store {scheme[:20]}://… holds credentials: leave them out of the address and set them in the environment "
            "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_… or GOOGLE_…)"
        )
