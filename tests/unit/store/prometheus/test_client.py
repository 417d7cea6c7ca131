"""The HTTP API: the questions, and the meaning of each answer."""

import contextlib
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import PrometheusSettings
from pratique.errors import DataError, DeniedError, MissingError, UnavailableError, UsageError
from pratique.store.prometheus.client import PrometheusClient, quoted, selector


class Answers(ThreadingHTTPServer):
    """Answers each question with what `answer(form)` returns: (status, body). `asked` has the forms and headers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked, self.answer = [], lambda form: (200, matrix())


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.asked.append((self.path, {key: values[0] for key, values in form.items()}, self.headers))
        status, body = self.server.answer(self.server.asked[-1][1])
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("location", "http://elsewhere/")
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Answers() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def client(server, path="", **settings):
    return PrometheusClient(f"prometheus://127.0.0.1:{server.server_address[1]}{path}", PrometheusSettings(**settings))


def matrix(*series, **more):
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more}


def series(*samples, **labels):
    return {"metric": labels, "values": [[at, str(value)] for at, value in samples]}


@pytest.mark.slow
def test_parts_are_joined_and_no_sample_is_taken_twice(server):
    def answer(form):
        end = float(form["time"])
        return 200, matrix(series((end - 21600, 1), (end, 2), code="200"))

    server.answer = answer
    (found,) = client(server).samples("{}", 0, 43200)
    assert found.values == [[21600.0, "2"], [43200.0, "2"]]
    assert [form["query"] for _, form, _ in server.asked] == ["{}[21600s]", "{}[21600s]"]


@pytest.mark.slow
def test_a_server_that_refuses_so_many_samples_is_asked_for_less(server):
    def answer(form):
        seconds = int(form["query"].removeprefix("{}[").removesuffix("s]"))
        if seconds > 1500:
            return 422, {"status": "error", "error": "query processing would load too many samples into memory"}
        return 200, matrix(series((float(form["time"]), 1)))

    server.answer = answer
    (found,) = client(server).samples("{}", 0, 6000)
    assert [sample[0] for sample in found.values] == [1500.0, 3000.0, 4500.0, 6000.0]


@pytest.mark.slow
def test_a_server_that_refuses_even_a_minute_is_an_error(server):
    server.answer = lambda form: (422, {"status": "error", "error": "too many samples"})
    with pytest.raises(DataError, match=r"narrow \[store.metrics\] match"):
        client(server).samples("{}", 0, 6000)


@pytest.mark.slow
def test_a_server_that_is_too_slow_even_for_a_minute_may_be_asked_again_later(server):
    server.answer = lambda form: (503, {"status": "error", "error": "query timed out in expression evaluation"})
    with pytest.raises(UnavailableError, match="timed out"):
        client(server).samples("{}", 0, 6000)
    assert len(server.asked) > 1


@pytest.mark.slow
def test_a_server_that_hangs_is_asked_once(server):
    over = threading.Event()

    def answer(form):
        over.wait(20)
        return 200, matrix()

    server.answer = answer
    try:
        with pytest.raises(UnavailableError, match="did not answer within 1 s"):
            client(server, timeout_s=1).samples("{}", 0, 60_000)
    finally:
        over.set()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, b"no", DeniedError, "set [store.prometheus] bearer_token, password or headers"),
        (404, b"404 page not found", MissingError, "check the path of the address"),
        (302, b"", UnavailableError, "redirects to 'http://elsewhere/': set that address"),
        (400, {"status": "error", "error": "parse error"}, DataError, "refused a query (400): parse error"),
        (503, {"status": "error", "error": "starting up"}, UnavailableError, "starting up"),
        (200, b'{"status":"success","data":{"resultType":"matrix","result":[{"met', DataError, "its answer was cut"),
        (200, matrix(warnings=["store gateway away"]), UnavailableError, "may lack counts: store gateway away"),
        (200, {**matrix(), "isPartial": True}, UnavailableError, "may lack counts"),
        (200, b"<html>", DataError, "does not answer like Prometheus"),
    ],
)
@pytest.mark.slow
def test_every_other_answer_is_one_line_and_never_no_samples(server, status, body, kind, words):
    server.answer = lambda form: (status, body)
    with pytest.raises(kind) as error:
        client(server).samples("{}", 0, 60)
    assert words in str(error.value)


def test_a_server_that_is_away_is_one_line():
    with pytest.raises(UnavailableError, match="does not answer"):
        PrometheusClient("prometheus://127.0.0.1:9", PrometheusSettings()).samples("{}", 0, 60)


@pytest.mark.slow
def test_the_path_of_a_tenant_and_secrets_by_reference(server, monkeypatch, tmp_path):
    monkeypatch.setenv("TENANT", "team-a")
    (tmp_path / "token").write_text("s3cret\n")
    settings = {"headers": {"X-Scope-OrgID": "env:TENANT"}, "bearer_token": f"file:{tmp_path}/token"}
    client(server, "/prometheus/", **settings).samples("{}", 0, 60)
    path, _, headers = server.asked[0]
    assert (path, headers["X-Scope-OrgID"], headers["Authorization"]) == (
        "/prometheus/api/v1/query",
        "team-a",
        "Bearer s3cret",
    )


@pytest.mark.slow
def test_basic_authentication(server, monkeypatch):
    monkeypatch.setenv("PASSWORD", "p")
    client(server, username="u", password="env:PASSWORD").samples("{}", 0, 60)
    assert server.asked[0][2]["Authorization"] == "Basic dTpw"


@pytest.mark.slow
def test_a_secret_that_was_replaced_is_used_from_then_on(server, monkeypatch, tmp_path):
    token = tmp_path / "token"
    one = client(server, bearer_token=f"file:{token}", headers={"X-Scope-OrgID": "env:TENANT"})
    for secret in ("old", "new"):
        token.write_text(secret)
        monkeypatch.setenv("TENANT", f"team-{secret}")
        one.samples("{}", 0, 60)
        headers = server.asked[-1][2]
        assert (headers["Authorization"], headers["X-Scope-OrgID"]) == (f"Bearer {secret}", f"team-{secret}")


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"bearer_token": "env:SECRET"}, "Bearer p"),
        ({"headers": {"authorization": "Token s"}}, "Token s"),
        ({"username": "u", "password": "env:SECRET"}, "Basic dTpw"),
        ({}, "Basic YW5uOm5ldHJj"),
    ],
)
@pytest.mark.slow
def test_what_the_settings_say_goes_before_netrc(server, monkeypatch, tmp_path, settings, sent):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SECRET", "p")
    client(server, **settings).samples("{}", 0, 60)
    assert server.asked[0][2]["Authorization"] == sent


@pytest.mark.slow
def test_the_certificates_of_the_settings_go_before_those_of_the_environment(tmp_path, monkeypatch):
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    for name in ("right", "other"):
        files = ["-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "right.pem", tmp_path / "right.key")
    with Answers() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"prometheus+https://127.0.0.1:{server.server_address[1]}"
        assert PrometheusClient(url, PrometheusSettings(ca_file=str(tmp_path / "right.pem"))).samples("{}", 0, 60) == []
        with pytest.raises(UnavailableError, match="certificate is not trusted"):
            PrometheusClient(url, PrometheusSettings()).samples("{}", 0, 60)
        server.shutdown()


@pytest.mark.parametrize("content", ["s3cret\nmore", "s3cr\u00e9t", "s3cret\tmore"])
@pytest.mark.parametrize("setting", ["bearer_token", "headers"])
@pytest.mark.slow
def test_a_secret_that_no_header_can_hold_is_refused_and_not_shown(server, tmp_path, content, setting):
    (tmp_path / "token").write_text(content)
    value = f"file:{tmp_path}/token"
    with pytest.raises(DeniedError, match=r"'file:.*' is something other than plain text on one line") as error:
        client(server, **{setting: {"X-Key": value} if setting == "headers" else value}).samples("{}", 0, 60)
    assert "s3c" not in str(error.value)


@pytest.mark.slow
def test_a_secret_that_is_not_there_is_named_by_its_reference(server):
    with pytest.raises(MissingError, match="env:NOT_SET"):
        client(server, bearer_token="env:NOT_SET").samples("{}", 0, 60)


@pytest.mark.parametrize("url", ["prometheus://", "prometheus://host:9090/?x=1", "prometheus:///path"])
def test_a_wrong_address_is_refused(url):
    with pytest.raises(UsageError, match="write it like prometheus://HOST:9090"):
        PrometheusClient(url, PrometheusSettings())


def test_an_address_with_a_password_is_refused_and_not_shown():
    with pytest.raises(UsageError, match=r"by reference in \[store.prometheus\]") as error:
        PrometheusClient("prometheus://ann:hidden@host:9090", PrometheusSettings())
    assert "hidden" not in str(error.value)


def test_names_and_values_are_quoted():
    assert selector("a|b", {"x": 'q"\\'}, {"v": ["r.1", "r2"]}) == ('{__name__=~"a|b",x="q\\"\\\\",v=~"r\\\\.1|r2"}')


@given(st.text())
def test_no_text_ends_its_string(text):
    inside = quoted(text)[1:-1]
    assert not inside.replace("\\\\", "").replace('\\"', "").count('"')
    assert "\n" not in inside
