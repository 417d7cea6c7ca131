"""A bucket with its own tokens, reached through a proxy: the store of a service whose database a test disturbs."""

from contextlib import contextmanager

from support.influxdb import server_running
from support.tcp_proxy import TcpProxy


class DisturbedBucket:
    """A server, a bucket of it, and the ways to disturb and mend them."""

    def __init__(self, server, proxy, folder):
        self.server, self.proxy, self.bucket = server, proxy, server.new_bucket()
        make = server.client.create_authorization
        self.tokens = {name: make(name, self.bucket, [name]) for name in ("write", "read")}
        for name, made in self.tokens.items():
            (folder / f"{name}-token").write_text(made.token)
        self.settings = (
            f'\n[store]\nurl = "{server.address(self.bucket, port=proxy.port)}"\n'
            'token_file = "write-token"\nread_token_file = "read-token"\ntimeout_s = 2\n'
        )

    def revoke(self, *names):
        """Revoke tokens: "write", "read"."""
        for name in names:
            self.server.client.set_active(self.tokens[name], False)

    def restart(self):
        self.server.kill()
        self.server.start()

    def mend(self):
        """Undo every disturbance."""
        if not self.server.runs:
            self.server.start()
        self.server.go_on()
        self.server.limit_files(None)
        self.proxy.cut_after, self.proxy.delay_s = None, 0.0
        self.proxy.lose_answers = self.proxy.refuse = False
        for made in self.tokens.values():
            self.server.client.set_active(made, True)


@contextmanager
def disturbed_bucket(folder):
    """A new server, which is gone afterwards. folder: where the files of the tokens are written."""
    with server_running() as server, TcpProxy(server.port) as proxy:
        yield DisturbedBucket(server, proxy, folder)
