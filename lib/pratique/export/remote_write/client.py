"""Send requests to a server with remote write, and tell those that it may take later from those that it never will."""

from __future__ import annotations

import requests
from urllib3.exceptions import HTTPError

from pratique.config import RemoteWriteSettings
from pratique.errors import DeniedError, UnavailableError
from pratique.export.remote_write.protocol import HEADERS
from pratique.store.prometheus.authentication import request_options

WRONG_SETTINGS = (401, 403, 404, 405)
"""Answers that another setting mends; the requests wait meanwhile."""
LATER = (408, 425, 429)
"""Answers that time mends, as every one from 500 on."""
_SHOWN = 200
_READ_BYTES = 2000
"""Bytes that are read of an answer, which is a short text."""


class RemoteWriteClient:
    """A connection to one server, which is opened when it is needed."""

    def __init__(self, settings: RemoteWriteSettings) -> None:
        self._settings, self._session = settings, requests.Session()

    def post(self, body: bytes) -> str:
        """Send one request; return why the server will never take it, "" when it has.

        Raises: UnavailableError, DeniedError, MissingError, when it should be sent again.
        """
        url = self._settings.url
        status, told = self._answer(url, body)
        if status in WRONG_SETTINGS or 300 <= status < 400:
            raise DeniedError(f"{url} refuses remote write ({status}): {told}: correct [export.remote_write]")
        if status in LATER or status >= 500:
            raise UnavailableError(f"{url} takes nothing now ({status}): {told}")
        return "" if status < 300 else f"{told} ({status})"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _answer(self, url: str, body: bytes) -> tuple[int, str]:
        """The status of an answer, and the beginning of its text."""
        options = request_options(self._settings, "[export.remote_write]")
        options["headers"] |= HEADERS
        longest_s = self._settings.timeout_s
        timeouts = min(10.0, longest_s), longest_s
        try:
            with self._session.post(
                url, data=body, timeout=timeouts, allow_redirects=False, stream=True, **options
            ) as answer:
                text = answer.raw.read(_READ_BYTES, decode_content=True)
                return answer.status_code, _brief(text.decode("utf-8", "replace"))
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise UnavailableError(f"{url} does not answer: {_brief(error)}") from error


def _brief(error: object) -> str:
    return " ".join(str(error).split())[:_SHOWN]
