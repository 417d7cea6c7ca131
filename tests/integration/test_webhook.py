"""Changes from webhooks, with a real collector: its answers, its loop beside them, and a service file that changes."""

import hashlib
import hmac
import http.client
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from pratique.config import load
from pratique.incident.changes import all_changes
from pratique.telemetry.collector_status import collector_status
from support.collector_stack import Sender, Stack
from support.ports import free_port
from support.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]
TOKEN = "0123456789abcdef"
DEPLOYMENT = {
    "deployment": {"id": 42, "sha": "a10867b14bb7", "ref": "main", "environment": "production"},
    "deployment_status": {"state": "success", "created_at": "2026-11-20T12:05:00Z", "creator": {"login": "bot"}},
    "repository": {"name": "shop", "full_name": "acme/shop"},
}


def send(port, body, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/changes", body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def plain(number):
    found = {"time": "2026-11-20T12:00:00Z", "service": "*", "why": f"flag {number}", "id": str(number)}
    return json.dumps(found).encode()


def pratique(stack, *arguments):
    command = [sys.executable, "-m", "pratique.cli", *arguments, "--config", stack.file]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def stack(tmp_path):
    found = Stack(tmp_path, free_port())
    (tmp_path / "token").write_text(TOKEN)
    found.http = free_port()
    set_address(found, found.http)
    found.start()
    yield found
    if found.process.poll() is None:
        found.stop()


def set_address(stack, port):
    stack.file.write_text(
        f'[telemetry]\nwindow_s = 1\nlisten = "127.0.0.1:{stack.port}"\nlisten_http = "127.0.0.1:{port}"\n'
        'webhook_token = "file:token"\n[services.shop]\n[services.till]\n'
    )


def test_changes_are_kept_shown_and_followed_when_the_service_file_changes(stack):
    assert send(stack.http, plain(1), Authorization=f"Bearer {TOKEN}") == (202, "1 kept\n")
    assert send(stack.http, plain(1), Authorization=f"Bearer {TOKEN}") == (202, "0 kept, 1 known already\n")
    body = json.dumps(DEPLOYMENT).encode()
    signed = f"sha256={hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()}"
    github = {"X_GitHub_Event": "deployment_status", "X_Hub_Signature_256": signed}
    assert send(stack.http, body, **github) == (202, "1 kept\n")
    assert send(stack.http, body + b" ", **github)[0] == 401
    found = all_changes(load(stack.file), None, None)
    assert [(one.service, one.kind, one.why) for one in found] == [
        ("shop", "change", "flag 1"),
        ("till", "change", "flag 1"),
        ("shop", "deployment", "deploy main to production success"),
    ]
    stack.until(lambda status: status.webhook.startswith("2 changes received"))
    assert f"2 changes received at http://127.0.0.1:{stack.http}/changes" in pratique(stack, "status", "shop").stdout
    assert "flag 1" in pratique(stack, "change", "list").stdout
    checked = pratique(stack, "check").stdout
    assert f"127.0.0.1:{stack.http} is in use by the collector" in checked
    assert "file:token holds a token" in checked

    other = free_port()
    set_address(stack, other)
    assert "telemetry.listen_http" in pratique(stack, "check").stdout
    stack.process.send_signal(signal.SIGHUP)
    stack.until(lambda status: status.settings["telemetry"].get("listen_http") == f"127.0.0.1:{other}")
    assert send(other, plain(2), Authorization=f"Bearer {TOKEN}") == (202, "1 kept\n")
    with pytest.raises(OSError, match="refused"):
        send(stack.http, plain(3), Authorization=f"Bearer {TOKEN}")

    (stack.folder / "token").unlink()
    stack.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert send(other, plain(4), Authorization=f"Bearer {TOKEN}") == (202, "1 kept\n")
    stack.kill()
    assert len(all_changes(load(stack.file), None, None)) == 7


def test_a_flood_of_webhooks_loses_no_access_line(stack):
    stop, answers = threading.Event(), []

    def flood():
        while not stop.is_set():
            for token in (TOKEN, "wrong"):
                answers.append(send(stack.http, plain(len(answers)), Authorization=f"Bearer {token}")[0])

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    sender, sent = Sender(stack.port), 0
    # the buffer of the collector's socket takes them all, however busy the machine is
    while sent < 2000:
        sender.send(10)
        sent += 10
        time.sleep(0.02)
    eventually(lambda: {202, 401} <= set(answers))
    stop.set()
    for thread in threads:
        thread.join()
    sender.close()
    assert {202, 401} <= set(answers) <= {202, 401, 429}
    status = stack.until(lambda status: status.received == sent)
    assert (status.kernel_dropped, status.lost_on_way, status.malformed) == (0, 0, 0)
    stack.stop()
    assert stack.counts() == {("r1", 200): sent}
    assert collector_status(stack.config.state_dir).ended


def test_a_second_collector_is_refused_as_such(stack):
    second = pratique(stack, "collect")
    assert second.returncode == 75
    assert "in use by" in second.stderr
    assert send(stack.http, plain(1), Authorization=f"Bearer {TOKEN}")[0] == 202
