"""A server that gives recorded answers, for servers that cannot run here, and keeps what it was asked."""

import json
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """A request: its path, its query, its headers, and its body."""

    path: str
    query: dict
    headers: dict
    body: bytes

    @property
    def form(self):
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Recorded:
    """The server. answers: by path, a status and a body, or a function from a request to them. asked: all requests."""

    version: str
    port: int = 0
    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def address(self, bucket="rollups"):
        return f"influxdb://127.0.0.1:{self.port}/none/{bucket}"

    def of(self, path):
        return [request for request in self.asked if request.path == path]


@contextmanager
def recorded_server(version):
    """A server that tells a version on /ping."""
    recorded = Recorded(version)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(b"")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(zlib.decompress(body, 31) if self.headers.get("Content-Encoding") == "gzip" else body)

        def _answer(self, body):
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            request = Asked(parts.path, query, dict(self.headers), body)
            recorded.asked.append(request)
            found = recorded.answers.get(
                parts.path, (204, "") if parts.path == "/ping" else (404, "404 page not found")
            )
            status, text = found(request) if callable(found) else found
            self.send_response(status)
            self.send_header("X-Influxdb-Version", recorded.version)
            if status != 204:
                self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            if status != 204:
                self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorded.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield recorded
        server.shutdown()
