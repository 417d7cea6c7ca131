"""Credentials and certificates of remote write: by the settings alone, and read at each request."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import requests

from pratique.config import RemoteWriteSettings
from pratique.errors import DeniedError, MissingError
from pratique.export.remote_write import client as module
from pratique.export.remote_write.client import RemoteWriteClient

URL = "https://metrics.example/api/v1/write"


@pytest.fixture
def sent(monkeypatch):
    """The requests that a client has sent, with their credentials."""
    found = []

    def post(url, *, data, timeout, allow_redirects, stream, headers, auth, verify):
        prepared = requests.Request("POST", url, headers=headers, data=data, auth=auth).prepare()
        found.append({**prepared.headers, "verify": verify})
        raw = SimpleNamespace(read=lambda _, **__: b"")
        return nullcontext(SimpleNamespace(status_code=204, raw=raw))

    session = SimpleNamespace(post=post, close=lambda: None)
    monkeypatch.setattr(module.requests, "Session", lambda: session)
    return found


def test_a_replaced_token_is_used_at_the_next_request(sent, tmp_path):
    token = tmp_path / "token"
    client = RemoteWriteClient(RemoteWriteSettings(url=URL, bearer_token=f"file:{token}"))
    for text in ("first", "second"):
        token.write_text(f"{text}\n")
        assert client.post(b"") == ""
    assert [one["Authorization"] for one in sent] == ["Bearer first", "Bearer second"]


def test_a_token_that_is_missing_is_named_and_its_file_may_come(sent, tmp_path):
    client = RemoteWriteClient(RemoteWriteSettings(url=URL, bearer_token=f"file:{tmp_path / 'token'}"))
    with pytest.raises(MissingError, match="bearer_token refers to"):
        client.post(b"")
    (tmp_path / "token").write_text("now")
    client.post(b"")
    assert sent[0]["Authorization"] == "Bearer now"


def test_a_secret_that_no_header_can_hold_is_refused_and_not_shown(sent, monkeypatch):
    monkeypatch.setenv("TENANT", "a\nX-Other: secret")
    client = RemoteWriteClient(RemoteWriteSettings(url=URL, headers={"X-Scope-OrgID": "env:TENANT"}))
    with pytest.raises(DeniedError, match=r"\[export.remote_write\] X-Scope-OrgID: 'env:TENANT' is something") as error:
        client.post(b"")
    assert "secret" not in str(error.value)
    assert sent == []


def test_the_headers_of_the_settings_do_not_replace_those_of_the_protocol(sent):
    headers = {"X-Scope-OrgID": "team", "Content-Encoding": "gzip"}
    RemoteWriteClient(RemoteWriteSettings(url=URL, headers=headers)).post(b"")
    assert (sent[0]["X-Scope-OrgID"], sent[0]["Content-Encoding"]) == ("team", "snappy")


def test_certificates_are_those_of_the_settings(sent, tmp_path):
    (tmp_path / "ca.pem").write_text("")
    RemoteWriteClient(RemoteWriteSettings(url=URL, ca_file=str(tmp_path / "ca.pem"))).post(b"")
    assert sent[0]["verify"] == str(tmp_path / "ca.pem")
    with pytest.raises(MissingError, match=r"\[export.remote_write\] ca_file .* does not exist"):
        RemoteWriteClient(RemoteWriteSettings(url=URL, ca_file=str(tmp_path / "none.pem"))).post(b"")
