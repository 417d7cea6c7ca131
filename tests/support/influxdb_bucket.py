"""A bucket with its own tokens, reached through a proxy: the store of a service whose database a test disturbs."""

import threading
from contextlib import contextmanager

from support.influxdb import server_running
from support.tcp_proxy import TcpProxy


class DisturbedBucket:
    """A server, a bucket of it, and the ways to disturb and mend them."""

    def __init__(self, server, proxy, folder):
        self.server, self.proxy, self.bucket, self._folder = server, proxy, server.new_bucket(), folder
        self._full, self._ending = False, threading.RLock()
        self.new_tokens()
        self.settings = (
            f'\n[store]\nurl = "{server.address(self.bucket, port=proxy.port)}"\n'
            'token_file = "write-token"\nread_token_file = "read-token"\ntimeout_s = 2\n'
        )

    def new_tokens(self):
        """Make tokens, and write them into the files that the settings name."""
        make = self.server.client.create_authorization
        self.tokens = {name: make(name, self.bucket, [name]) for name in ("write", "read")}
        for name, made in self.tokens.items():
            (self._folder / f"{name}-token").write_text(made.token)

    def delete_tokens(self):
        for made in self.tokens.values():
            self.server.client.delete_authorization(made)
        self.tokens = {}

    def revoke(self, *names):
        """Revoke tokens: "write", "read"."""
        for name in names:
            self.server.client.set_active(self.tokens[name], False)

    def kill(self):
        with self._ending:
            self.server.kill()

    def restart(self):
        with self._ending:
            self.server.kill()
            self.server.start()

    def fill_disk(self):
        """Let no file of the server grow."""
        self._full = True
        self.server.limit_files(1)

    def rename(self, name):
        """Give the bucket another name, so that the store's address is wrong."""
        client = self.server.client
        client._json("PATCH", f"/api/v2/buckets/{self.bucket.id}", {"name": name}, doing="set up")

    def mend(self):
        """Undo every disturbance."""
        self.proxy.pass_all()
        with self._ending:
            if not self.server.runs:
                self.server.start()
        self.server.go_on()
        self.server.limit_files(None)
        if self._full:
            # it writes no more after a full disk, until it is restarted
            self._full = False
            self.restart()
        if self.server.client.bucket(self.bucket.name) is None:
            self.rename(self.bucket.name)
        for made in self.tokens.values():
            self.server.client.set_active(made, True)


@contextmanager
def disturbed_bucket(folder):
    """A new server, which is gone afterwards. folder: where the files of the tokens are written."""
    with server_running() as server, TcpProxy(server.port) as proxy:
        yield DisturbedBucket(server, proxy, folder)
