"""The receiver of changes: its answers, and what senders can and cannot use up."""

import http.client
import json
import socket
import threading
from datetime import timedelta

import pytest

from pratique.config import load
from pratique.errors import ConfigError, MissingError, UnavailableError, UsageError
from pratique.incident import webhook
from pratique.incident.kept_changes import KeptChanges
from pratique.incident.webhook import LONGEST_BODY, ChangeReceiver
from support.ports import free_port
from support.waiting import eventually

TOKEN = "0123456789abcdef"
CHANGE = {"time": "2026-11-20T12:00:00Z", "service": "shop", "why": "flag on", "id": "7", "source": "flags"}


@pytest.fixture
def config(tmp_path):
    """Write a service file whose collector listens at a free port; return a function that reads it."""
    (tmp_path / "token").write_text(TOKEN)

    def read(port=free_port(), token="file:token"):  # noqa: B008 - one port for a test
        (tmp_path / "pratique.toml").write_text(
            f'[telemetry]\nlisten_http = "127.0.0.1:{port}"\nwebhook_token = "{token}"\n[services.shop]\n'
        )
        return load(tmp_path / "pratique.toml")

    return read


@pytest.fixture
def receiver(config):
    found = ChangeReceiver()
    found.follow(config())
    yield found
    found.close()


@pytest.fixture
def kept(config, receiver):
    return KeptChanges(config().state_dir)


@pytest.fixture
def send(config, receiver):
    """Send a body; return status and answer."""

    def done(body, token=TOKEN, *, port=None, method="POST", path="/changes", **headers):
        address = port or int(config().telemetry.listen_http.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", address, timeout=60)
        try:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, ({"Authorization": f"Bearer {token}"} if token else {}) | given)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    return done


def test_a_change_is_kept_once_however_often_it_is_sent(send, kept, receiver):
    assert send(CHANGE) == (202, "1 kept\n")
    assert send(CHANGE) == (202, "0 kept, 1 known already\n")
    ((change,), damaged) = kept.read()
    assert (change.why, change.source, damaged) == ("flag on", "flags", 0)
    assert receiver.describe().startswith("1 change received at http://127.0.0.1:")


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ({"token": ""}, 401),
        ({"token": "another-token-here"}, 401),
        ({"body": b"x", "X_Hub_Signature_256": "sha256=00"}, 401),
        ({"body": b"{"}, 400),
        ({"body": [1]}, 400),
        ({"body": b"x" * (LONGEST_BODY + 1)}, 413),
        ({"path": "/"}, 404),
        ({"method": "GET"}, 405),
        ({"method": "DELETE"}, 405),
        ({"Transfer_Encoding": "chunked"}, 400),
        ({"X_Long": "x" * 70_000}, 431),
    ],
)
def test_what_is_wrong_is_answered_in_one_line(send, kept, receiver, sent, wanted):
    try:
        status, answer = send(**{"body": CHANGE, **sent})
    except (ConnectionError, http.client.HTTPException):
        # a sender that is cut off while it sends need not see the answer
        assert wanted in (413, 431)
        status, answer = wanted, "x\n"
    assert (status, answer.count("\n"), answer.strip().isprintable()) == (wanted, 1, True)
    assert kept.read() == ([], 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer another-token-here"),
        ("X-Gitlab-Token: another-token-here", f"X-Gitlab-Token: {TOKEN}"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
    ],
)
def test_a_header_that_decides_is_there_once(config, receiver, kept, first, second):
    known = "" if "oken" in first else f"Authorization: Bearer {TOKEN}\r\n"
    answer = exchange(config, f"POST /changes HTTP/1.1\r\n{known}{first}\r\n{second}\r\n\r\n".encode() + b"{}    ")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b" is there more than once\n")
    assert kept.read() == ([], 0)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /changes",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /changes HTTP/1.1\r\nno colon",
        b"POST /changes HTTP/1.1\r\nContent-Length: +2",
        b"POST /changes HTTP/1.1\r\nContent-Length: -1",
        b"POST /changes HTTP/1.1\r\nContent-Length: " + b"9" * 400,
        b"POST /changes HTTP/1.1\r\nContent-Length: \xd9\xa5",
        b"POST /\x1b[31m HTTP/1.1\r\nContent-Length: 2",
        b"POST http://elsewhere.example/changes HTTP/1.1\r\nContent-Length: 2",
        b"POST /" + b"a" * 70_000 + b" HTTP/1.1",
        b"POST /changes HTTP/1.1\r\n" + b"X: 1\r\n" * 300 + b"Y: 1",
    ],
)
def test_a_broken_request_is_refused_in_printable_text(config, receiver, send, kept, head):
    answer = exchange(config, head + f"\r\nAuthorization: Bearer {TOKEN}\r\n\r\n{{}}".encode())
    assert b" 202 " not in answer
    assert answer.decode("ascii").rpartition("\r\n")[2].strip().isprintable()
    assert kept.read() == ([], 0)
    assert send(CHANGE)[0] == 202, "it goes on receiving"


def exchange(config, sent):
    """Send bytes as they are; return the answer."""
    port = int(config().telemetry.listen_http.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return answer


def test_a_message_without_a_time_that_is_sent_again_is_the_same_one(send, kept, monkeypatch):
    report = {"service": "shop", "why": "flag on"}
    assert send(report) == (202, "1 kept\n")
    assert send(report) == (202, "0 kept, 1 known already\n")
    assert send(report, path="/changes?service=cart")[1] == "1 kept\n"
    monkeypatch.setattr(webhook, "AGAIN", timedelta(0))
    assert send(report) == (202, "1 kept\n"), "later it is another one"
    assert len(kept.read()[0]) == 3


def test_a_ping_is_no_change(send, kept):
    assert send({"zen": "x"}, X_GitHub_Event="ping") == (202, "nothing to keep in this message\n")
    assert kept.read() == ([], 0)


@pytest.mark.slow
def test_too_many_messages_are_refused_until_later(send, monkeypatch):
    monkeypatch.setattr(webhook, "RATE", 0.0)
    found = [send(CHANGE | {"id": str(number)})[0] for number in range(int(webhook.BURST) + 3)]
    assert found.count(202) == webhook.BURST
    assert found[-3:] == [429, 429, 429]


@pytest.mark.slow
def test_senders_that_never_finish_are_cut_off_and_others_are_answered(config, send, monkeypatch):
    monkeypatch.setattr(webhook, "CONNECTION_S", 0.5)
    port = int(config().telemetry.listen_http.rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(webhook.MOST_CONNECTIONS)]
    for connection in slow:
        connection.sendall(b"POST /changes HTTP/1.1\r\nA: ")
    statuses = []
    eventually(lambda: statuses.append(send(CHANGE)[0]) or statuses[-1] != 429)
    assert statuses[-1] == 202
    for connection in slow:
        connection.settimeout(60)
        try:
            connection.sendall(b"a")
            assert b"202" not in connection.recv(1000)
        except OSError:
            pass
        connection.close()


def test_senders_at_once_lose_nothing(config, send, kept):
    port = int(config().telemetry.listen_http.rpartition(":")[2])

    def work(mine):
        for number in range(5):
            assert send(CHANGE | {"id": f"{mine} {number}"}, port=port) == (202, "1 kept\n")

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.read()[0]) == 20


def test_changed_settings_are_followed(config, receiver, send, tmp_path):
    (tmp_path / "token").write_text("another-token-here")
    assert send(CHANGE)[0] == 202
    receiver.follow(config())
    assert send(CHANGE)[0] == 401
    assert send(CHANGE, "another-token-here")[0] == 202
    other = free_port()
    receiver.follow(config(other))
    assert send(CHANGE, "another-token-here", port=other)[0] == 202
    receiver.follow(load(_without(tmp_path)))
    assert receiver.describe() == ""
    with pytest.raises(ConnectionRefusedError):
        send(CHANGE, "another-token-here", port=other)


def _without(folder):
    (folder / "other.toml").write_text("[services.shop]\n")
    return folder / "other.toml"


def test_settings_that_cannot_be_followed_change_nothing(config, receiver, send):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UnavailableError, match="listen_http"):
            receiver.follow(config(other.getsockname()[1]))
    with pytest.raises(MissingError, match="webhook_token"):
        receiver.follow(config(token="env:PRATIQUE_TEST_NO_SUCH_TOKEN"))
    assert send(CHANGE, port=int(receiver.describe().rpartition("/changes")[0].rpartition(":")[2]))[0] == 202


def test_a_token_is_needed_and_never_stands_in_the_file(config, receiver):
    with pytest.raises(UsageError, match="webhook_token"):
        receiver.follow(config(token=""))
    with pytest.raises(ConfigError) as raised:
        config(token="hunter2")
    assert "hunter2" not in str(raised.value)
