"""Notifications to real receivers: e-mail, webhooks, ntfy and chats; failures, deaths, floods, and what must never leave."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from pratique.config.notify import NotifySettings
from pratique.notify import Event, notify, send_waiting
from pratique.notify import sender as sender_module
from pratique.notify.courier import deliver_due, outbox_of
from pratique.notify.sender import SendResult, send, start_sending
from pratique.notify.text import MAYBE_AGAIN
from pratique.outcomes import open_outcomes
from support.receivers import mail_receiver, web_receiver
from support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    # a plugin of apprise imports it; the sending process prints no warnings
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = '<script>alert(1)</script> <!channel> @everyone *b* [x](http://evil.example) `c` \r\nBcc: x@evil.example \x1b[2J ${HOME} %s "'
SECRET = "geheim4711"


@pytest.fixture
def web():
    with web_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail():
    with mail_receiver() as receiver:
        yield receiver


@pytest.fixture
def state(tmp_path):
    """A state folder whose processes have ended when the test has."""
    folder = tmp_path / "state"
    yield folder
    stop_couriers(folder)


def couriers(folder):
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-3:-1] == ["pratique.notify.courier", str(folder)]
    ]


def stop_couriers(folder):
    for pid in couriers(folder):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not couriers(folder))


def event(number=0, **changes):
    known = {
        "kind": "job.failed",
        "subject": "job@nightly",
        "key": str(number),
        "risk": "high",
        "what": f"job nightly failed with status {number}",
        "where": "web1",
        "since": NOON,
        "last_lines": ["one", "two"],
        "command": "pratique job nightly",
        "report": "/reports/nightly.html",
    }
    return Event(**(known | changes)).safe()


def hostile_event():
    text = f"{HOSTILE} password={SECRET} https://ann:{SECRET}@host/"
    return Event(text, text, text, "high", text, text, NOON, [text], text, text).safe()


def route(receiver, name="ops", **keys):
    return NotifySettings(to=receiver.url(), name=name, **keys)


def put(folder, *events, routes, now=NOON):
    for one in events:
        assert outbox_of(folder).put(one, routes, now)


PARTS = ("job nightly failed", "web1", "2026-11-20T12:00:00Z", "two", "pratique job nightly", "/reports/nightly.html")


def test_a_mail_says_it_all(mail):
    assert send(mail.url(), [event()]).ok
    (message,) = eventually(lambda: mail.came)
    assert message["Subject"] == "[high] job@nightly: job nightly failed with status 0"
    text = message.get_body(("plain", "html")).get_content()
    assert all(part in text for part in PARTS)


@pytest.mark.parametrize("scheme", ["json", "http", "form", "xml", "ntfy", "mmost"])
def test_every_kind_of_receiver_gets_it_all(web, scheme):
    path = "3ccdd113474722377935511fc85d3dd4" if scheme == "mmost" else "topic"
    assert send(web.url(scheme, path), [event()]).ok
    ((_, body),) = web.came
    # forms write a blank as +, Markdown a backslash before signs
    plain = body.replace("+", " ").replace("%3A", ":").replace("%2F", "/").replace("\\\\", "")
    assert all(part in plain for part in PARTS)


def test_a_chat_with_a_webhook_like_slacks_gets_its_text_escaped(web):
    assert send(f"{web.url()}?:message=text", [hostile_event()]).ok
    text = web.bodies()[0]["text"]
    assert "&lt;!channel&gt;" in text
    assert "<" not in text
    assert "@everyone" not in text


def test_the_query_of_a_plain_address_is_passed_on(web):
    assert send(f"{web.url('http')}?team=shop", [event()]).ok
    assert web.came[0][0] == "/x?team=shop"


@pytest.mark.parametrize("kind", ["json", "form", "xml", "ntfy", "mmost", "mail"])
def test_hostile_text_does_no_harm_and_no_secret_leaves(web, mail, kind):
    url = mail.url() if kind == "mail" else web.url(kind, "3ccdd113474722377935511fc85d3dd4")
    assert send(url, [hostile_event()]).ok
    if kind == "mail":
        (message,) = eventually(lambda: mail.came)
        assert message["Bcc"] is None
        assert "\n" not in message["Subject"]
        html = message.get_body(("html",))
        assert html is None or "<script>" not in html.get_content()
        came = message.as_string()
    else:
        came = web.came[0][1]
        assert not any("Bcc" in headers for headers in web.headers)
    assert SECRET not in came
    assert "\x1b" not in came
    if kind == "xml":
        assert "<script>" not in came
    if kind == "mmost":
        text = json.loads(came)["text"]
        assert "@everyone" not in text
        assert "](http" not in text


def test_an_answer_that_sends_elsewhere_is_not_followed(web):
    web.status = [302]
    result = send(web.url(), [event()])
    assert not result.ok
    assert [path for path, _ in web.came] == ["/x"]


@pytest.mark.parametrize(
    "query",
    ["attach=/etc/passwd", "redirect=yes", "template=/etc/hostname", "keyfile=x", "x=file:///etc/passwd", "y=~/x"],
)
def test_an_address_that_names_a_file_or_another_host_is_refused(web, query):
    result = send(f"{web.url()}?{query}", [event()])
    assert not result.ok
    assert "is not allowed: remove it" in result.reason
    assert web.came == []


def test_the_reason_of_a_failure_holds_no_secret(web, monkeypatch):
    monkeypatch.setenv("HOOK", f"json://ann:{SECRET}@127.0.0.1:{web.port}/{SECRET}x?+X-Key={SECRET}y")
    web.status = [500]
    result = send("env:HOOK", [event()])
    assert "500" in result.reason
    assert "geheim" not in result.reason
    monkeypatch.setenv("HOOK", f"slack://{SECRET}/{SECRET}")
    result = send("env:HOOK", [event()])
    assert not result.ok
    assert SECRET not in result.reason


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("env:NOT_SET_ANYWHERE", "not set in the environment"),
        ("file:/nowhere/hook", "cannot be read"),
        ("nosuch://host/x", "apprise does not know such an address"),
        ("just words", "is no URL on one line"),
        ("json://127.0.0.1:1/x", "Connection refused"),
    ],
)
def test_a_failure_says_why(to, said):
    result = send(to, [event()])
    assert not result.ok
    assert said in result.reason


def test_a_thousand_events_become_a_few_messages(state, web):
    routes = [route(web), route(web, "other")]
    put(state, event(0), routes=routes)
    with closing(sqlite3.connect(outbox_of(state).path)) as reader:
        # as long as somebody has the file open, closing it writes nothing back, which takes most of the time
        reader.execute("SELECT count(*) FROM events").fetchone()
        put(state, *(event(number) for number in range(1, 1000)), routes=routes)
    now = NOON
    while outbox_of(state).next_due(now) is not None:
        deliver_due(state, lambda: now)  # noqa: B023 - called at once
        now += timedelta(seconds=31)
    assert len(web.came) == 2
    assert "1000 notifications" in web.bodies(2)[0]["title"]
    recorded = open_outcomes(state).read("notification")
    assert [(one.outcome, one.details["events"]) for one in recorded] == [("ok", 1000)] * 2


def test_500_and_then_well_is_delivered_once(state, web):
    web.status = [500, 503]
    put(state, event(), routes=[route(web)])
    assert deliver_due(state, lambda: NOON) == 1
    assert deliver_due(state, lambda: NOON + timedelta(seconds=4)) == 0
    assert "503" not in outbox_of(state).states()[0].reason
    assert deliver_due(state, lambda: NOON + timedelta(seconds=5)) == 1
    assert "error=503" in outbox_of(state).states()[0].reason
    assert deliver_due(state, lambda: NOON + timedelta(seconds=20)) == 1
    assert deliver_due(state, lambda: NOON + timedelta(hours=30)) == 0
    assert len(web.came) == 3
    assert (outbox_of(state).states()[0].sent, outbox_of(state).states()[0].waiting) == (1, 0)
    assert MAYBE_AGAIN not in web.bodies()[2]["message"]


def test_a_receiver_that_hangs_holds_up_nobody(state, web):
    with web_receiver() as hanging:
        hanging.gate.clear()
        slow = NotifySettings(to=f"{hanging.url()}?rto=1", name="hanging")
        put(state, event(), routes=[route(web), slow])
        assert deliver_due(state, lambda: NOON) == 2
        assert len(web.came) == 1
        found = {one.settings.route: one for one in outbox_of(state).states()}
        assert (found["ops"].sent, found["hanging"].waiting) == (1, 1)
        assert "Read timed out" in found["hanging"].reason
        hanging.gate.set()
        assert deliver_due(state, lambda: NOON + timedelta(seconds=5)) == 1
        assert MAYBE_AGAIN in hanging.bodies(2)[1]["message"]


def test_a_process_that_does_not_end_is_killed(web, monkeypatch):
    monkeypatch.setattr(sender_module, "LIMIT_S", 0.5)
    web.gate.clear()
    sending = start_sending(web.url(), [event()])
    assert sending.result() == SendResult(False, "no end within 0 s", unknown=True)
    assert sending.process.poll() is not None


def test_the_process_that_sends_is_killed_between_send_and_mark(state, web):
    """The first process is killed while the receiver has the message and has not answered; the next one sends it again."""
    web.gate.clear()
    put(state, event(), routes=[route(web)], now=datetime.now(UTC))
    send_waiting(state)
    eventually(lambda: web.came)
    stop_couriers(state)
    web.gate.set()
    send_waiting(state)
    first, second = web.bodies(2)
    eventually(lambda: outbox_of(state).states()[0].sent == 1)
    assert MAYBE_AGAIN not in first["message"]
    assert MAYBE_AGAIN in second["message"]
    assert len(web.came) == 2


def test_telling_returns_at_once_and_one_process_sends_all(state, web):
    web.gate.clear()
    for number in range(30):
        notify([route(web, group_s=1)], state, event(number))
    assert len(couriers(state)) == 1
    assert len(web.came) <= 1
    web.gate.set()
    eventually(lambda: outbox_of(state).states()[0].waiting == 0)
    assert len(web.came) <= 3
    assert sum(1 if "status" in body["title"] else int(body["title"].split()[1]) for body in web.bodies()) == 30


def test_telling_never_raises(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    notify([NotifySettings(to="env:HOOK")], blocked, event())
    assert "job.failed reaches nobody" in capsys.readouterr().err
    notify([], blocked, event())
    send_waiting(blocked)


def test_a_wrong_event_does_not_raise_either(state, capsys):
    notify([NotifySettings(to="env:HOOK")], state, Event(None, None, None, None, None))
    assert capsys.readouterr().err.count("\n") <= 1


def run(folder, *words):
    command = [sys.executable, "-m", "pratique.cli", "notify", *words, "--config", str(folder / "pratique.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_tests_each_route_and_lists_them(tmp_path, web):
    web.status = [200]
    (tmp_path / "hook").write_text(f"json://127.0.0.1:1/{SECRET}\n")
    (tmp_path / "pratique.toml").write_text(
        f'[[notify]]\nname = "ops"\nto = "{web.url("http")}"\nevents = ["job.*"]\nleast = "high"\n'
        '[[notify]]\nto = "file:hook"\nquiet = "00:00-23:59"\n'
    )
    tested = run(tmp_path, "--test")
    assert tested.returncode == 1
    assert tested.stdout.splitlines()[0] == "ops: arrived"
    assert tested.stdout.splitlines()[1].startswith(f"file:{tmp_path}/hook: failed: ")
    assert SECRET not in tested.stdout + tested.stderr
    assert "this is a test" in web.bodies()[0]["message"]
    listed = run(tmp_path)
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0] == "ops: job.*, from high; nothing sent yet"
    assert "quiet 00:00-23:59 UTC" in listed.stdout
    assert [one["route"] for one in json.loads(run(tmp_path, "--json").stdout)] == ["ops", f"file:{tmp_path}/hook"]


def test_the_command_without_a_route_says_what_to_write(tmp_path):
    (tmp_path / "pratique.toml").write_text("")
    tested = run(tmp_path, "--test")
    assert tested.returncode == 64
    assert "no route: write a table [[notify]]" in tested.stderr
