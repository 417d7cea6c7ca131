"""Headers, credentials and certificates of a request to a Prometheus-compatible server, by the settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from requests.auth import AuthBase, HTTPBasicAuth

from pratique.config import PrometheusSettings
from pratique.errors import DeniedError, MissingError
from pratique.release.secrets import is_reference, resolve_env


def request_options(settings: PrometheusSettings, table: str) -> dict[str, Any]:
    """Return `headers`, `auth` and `verify` for a request. table: of the service file, for messages.

    Secrets are read at each call, so that one that was replaced takes effect.
    Raises: MissingError for a secret or file that is not there; DeniedError for a secret that no header can hold.
    """
    return {
        "headers": _resolved(settings.headers, table),
        "auth": _authentication(settings, table),
        # the session's own would give way to REQUESTS_CA_BUNDLE
        "verify": _ca_file(settings, table),
    }


def _authentication(settings: PrometheusSettings, table: str) -> AuthBase | None:
    """The authentication of the settings, in place of that of ~/.netrc for the host; None without one."""
    if settings.username:
        password = resolve_env({"password": settings.password}, Path())["password"]
        return HTTPBasicAuth(settings.username.encode(), password.encode())
    if settings.bearer_token:
        return _Bearer(_resolved({"bearer_token": settings.bearer_token}, table)["bearer_token"])
    return _HeadersAlone() if any(name.lower() == "authorization" for name in settings.headers) else None


def _ca_file(settings: PrometheusSettings, table: str) -> str | None:
    """The certificates to trust; None: those of the environment or the system."""
    file = settings.ca_file
    if file and not Path(file).is_file():
        raise MissingError(f"{table} ca_file {file!r} does not exist: check the path")
    return file or None


def _resolved(headers: Mapping[str, str], table: str) -> dict[str, str]:
    """Headers with their secrets. Raises: MissingError; DeniedError, without showing the secret."""
    found = resolve_env(headers, Path())
    for name, value in found.items():
        if not value.isascii() or not value.isprintable():
            where = repr(headers[name]) if is_reference(headers[name]) else "the value"
            raise DeniedError(f"{table} {name}: {where} is something other than plain text on one line")
    return found


class _HeadersAlone(AuthBase):  # type: ignore[misc]
    """Nothing but the headers of the settings."""

    def __call__(self, request: Any) -> Any:
        return request


class _Bearer(AuthBase):  # type: ignore[misc]
    """A bearer token; as a header it would be replaced by what ~/.netrc has for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
