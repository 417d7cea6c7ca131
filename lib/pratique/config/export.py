"""Where the collector passes its counts on to, beside the store: the table `[export]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from pratique.config.store import PrometheusSettings
from pratique.config.types import Strict
from pratique.errors import UsageError

OWN_LABELS = ("action", "code", "host", "instance", "job", "kind", "le", "revision", "service", "text", "title")
"""The labels of the series that remote write sends."""


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if not url:
        return url
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError(
            f"{parts.scheme[:20]}://… is not an address of remote write: write it like http://HOST:9090/api/v1/write"
        )
    return url


def refuse_user_in(url: str) -> None:
    """Refuse an address with a user or password, which would stand in reports and logs. Raises: UsageError without the address."""
    if "@" in urlsplit(url).netloc:
        raise UsageError(
            "export.remote_write.url holds a user or password: set them by reference in [export.remote_write]: "
            "username and password, bearer_token or headers"
        )


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    own = sorted(labels.keys() & set(OWN_LABELS))
    if own:
        raise ValueError(f"the label {own[0]!r} is set by Pratique: choose another name")
    return labels


LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,99}$")]


class RemoteWriteSettings(PrometheusSettings):
    """How a server with Prometheus' remote write is reached. url: empty for none."""

    url: Annotated[str, AfterValidator(_check_url)] = ""
    labels: Annotated[dict[LabelName, str], AfterValidator(_check_labels)] = Field(default_factory=dict)


class ExportSettings(Strict):
    """What the collector passes on beside the store."""

    remote_write: RemoteWriteSettings = RemoteWriteSettings()

    def below(self, base: Path) -> ExportSettings:
        """Return the settings with the paths of files made absolute; relative ones are below `base`."""
        return self.model_copy(update={"remote_write": self.remote_write.below(base)})
