"""A token server for a registry, as hosted registries have it: Distribution's token authentication."""

import base64
import contextlib
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAME = "tokens of the test"


def _encoded(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")


class TokenServer(ThreadingHTTPServer):
    """Grants the user ann every scope, if her password is right, and others nothing. `asked` records each scope."""

    def __init__(self, folder):
        self.key, self.certificate, self.asked = folder / "key.pem", folder / "certificate.pem", []
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens"]
        subprocess.run([*words, "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def realm(self):
        return f"http://127.0.0.1:{self.server_address[1]}/token"

    def settings(self, realm=""):
        """The `auth` section of the registry's configuration."""
        words = {"realm": realm or self.realm, "service": "registry", "issuer": NAME}
        return "auth: " + json.dumps({"token": words | {"rootcertbundle": str(self.certificate)}}) + "\n"

    def token(self, user, scope):
        kind, name, actions = scope.split(":")
        granted = [{"type": kind, "name": name, "actions": actions.split(",")}] if user == "ann" else []
        now = int(time.time())
        claims = {
            "iss": NAME,
            "sub": user,
            "aud": "registry",
            "nbf": now - 60,
            "exp": now + 300,
            "iat": now,
            "jti": "1",
        }
        body = self.certificate.read_text().replace("\n", "").split("-----")[2]
        head = {"typ": "JWT", "alg": "RS256", "x5c": [body]}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (head, claims | {"access": granted}))
        words = ["openssl", "dgst", "-sha256", "-sign", self.key]
        signature = subprocess.run(words, input=signed, check=True, capture_output=True).stdout
        return b".".join((signed, _encoded(signature))).decode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        login = base64.b64decode(self.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode()
        if login not in ("", "ann:secret"):
            self.send_error(401)
            return
        [scope] = parse_qs(urlsplit(self.path).query)["scope"]
        self.server.asked.append(scope)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"token": self.server.token(login.partition(":")[0], scope)}).encode())

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def token_server(folder):
    """A running token server; it is stopped at the end."""
    with TokenServer(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
