"""The answers of a registry are untrusted: a listing returns valid tags or fails with a one-line error."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pratique.errors import UnavailableError
from pratique.release import image_registry as registry
from pratique.release.image_registry import list_tags


@contextmanager
def answering(status=200, body=b"{}", **headers):
    """A registry that gives this answer below /v2 and 200 elsewhere; `asked` has the headers of each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(dict(self.headers))
            self.send_response(status if self.path.startswith("/v2") else 200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value.replace("{port}", str(server.server_port)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.daemon_threads = [], True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _logged_in(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"tags": 5}',
        b'{"tags": true}',
        b"[" * 100_000,
        b"[]",
        b"5",
        b"",
        b"\xff",
        b'{"tags": ["r1"]' + b" " * (9 << 20),
    ],
)
@pytest.mark.slow
def test_an_answer_that_is_not_a_listing_is_an_error(body):
    with answering(body=body) as server, pytest.raises(UnavailableError, match="does not list shop"):
        list_tags(f"127.0.0.1:{server.server_port}", "shop")


@pytest.mark.slow
def test_only_valid_tags_are_listed():
    odd = ["r1", "\x1b[2Jr1", "r1\nrollback: forged", "", "-x", "x" * 129, 5, None, {"a": 1}]
    with answering(body=json.dumps({"tags": odd}).encode()) as server:
        assert list_tags(f"127.0.0.1:{server.server_port}", "shop") == ["r1"]


@pytest.mark.slow
def test_a_listing_without_end_is_an_error(monkeypatch):
    monkeypatch.setattr(registry, "MAX_PAGES", 5)
    with answering(body=b'{"tags": ["r1"]}', Link='</v2/shop/tags/list?last=r1>; rel="next"') as server:
        with pytest.raises(UnavailableError, match="more than 5 pages"):
            list_tags(f"127.0.0.1:{server.server_port}", "shop")
        assert len(server.asked) == 5


@pytest.mark.parametrize(
    "realm", ["http://localhost:x@127.0.0.2:{port}/token", "http://127.0.0.1.example:{port}/", "ftp://a"]
)
@pytest.mark.slow
def test_a_login_is_not_sent_to_another_host_in_the_clear(tmp_path, realm):
    with answering(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s"') as server:
        address = f"127.0.0.1:{server.server_port}"
        auths = {address: {"auth": base64.b64encode(b"ann:secret").decode()}}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        with pytest.raises(UnavailableError, match="in the clear"):
            list_tags(address, "shop")
        assert len(server.asked) == 1


@pytest.mark.slow
def test_a_token_answer_without_a_token_is_an_error():
    challenge = 'Bearer realm="http://127.0.0.1:{port}/token"'
    with (
        answering(401, WWW_Authenticate=challenge) as server,
        pytest.raises(UnavailableError, match="does not list shop"),
    ):
        list_tags(f"127.0.0.1:{server.server_port}", "shop")


@pytest.mark.slow
def test_a_missing_credential_helper_is_an_error(tmp_path):
    with answering() as server:
        address = f"127.0.0.1:{server.server_port}"
        (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {address: "no-such-helper"}}))
        with pytest.raises(UnavailableError, match="no-such-helper"):
            list_tags(address, "shop")
