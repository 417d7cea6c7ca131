"""Connections to a Prometheus-compatible server, with the credentials and certificates of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from pratique.config import PrometheusSettings
from pratique.errors import MissingError
from pratique.release.secrets import resolve_env


def open_session(settings: PrometheusSettings, table: str) -> requests.Session:
    """Return a session. table: of the service file, for messages. Raises: MissingError for a secret or file that is not there."""
    here = Path()
    session = requests.Session()
    session.headers.update(resolve_env(settings.headers, here))
    if settings.ca_file and not Path(settings.ca_file).is_file():
        raise MissingError(f"{table} ca_file {settings.ca_file!r} does not exist: check the path")
    session.verify = settings.ca_file or True
    secret = resolve_env({"password": settings.password, "bearer_token": settings.bearer_token}, here)
    if settings.username:
        session.auth = HTTPBasicAuth(settings.username, secret["password"])
    elif settings.bearer_token:
        session.auth = _Bearer(secret["bearer_token"])
    return session


class _Bearer(AuthBase):  # type: ignore[misc]
    """A bearer token; as a header it would be replaced by what ~/.netrc has for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
