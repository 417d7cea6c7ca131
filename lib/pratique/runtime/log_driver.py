"""The log driver of containers. Every driver's storage is bounded."""

from __future__ import annotations

from pratique.config import DockerSettings
from pratique.release.model import Release


def log_config(settings: DockerSettings, release: Release, collector: str) -> tuple[str, dict[str, str]]:
    """Return the name of the log driver and its options. collector: "host:port" that accepts syslog over UDP.

    Source: Docker's documentation of the json-file and syslog logging drivers, and of their local cache.
    """
    if settings.log_driver == "json-file":
        return "json-file", {"max-size": settings.log_max_size, "max-file": str(settings.log_max_files)}
    return "syslog", {
        "syslog-address": f"udp://{collector}",
        "syslog-format": "rfc5424micro",
        "tag": f"pratique/{release.service}/{release.revision}/{{{{.ID}}}}",
        # the local copy that `docker logs` reads
        "cache-max-size": settings.log_max_size,
        "cache-max-file": str(settings.log_max_files),
    }
