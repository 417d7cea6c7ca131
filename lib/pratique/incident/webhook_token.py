"""Whether a webhook knows the token, in each of the ways in which the senders show it. No comparison tells how much was right."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from pratique.errors import UsageError
from pratique.release.secrets import resolve_env

KEY = "telemetry.webhook_token"
SHORTEST = 16
"""Characters of a token at least: a short one can be guessed."""
BEARER = "bearer "
SIGNATURE = "x-hub-signature-256"


def read_token(reference: str, base: Path) -> bytes:
    """Return the token that a reference names. Raises: MissingError; UsageError when there is none, or it is too short."""
    if not reference:
        raise UsageError(
            f"telemetry.listen_http needs {KEY}, env:NAME or file:PATH: without a token anybody could tell changes"
        )
    token = resolve_env({KEY: reference}, base)[KEY].strip()
    if len(token) < SHORTEST:
        raise UsageError(f"{KEY}: the token in {reference} is shorter than {SHORTEST} characters: make a longer one")
    return token.encode()


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a message shows the token by a signature of its body. headers: by lower-case name."""
    return SIGNATURE in headers


def knows_token(token: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a message shows the token: by Authorization: Bearer, X-Gitlab-Token, or GitHub's signature of the body."""
    if is_signed(headers):
        wanted = f"sha256={hmac.new(token, body, hashlib.sha256).hexdigest()}"
        return _same(headers[SIGNATURE], wanted.encode())
    given = headers.get("authorization", "")
    if given[: len(BEARER)].lower() == BEARER:
        return _same(given[len(BEARER) :].strip(), token)
    return _same(headers.get("x-gitlab-token", ""), token)


def _same(given: str, wanted: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted)
