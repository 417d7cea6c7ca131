"""Receivers of notifications on this machine: of HTTP, which answers as it is reported, and of e-mail."""

import json
import threading
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

from support.ports import free_port
from support.waiting import eventually


class WebReceiver:
    """The requests that came: a list of (path, body). status: of the next answers, in order; then 200. gate: no answer before it is set."""

    def __init__(self, port):
        self.port, self.came, self.headers, self.status, self.gate = port, [], [], [], threading.Event()
        self.gate.set()

    def url(self, scheme="json", path="x"):
        return f"{scheme}://127.0.0.1:{self.port}/{path}"

    def bodies(self, number=1):
        """The bodies as JSON, once that many came."""
        eventually(lambda: len(self.came) >= number)
        return [json.loads(body) for _, body in self.came]


@contextmanager
def web_receiver():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            receiver.headers.append(dict(self.headers))
            receiver.came.append((self.path, body))
            receiver.gate.wait(60)
            status = receiver.status.pop(0) if receiver.status else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
            self.end_headers()
            self.wfile.write(b"ok" if status < 300 else b"not well: token=geheim123")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = WebReceiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class MailReceiver:
    """The e-mail messages that came."""

    def __init__(self, port):
        self.port, self.came = port, []

    async def handle_DATA(self, server, session, envelope):
        self.came.append(message_from_bytes(envelope.content, policy=default))
        return "250 Message accepted for delivery"

    def url(self):
        return f"mailto://127.0.0.1:{self.port}/?from=pratique@shop.example&to=ops@shop.example&mode=insecure"


@contextmanager
def mail_receiver():
    receiver = MailReceiver(free_port())
    controller = Controller(receiver, hostname="127.0.0.1", port=receiver.port)
    controller.start()
    try:
        yield receiver
    finally:
        controller.stop()
