"""What apprise is given for services that cannot run here: nobody is called, nothing is rendered, and the text fits."""

import json

import pytest
import requests

from pratique.notify import Event
from pratique.notify.sender import MOST_BYTES, send

# of what some of apprise's plugins import
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
HOSTILE = "<@123456> <@&99> @everyone @**all** @alice <at>ann</at> [x](http://evil.example)"


@pytest.fixture
def sent(monkeypatch):
    bodies = []

    def post(url, data=None, **_):
        bodies.append(json.dumps(data) if isinstance(data, dict) else data if isinstance(data, str) else data.decode())
        answer = requests.Response()
        answer.status_code = 200
        return answer

    monkeypatch.setattr(requests, "post", post)
    monkeypatch.setattr(requests.Session, "request", lambda _, method, url, **given: post(url, **given))
    return bodies


def event(what, **changes):
    return Event("job.failed", "job@nightly", "1", "high", what, command="pratique job nightly", **changes)


@pytest.mark.parametrize(
    "address",
    [
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        f"zulip://bot@org/{'a' * 32}/ops",
        "ntfys://ntfy.example/ops",
    ],
)
def test_a_text_calls_nobody(sent, monkeypatch, address):
    monkeypatch.setenv("HOOK", address)
    send("env:HOOK", [event(HOSTILE)])
    (body,) = sent
    text = json.dumps(json.loads(body), ensure_ascii=False) if body.startswith("{") else body
    for name in ("@123", "@&99", "@everyone", "@**all", "@alice", "<at>"):
        assert name not in text
    assert "allow_mentions" not in text


@pytest.mark.parametrize(
    "address", ["discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", f"zulip://bot@org/{'a' * 32}/ops"]
)
def test_plain_text_is_escaped_where_it_would_be_rendered(sent, monkeypatch, address):
    monkeypatch.setenv("HOOK", address)
    send("env:HOOK", [event("it failed", where="[x](http://evil.example)")])
    assert "[x](http" not in sent[0]


def test_a_text_of_wide_characters_fits_in_bytes(sent, monkeypatch):
    monkeypatch.setenv("HOOK", "ntfys://ntfy.example/ops")
    send("env:HOOK", [event("失敗" * 100, last_lines=["失敗した" * 70] * 10)])
    text = json.loads(sent[0])["message"]
    assert len(text.encode()) <= MOST_BYTES
    assert "pratique job nightly" in text
