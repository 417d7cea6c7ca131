"""Send requests to a server with remote write, and tell those that it may take later from those that it never will."""

from __future__ import annotations

import requests

from pratique.config import RemoteWriteSettings
from pratique.errors import DeniedError, UnavailableError
from pratique.export.remote_write.protocol import HEADERS
from pratique.store.prometheus.authentication import request_options

WRONG_SETTINGS = (401, 403, 404, 405)
"""Answers that another setting mends; the requests wait meanwhile."""
_SHOWN = 200


class RemoteWriteClient:
    """A connection to one server, which is opened when it is needed."""

    def __init__(self, settings: RemoteWriteSettings) -> None:
        self._settings, self._session = settings, requests.Session()

    def post(self, body: bytes) -> str:
        """Send one request; return why the server will never take it, "" when it has.

        Raises: UnavailableError, DeniedError, MissingError, when it should be sent again.
        """
        url = self._settings.url
        answer = self._answer(url, body)
        told = _brief(answer.text)
        if answer.status_code in WRONG_SETTINGS or 300 <= answer.status_code < 400:
            raise DeniedError(
                f"{url} refuses remote write ({answer.status_code}): {told}: correct [export.remote_write]"
            )
        if answer.status_code == requests.codes.too_many or answer.status_code >= 500:
            raise UnavailableError(f"{url} takes nothing now ({answer.status_code}): {told}")
        return "" if answer.ok else f"{told} ({answer.status_code})"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _answer(self, url: str, body: bytes) -> requests.Response:
        options = request_options(self._settings, "[export.remote_write]")
        options["headers"] |= HEADERS
        longest_s = self._settings.timeout_s
        timeouts = min(10.0, longest_s), longest_s
        try:
            return self._session.post(url, data=body, timeout=timeouts, allow_redirects=False, **options)
        except requests.exceptions.RequestException as error:
            raise UnavailableError(f"{url} does not answer: {_brief(error)}") from error


def _brief(error: object) -> str:
    return " ".join(str(error).split())[:_SHOWN]
