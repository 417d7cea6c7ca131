"""The collector with InfluxDB as its store: whatever happens to the server, nothing is lost and nothing counted twice."""

import subprocess
import sys
import time
from collections import Counter

import pytest

from pratique.config import load
from pratique.store import open_store
from support.collector_stack import Sender, Stack
from support.influxdb import server_running
from support.ports import free_port
from support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]


class InfluxStack(Stack):
    """A collector that writes into a bucket, through a proxy, by its own token."""

    def __init__(self, folder, server, proxy):
        super().__init__(folder, free_port())
        self.server, self.proxy, self.bucket = server, proxy, server.new_bucket()
        self.token = server.client.create_authorization("collector", self.bucket, ["write"])
        (folder / "token").write_text(self.token.token)
        self.write_settings(server.address(self.bucket, port=proxy.port))

    def write_settings(self, url):
        text = self.file.read_text().partition("[store]")[0]
        self.file.write_text(f'{text}\n[store]\nurl = "{url}"\ntoken_file = "token"\ntimeout_s = 1\n')
        self.config = load(self.file)

    def counts(self):
        found = Counter()
        store = open_store(self.server.settings(self.bucket))
        for row in store.read("shop", ["r1", "r2"]).table.to_pylist():
            found[row["revision"]] += row["n"]
        return found

    def wait_until_stored(self, **counts):
        deadline = time.monotonic() + 40
        while (found := self.counts()) != counts:
            assert time.monotonic() < deadline, (found, counts, self.until(lambda _: True))
            time.sleep(0.2)


@pytest.fixture
def server(influxd):
    return influxd


@pytest.fixture
def own_server(monkeypatch):
    """A server that a test may kill."""
    monkeypatch.setenv("INFLUX_TOKEN", "all-access-token-of-the-tests")
    with server_running() as found:
        yield found


@pytest.fixture
def make_stack(tmp_path):
    made = []

    def start(server):
        proxy = TcpProxy(server.port)
        proxy.__enter__()
        stack = InfluxStack(tmp_path, server, proxy)
        made.append((stack, proxy))
        return stack

    yield start
    for stack, proxy in made:
        if stack.process is not None and stack.process.poll() is None:
            stack.kill()
        proxy.__exit__()


@pytest.fixture
def stack(make_stack, server):
    return make_stack(server)


@pytest.fixture
def send(request):
    senders = []

    def lines(stack, count, **options):
        if not senders:
            senders.append(Sender(stack.port))
        senders[0].send(count, **options)

    yield lines
    for sender in senders:
        sender.close()


def break_off(stack):
    stack.proxy.refuse = stack.proxy.lose_answers = True


def slow_down(stack):
    stack.proxy.delay_s = 3.0


def lose_acknowledgements(stack):
    stack.proxy.lose_answers = True


def revoke(stack):
    stack.server.client.set_active(stack.token, False)


def delete_bucket(stack):
    stack.server.client.delete_bucket(stack.bucket)


def mend(stack):
    stack.proxy.refuse = stack.proxy.lose_answers = False
    stack.proxy.delay_s = 0.0
    stack.server.client.set_active(stack.token, True)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (break_off, "connection broke"),
        (slow_down, "does not answer in time"),
        (lose_acknowledgements, "connection broke"),
        (revoke, "token"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_loses_and_doubles_nothing(stack, send, fault, words):
    stack.start()
    send(stack, 40)
    stack.wait_until_stored(r1=40)
    fault(stack)
    send(stack, 30)
    send(stack, 20, revision="r2")
    status = stack.until(lambda status: status.error is not None and status.unstored_ms is not None)
    assert words in status.error
    assert "\n" not in status.error
    assert stack.token.token not in status.error
    (note,) = [note for note in status.notes() if "cannot write" in note]
    assert "and keeps " in note
    assert " since 20" in note
    mend(stack)
    stack.wait_until_stored(r1=70, r2=20)
    stack.until(lambda status: status.error is None and status.unstored_ms is None)
    stack.stop()
    assert stack.counts() == {"r1": 70, "r2": 20}


def test_a_collector_that_is_killed_while_the_server_is_away_loses_nothing(make_stack, own_server, send):
    stack = make_stack(own_server)
    stack.start()
    send(stack, 25)
    stack.wait_until_stored(r1=25)
    own_server.kill()
    send(stack, 35)
    stack.until(lambda status: status.error is not None)
    stack.kill()
    stack.start()
    send(stack, 10)
    stack.until(lambda status: status.error is not None and status.unstored_ms is not None)
    own_server.start()
    stack.wait_until_stored(r1=70)


def test_a_full_disk_of_the_server_loses_nothing(make_stack, own_server, send):
    stack = make_stack(own_server)
    stack.start()
    send(stack, 25)
    stack.wait_until_stored(r1=25)
    own_server.limit_files(1)
    send(stack, 35)
    status = stack.until(lambda status: status.error is not None)
    assert "cannot be written" in status.error
    own_server.limit_files(None)
    stack.wait_until_stored(r1=60)


def test_a_collector_killed_after_an_acknowledgement_counts_nothing_twice(stack, send):
    for number in range(1, 4):
        stack.start()
        send(stack, 20)
        stack.wait_until_stored(r1=20 * number)
        stack.kill()
    stack.start()
    stack.stop()
    assert stack.counts() == {"r1": 60}


def test_a_bucket_that_is_missing_is_named(stack, send):
    url = stack.config.store.url
    stack.write_settings(url.replace(stack.bucket.name, "missing"))
    stack.start()
    send(stack, 15)
    status = stack.until(lambda status: status.error is not None)
    assert "missing" in status.error or "token may not" in status.error
    stack.stop()
    checked = subprocess.run(
        [sys.executable, "-m", "pratique.cli", "check", "--config", str(stack.file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "missing" in checked.stdout + checked.stderr
    assert "Traceback" not in checked.stdout + checked.stderr
