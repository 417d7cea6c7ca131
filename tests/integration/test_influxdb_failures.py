"""InfluxDB away, slow, full, cut off or closed to us: one line each, nothing lost, nothing counted twice."""

import http.server
import subprocess
import threading
import time

import pytest

from contract.store_contract import by_key, content, rollups, row
from pratique.config import StoreSettings
from pratique.errors import DataError, DeniedError, StorageError, UnavailableError
from pratique.store import open_store
from pratique.store.influxdb import lines, marks
from support.influxdb import TOKEN, server_running
from support.ports import free_port
from support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.influxdb


@pytest.fixture
def proxy(influxd):
    with TcpProxy(influxd.port) as found:
        yield found


@pytest.fixture
def bucket(influxd):
    return influxd.new_bucket()


@pytest.fixture
def direct(influxd, bucket):
    return open_store(influxd.address(bucket))


@pytest.fixture
def store(influxd, bucket, proxy):
    """The same bucket through the proxy."""
    return open_store(influxd.settings(bucket, port=proxy.port, timeout_s=1))


def all_of(store):
    return (
        store.exists,
        lambda: store.read("shop", ["r1"]),
        store.revisions,
        lambda: store.write(rollups(row(1))),
    )


def test_a_server_that_is_away_is_unavailable_in_one_line(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "x")
    store = open_store(f"influxdb://127.0.0.1:{free_port()}/tests/bucket")
    for ask in all_of(store):
        with pytest.raises(UnavailableError, match=r"influxdb://127\.0\.0\.1.*does not answer: .*refused") as raised:
            ask()
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 300


def test_a_server_that_hangs_is_unavailable_within_the_time_limit(store, direct, proxy):
    direct.write(rollups(row(0)))
    proxy.delay_s = 30
    for ask in all_of(store):
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=r"in time \(store\.timeout_s\)"):
            ask()
        assert time.monotonic() - began < 25
    proxy.delay_s = 0
    store.write(rollups(row(1)))
    assert content(store) == by_key([row(0), row(1)])


def test_a_cut_answer_is_an_error(store, direct, proxy):
    rows = [row(window, action=f"GET /{number}") for window in range(20) for number in range(100)]
    direct.write(rollups(*rows))
    for cut in (0, 1, 100, 500, 2000, 20_000, 40_000):
        proxy.cut_after = cut
        with pytest.raises(UnavailableError, match=r"connection broke") as raised:
            open_store(store._settings).read("shop", ["r1"])
        assert "\n" not in str(raised.value), cut
    proxy.cut_after = None
    assert content(store) == by_key(rows)


def test_a_lost_acknowledgement_counts_nothing_twice(store, direct, proxy):
    direct.write(rollups(row(0)))
    proxy.lose_answers = True
    with pytest.raises(UnavailableError, match="connection broke"):
        store.write(rollups(row(0, n=5), row(1, n=6)))
    proxy.lose_answers = False
    store.write(rollups(row(0, n=5), row(1, n=6)))
    assert content(direct) == by_key([row(0, n=5), row(1, n=6)])


def test_an_idle_connection_that_was_closed_is_opened_again(store, proxy):
    store.write(rollups(row(0)))
    proxy.lose_answers = True
    time.sleep(0.05)
    proxy.lose_answers = False
    store.write(rollups(row(1)))
    assert content(store) == by_key([row(0), row(1)])


def test_a_restart_keeps_acknowledged_rows(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    with server_running() as server:
        store = open_store(server.settings(server.new_bucket(), timeout_s=2))
        store.write(rollups(*[row(window) for window in range(3)]))
        server.kill()
        with pytest.raises(UnavailableError):
            store.write(rollups(row(9)))
        server.start()
        assert content(store) == by_key([row(window) for window in range(3)])
        store.write(rollups(row(9)))
        assert len(content(store)) == 4


def test_a_writer_whose_clock_was_set_back_still_marks_what_it_writes(store, direct, proxy, monkeypatch):
    direct.write(rollups(row(0)))
    before = marks.now_ms()
    monkeypatch.setattr(marks, "now_ms", lambda: before - 3_600_000)
    done = []

    def lose_all_after_the_mark(piece):
        done.extend([piece] if piece.startswith(b"HTTP/1.1 204") else [])
        # a ping, and the mark that a write begins
        proxy.lose_answers = len(done) > 2

    proxy.before_answer = lose_all_after_the_mark
    with pytest.raises(UnavailableError):
        store.write(rollups(row(0, n=5), row(1, n=6)))
    with pytest.raises(UnavailableError, match="are not complete"):
        direct.read("shop", ["r1"])
    proxy.pass_all()
    store.write(rollups(row(0, n=5), row(1, n=6)))
    assert content(direct) == by_key([row(0, n=5), row(1, n=6)])


def test_a_server_killed_in_a_write_gives_all_of_it_once_it_is_repeated(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    monkeypatch.setattr(lines, "MAX_LINES", 500)
    batch = rollups(*[row(window, action=f"GET /{number}") for window in range(60) for number in range(50)])
    with server_running() as server:
        store = open_store(server.settings(server.new_bucket(), timeout_s=2))
        problems = []

        def write():
            try:
                store.write(batch)
            except UnavailableError as error:
                problems.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(0.05)
        server.kill()
        thread.join()
        server.start()
        store.write(batch)
        assert content(store) == by_key(batch.table.to_pylist())


class _Answers(http.server.BaseHTTPRequestHandler):
    """A server, or a proxy before it, that answers every request in the same way, but for its version."""

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body, headers = self.server.answer
        if self.path.startswith("/ping"):
            status, body, headers = 204, b"", {"X-Influxdb-Version": "v2.8.0", "X-Influxdb-Build": "OSS"}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def answers(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "x")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


CSV = b"result,table,_time,_value,action,code,host,revision,service,source\r\n"
POINT = b'_result,0,2026-03-01T23:59:30Z,"1 1.5 10 3 1",a,200,h,r1,shop,c\r\n'
LATE = CSV + POINT + b"\r\n,error,reference\r\n,runtime error: killed by the server,897\r\n"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            (503, b'{"code":"unavailable","message":"overloaded"}', {"Retry-After": "7"}),
            UnavailableError,
            "again in 7 s",
        ),
        ((500, b'{"message":"wal: no space left on device"}', {}), StorageError, "disk is full"),
        ((502, b"<html>\nBad gateway</html>", {}), UnavailableError, "502"),
        ((200, LATE, {}), UnavailableError, "killed by the server"),
        ((200, b"\r\n,error,reference\r\n,killed at once,897\r\n", {}), UnavailableError, "killed at once"),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), DataError, "302"),
        ((200, b"<html><body>\nHello</body></html>", {}), DataError, "not Pratique's"),
    ],
    ids=["busy", "full", "gateway", "late-error", "only-an-error", "redirect", "other-program"],
)
def test_each_answer_is_one_line_of_its_kind(answers, answer, kind, words):
    answers.answer = answer
    store = open_store(f"influxdb://127.0.0.1:{answers.server_port}/tests/bucket")
    with pytest.raises(kind, match=words) as raised:
        store.read("shop", ["r1"])
    assert "\n" not in str(raised.value)


@pytest.fixture
def certificates(tmp_path):
    """An own CA, and a certificate for 127.0.0.1."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_tls_is_verified_with_an_own_ca(certificates, monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    options = (f"--tls-cert={certificates / 'cert.pem'}", f"--tls-key={certificates / 'key.pem'}")
    with server_running(*options) as server:
        bucket = server.new_bucket()
        secure = server.address(bucket).replace("influxdb://", "influxdbs://")
        store = open_store(StoreSettings(url=secure, ca_file=str(certificates / "cert.pem")))
        store.write(rollups(row()))
        assert content(store) == by_key([row()])
        with pytest.raises(DeniedError, match=r"TLS fails: .*certificate.*store\.ca_file"):
            open_store(secure).read("shop", ["r1"])
        with pytest.raises(DeniedError, match=r"store\.ca_file"):
            open_store(StoreSettings(url=secure, ca_file="/nowhere.pem")).read("shop", ["r1"])
        with pytest.raises((UnavailableError, DataError)):
            open_store(server.address(bucket)).read("shop", ["r1"])
