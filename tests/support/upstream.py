"""A server behind a balancer, in a thread of the test: it records requests, and the path selects its behaviour.

/…                 200 with its name            /slow/MS     the same after that time
/status/CODE       that status                  /big/N       N bytes in chunks
/die               closes without an answer     /cut/N       promises N bytes, sends half, closes
/garbage           no HTTP at all               /hang        never answers
/echo              the body of the request      /until-close an answer that ends with the connection
/failing/N         500 with N bytes in chunks
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

PROBED = "/healthz"
"""The path of health checks; they are not recorded."""


def target_of(line):
    return line.split(" ")[1] if line.count(" ") == 2 else ""


@dataclass
class Received:
    """A request as it was received."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    connection: int = 0

    def header(self, name):
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Upstream:
    """One server."""

    name: str
    port: int = 0
    received: list[Received] = field(default_factory=list)
    closed_early: int = 0
    unanswered: int = 0
    """Requests that were received and have no answer yet."""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._tasks, self._writers = set(), set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _close(self):
        self._server.close()
        # a connection that was just accepted gets its task only now
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(others, timeout=1)
        # one that still has something to send to a client that is gone would never close
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed_early += 1
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()

    async def _one(self, reader, writer):
        line = (await reader.readline()).decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        headers = []
        while (header := (await reader.readline()).decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = header.partition(":")
            headers.append((name, value.strip()))
        request = Received(line, headers, connection=id(writer))
        counted = target_of(line) != PROBED
        if counted:
            self.received.append(request)
        self.unanswered += counted
        try:
            request.body = await self._body(request, reader)
            return await self._answer(request, reader, writer)
        finally:
            self.unanswered -= counted

    async def _body(self, request, reader):
        if request.header("transfer-encoding") == ["chunked"]:
            body = b""
            while size := int(await reader.readuntil(b"\n"), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
            return body
        return await reader.readexactly(int((request.header("content-length") or ["0"])[0]))

    async def _answer(self, request, reader, writer):
        _, target, _ = request.line.split(" ", 2)
        kind, _, argument = target.partition("?")[0].strip("/").partition("/")
        status, content, more = 200, self.name.encode(), ""
        if kind == "slow":
            await asyncio.sleep(int(argument) / 1000)
        elif kind == "status":
            status, content = int(argument), b"" if argument in {"204", "304"} else content
        elif kind == "echo":
            content = request.body
        elif kind == "hang":
            await reader.read()
            raise ConnectionResetError
        elif kind == "die":
            return False
        elif kind == "garbage":
            writer.write(b"\x00\x01 what is this\r\n\r\n")
            return False
        elif kind == "cut":
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Length: {argument}\r\n\r\n".encode() + b"x" * (int(argument) // 2)
            )
            await writer.drain()
            return False
        elif kind == "until-close":
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + content)
            return False
        elif kind in {"big", "failing"}:
            await self._big(int(argument), writer, 200 if kind == "big" else 500)
            return True
        elif kind == "cookies":
            more = "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Mine: 1\r\nConnection: x-mine\r\n"
        writer.write(f"HTTP/1.1 {status} Fine\r\nContent-Length: {len(content)}\r\n{more}\r\n".encode())
        if not request.line.startswith("HEAD "):
            writer.write(content)
        await writer.drain()
        return True

    async def _big(self, size, writer, status):
        writer.write(f"HTTP/1.1 {status} Fine\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        while size:
            chunk = min(size, 1 << 16)
            writer.write(f"{chunk:x}\r\n".encode() + b"x" * chunk + b"\r\n")
            await writer.drain()
            size -= chunk
        writer.write(b"0\r\n\r\n")
        await writer.drain()
