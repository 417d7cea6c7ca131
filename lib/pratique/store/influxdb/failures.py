"""Translate answers of InfluxDB and errors of its connection into errors of `pratique.errors`, in one place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as Timeout

from pratique.errors import (
    DataError,
    DeniedError,
    MissingError,
    PratiqueError,
    RetentionError,
    StorageError,
    UnavailableError,
)

TLS = re.compile(r"ssl|certificate|tls", re.IGNORECASE)
REFUSALS: dict[int, tuple[type[PratiqueError], str]] = {
    401: (DeniedError, "the token is refused, check store.token_env or store.token_file"),
    403: (DeniedError, "the token may not do this, check its permissions for the bucket"),
    404: (MissingError, "create the bucket with pratique store setup, or check store.url and what the token may read"),
    413: (DataError, "the server, or a proxy before it, refuses requests of this size, raise its limit"),
}
BY_MESSAGE: tuple[tuple[tuple[str, ...], type[PratiqueError], str], ...] = (
    (
        ("no space left", "disk quota", "file too large", "input/output error", "read-only file system"),
        StorageError,
        "the server's disk is full or broken, free space and restart the server, which does not write again by itself",
    ),
    (("organization name", "organization not found"), MissingError, "check the organisation in store.url"),
    (
        ("retention policy",),
        RetentionError,
        "windows are older than the bucket's retention, and the server drops them",
    ),
    (("type conflict",), DataError, "the bucket has other data under Pratique's names, use another bucket"),
)
TRANSIENT = (408, 425, 429)
LONGEST = 200


@contextmanager
def translated(name: str, doing: str) -> Iterator[None]:
    """Turn errors of the client and the connection into one line about the store.

    doing: the action that failed, as a participle ("read", "written").
    """
    try:
        yield
    except PratiqueError:
        raise
    except ApiException as error:
        raise _of_answer(name, doing, error) from error
    except (HTTPError, OSError) as error:
        raise _of_connection(name, doing, error) from error


def _of_answer(name: str, doing: str, error: ApiException) -> PratiqueError:
    if not error.status:
        return _of_connection(name, doing, error)
    headers = error.headers or {}
    return of_status(name, doing, int(error.status), error.body, str(headers.get("Retry-After") or ""))


def of_status(name: str, doing: str, status: int, body: bytes | str | None, retry_after: str = "") -> PratiqueError:
    """Return the error for an answer. body: InfluxDB's JSON with `code` and `message`, or text of a proxy."""
    told = _message_of(body) or f"status {status}"
    kind, words = _kind(status, told.lower())
    later = f" in {retry_after} s" if retry_after.isdigit() else " later"
    return kind(f"store {name!r} cannot be {doing}: {words.format(status=status, later=later)}: {_brief(told)}")


def _kind(status: int, told: str) -> tuple[type[PratiqueError], str]:
    if status in REFUSALS:
        return REFUSALS[status]
    for signs, kind, words in BY_MESSAGE:
        if any(sign in told for sign in signs):
            return kind, words
    if status in TRANSIENT or status >= 500:
        return UnavailableError, "the server answers {status}, try again{later}"
    return DataError, "the server refuses the request ({status})"


def of_late_error(name: str, told: str) -> PratiqueError:
    """Return the error that stands at the end of an answer which began well."""
    return UnavailableError(
        f"store {name!r} cannot be read: the server failed while it answered: {_brief(told)}: try again"
    )


def _of_connection(name: str, doing: str, error: Exception) -> PratiqueError:
    what = f"store {name!r} cannot be {doing}"
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason is not None else error
    # of ("Connection aborted.", error) the error
    cause = reason.args[-1] if isinstance(reason, ProtocolError) and reason.args else reason
    text = " ".join(str(getattr(reason, "reason", None) or cause).split())
    if isinstance(reason, SSLError) or (isinstance(reason, ApiException) and TLS.search(text)):
        return DeniedError(f"{what}: TLS fails: {_brief(text)}: check store.ca_file and the name in the certificate")
    if isinstance(reason, NewConnectionError):
        return UnavailableError(f"{what}: it does not answer: {_brief(text.rpartition(': ')[2])}")
    if isinstance(reason, Timeout):
        return UnavailableError(f"{what}: it does not answer in time (store.timeout_s): try again later")
    return UnavailableError(f"{what}: the connection broke: {_brief(text)}")


def message_of(body: bytes | str | None) -> str:
    """Return the message of an answer in one short line; "" when there is none."""
    return _brief(_message_of(body))


def _message_of(body: bytes | str | None) -> str:
    """The whole message: what it is about may stand at its end."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        text = str(found.get("message") or found.get("error") or found.get("code") or "")
    return " ".join(text.split())


def _brief(text: str) -> str:
    """A text in one line. Of a long one its beginning and its end: a chain of errors ends with its cause."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
