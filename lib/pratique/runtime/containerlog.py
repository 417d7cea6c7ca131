"""Where a container's log goes, always with a bound."""

from __future__ import annotations

from pratique.config import DockerSettings
from pratique.release.model import Release


def log_config(settings: DockerSettings, release: Release, collector: str) -> tuple[str, dict[str, str]]:
    """The log driver and its options. collector: "host:port" that takes syslog over UDP.

    Source: Docker's documentation of the json-file and syslog logging drivers, and of their local cache.
    """
    if settings.log_driver == "json-file":
        return "json-file", {"max-size": settings.log_max_size, "max-file": str(settings.log_max_files)}
    return "syslog", {
        "syslog-address": f"udp://{collector}",
        "syslog-format": "rfc5424micro",
        "tag": f"pratique/{release.service}/{release.revision}/{{{{.ID}}}}",
        # what `docker logs` reads, beside
        "cache-max-size": settings.log_max_size,
        "cache-max-file": str(settings.log_max_files),
    }
