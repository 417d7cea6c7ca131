"""Settings of the store."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from pratique.config.types import Strict
from pratique.errors import UsageError

INFLUXDB = ("influxdb", "influxdbs")
"""Schemes of a store in InfluxDB; the second one speaks TLS."""
ENVIRONMENT_NAME = r"^([A-Za-z_][A-Za-z0-9_]{0,99})?$"
EnvironmentName = Annotated[str, Field(pattern=ENVIRONMENT_NAME)]
FilePath = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$", max_length=4000)]

_AZURE = ("abfs", "abfss", "az", "azure", "adl")
_KEY = re.compile(r"(:|%3a)(?!\d*$)", re.IGNORECASE)
"""A colon that begins no port."""
_IPV6 = re.compile(r"^\[[0-9A-Fa-f:.]+\]")
"""A host as a number, which has colons."""


class StoreSettings(Strict):
    """Where rollups are kept, and by which tokens: the settings name a variable or a file, and never hold a token."""

    url: str = ".pratique/store"
    retention_days: Annotated[float, Field(ge=0, le=36500)] = 90.0
    token_env: EnvironmentName = ""
    token_file: FilePath = ""
    read_token_env: EnvironmentName = ""
    read_token_file: FilePath = ""
    ca_file: FilePath = ""
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0


def refuse_credentials(url: str) -> None:
    """Refuse the address of a store that holds a password or a key: it would stand in process lists, reports and logs.

    An address of Azure names the container before an @, and may. Raises: UsageError that shows nothing of the address.
    """
    scheme, there, rest = url.partition("://")
    # a key may hold a slash, which ends what looks like the host
    user, named, _ = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    authority = _IPV6.sub("", user if named else re.split("[/?#]", rest, maxsplit=1)[0])
    a_container = scheme.lower() in _AZURE and not _KEY.search(user)
    if there and (not a_container if named else _KEY.search(authority)):
        where = (
            "name the token's variable or file with store.token_env or store.token_file"
            if scheme.lower() in INFLUXDB
            else "set them in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_… or GOOGLE_…)"
        )
        raise UsageError(f"the store {scheme[:20]}://… holds credentials: leave them out of the address and {where}")
