"""How a webhook shows that it knows the token."""

import hashlib
import hmac

import pytest

from pratique.errors import MissingError, UsageError
from pratique.incident.webhook_token import knows_token, read_token

TOKEN = b"0123456789abcdef"


def signature(body, token=TOKEN):
    return {"x-hub-signature-256": f"sha256={hmac.new(token, body, hashlib.sha256).hexdigest()}"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer 0123456789abcdef"},
        {"authorization": "bearer  0123456789abcdef "},
        {"x-gitlab-token": "0123456789abcdef"},
        signature(b"body"),
    ],
)
def test_each_sender_shows_it_in_its_own_way(headers):
    assert knows_token(TOKEN, headers, b"body")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer "},
        {"authorization": "Bearer 0123456789abcde"},
        {"authorization": "Basic 0123456789abcdef"},
        {"x-gitlab-token": "é"},
        {"x-gitlab-token": "0123456789abcdef0"},
        signature(b"another"),
        signature(b"body", b"another"),
        {"x-hub-signature-256": "sha256="},
        # a wrong signature is not mended by a right token beside it
        signature(b"another") | {"x-gitlab-token": "0123456789abcdef"},
    ],
)
def test_everything_else_is_refused(headers):
    assert not knows_token(TOKEN, headers, b"body")


def test_the_token_is_read_from_its_place(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("0123456789abcdef\n")
    monkeypatch.setenv("HOOK", "fedcba9876543210")
    assert read_token("file:token", tmp_path) == TOKEN
    assert read_token("env:HOOK", tmp_path) == b"fedcba9876543210"
    monkeypatch.setenv("HOOK", "short")
    with pytest.raises(UsageError, match="shorter than 16") as raised:
        read_token("env:HOOK", tmp_path)
    assert "short:" not in str(raised.value)
    with pytest.raises(MissingError, match="NOPE"):
        read_token("env:NOPE", tmp_path)
