"""Settings of the store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from pratique.config.metric_mapping import MetricMapping
from pratique.config.point_mapping import PointMapping
from pratique.config.types import Strict
from pratique.errors import UsageError

INFLUXDB = ("influxdb", "influxdbs")
"""Schemes of a store in InfluxDB; the second one speaks TLS."""
PROMETHEUS = ("prometheus", "prometheus+https")
"""Schemes of a server that is read through the HTTP API of Prometheus."""
ENVIRONMENT_NAME = r"^([A-Za-z_][A-Za-z0-9_]{0,99})?$"
EnvironmentName = Annotated[str, Field(pattern=ENVIRONMENT_NAME)]
FilePath = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$", max_length=4000)]

_AZURE = ("abfs", "abfss", "az", "azure", "adl")
_KEY = re.compile(r"(:|%3a)(?!\d*$)", re.IGNORECASE)
"""A colon that begins no port."""
_IPV6 = re.compile(r"^\[[0-9A-Fa-f:.]+\]")
"""A host as a number, which has colons."""


REFERENCE = r"^((env|file):.+)?$"
Reference = Annotated[str, Field(pattern=REFERENCE)]
"""The place of a secret, env:NAME or file:PATH, never the secret itself."""


class PrometheusSettings(Strict):
    """How a Prometheus-compatible store is reached."""

    username: str = ""
    password: Reference = ""
    bearer_token: Reference = ""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")], str] = Field(default_factory=dict)
    ca_file: str = ""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0

    def below(self, base: Path) -> Self:
        """Return the settings with the paths of files made absolute; relative ones are below `base`."""
        changed = {
            "password": _absolute(self.password, base),
            "bearer_token": _absolute(self.bearer_token, base),
            "headers": {name: _absolute(value, base) for name, value in self.headers.items()},
            "ca_file": str(Path(base, self.ca_file).absolute()) if self.ca_file else "",
        }
        return self.model_copy(update=changed)


def _absolute(reference: str, base: Path) -> str:
    kind, _, path = reference.partition(":")
    return f"file:{Path(base, path).absolute()}" if kind == "file" else reference


class StoreSettings(Strict):
    """Where rollups are kept, by which tokens, or the metrics that they are made of; no setting holds a token itself."""

    url: str = ".pratique/store"
    retention_days: Annotated[float, Field(ge=0, le=36500)] = 90.0
    token_env: EnvironmentName = ""
    token_file: FilePath = ""
    read_token_env: EnvironmentName = ""
    read_token_file: FilePath = ""
    ca_file: FilePath = ""
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    prometheus: PrometheusSettings = PrometheusSettings()
    metrics: MetricMapping = MetricMapping()
    points: PointMapping = PointMapping()

    @property
    def is_influxdb(self) -> bool:
        """Whether rollups are kept in a bucket of InfluxDB."""
        return self._scheme in INFLUXDB and not self.is_points

    @property
    def is_points(self) -> bool:
        """Whether rollups are made of points that another program writes to InfluxDB, which are only read."""
        return self._scheme in INFLUXDB and bool(self.points.model_fields_set)

    @property
    def is_prometheus(self) -> bool:
        """Whether rollups are made of the metrics of a Prometheus-compatible server, which is only read."""
        return self._scheme in PROMETHEUS

    @property
    def is_read_only(self) -> bool:
        """Whether another program fills the store, so that no collector is needed."""
        return self.is_prometheus or self.is_points

    @property
    def mapping(self) -> MetricMapping | PointMapping:
        """What the data of another program mean; only of a store that is only read."""
        return self.points if self.is_points else self.metrics

    @property
    def _scheme(self) -> str:
        return self.url.partition("://")[0].lower()

    def window_s(self, collected_s: int) -> int:
        """Return the length of the windows that are read from the store. collected_s: of those that a collector writes."""
        return self.mapping.window_s if self.is_read_only else collected_s


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
        where = "set them in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_… or GOOGLE_…)"
        if scheme.lower() in PROMETHEUS:
            where = "set them by reference in [store.prometheus]: username and password, bearer_token or headers"
        elif scheme.lower() in INFLUXDB:
            where = "name the token's variable or file with store.token_env or store.token_file"
        raise UsageError(f"the store {scheme[:20]}://… holds credentials: leave them out of the address and {where}")
