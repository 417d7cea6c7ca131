"""A TCP proxy in front of a server, which cuts its answers, slows them down, or loses them."""

import asyncio
import contextlib
import threading

from support.ports import free_port


class TcpProxy:
    """Forward connections to a port of 127.0.0.1. The faults below hold for connections and bytes from now on.

    cut_after: bytes of answers that pass on each connection before it is closed; None for all.
    delay_s: delay of each piece of an answer. lose_answers: requests arrive, and the connection is closed instead of an answer.
    refuse: connections are closed at once. change_answers: what an answer's piece is replaced with.
    before_request, before_answer: called with each piece before it passes on, in a thread.
    """

    def __init__(self, target):
        self.target, self.port = target, free_port()
        self.cut_after, self.delay_s, self.lose_answers, self.refuse = None, 0.0, False, False
        self.change_answers = self.before_request = self.before_answer = None
        self.requests = 0
        self._connections = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def pass_all(self):
        """Be no more than a proxy from now on."""
        self.cut_after, self.delay_s, self.lose_answers, self.refuse = None, 0.0, False, False
        self.change_answers = self.before_request = self.before_answer = None

    def __enter__(self):
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", self.port), self._loop
        )
        self._server = started.result(10)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self):
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        writers = [writer]
        # asyncio itself keeps no reference to a connection that waits
        self._connections.add(asyncio.current_task())
        try:
            if not self.refuse:
                there = await asyncio.open_connection("127.0.0.1", self.target)
                writers.append(there[1])
                await asyncio.gather(self._requests(reader, there[1]), self._answers(there[0], writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(asyncio.current_task())
            for each in writers:
                each.transport.abort()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await each.wait_closed()

    async def _requests(self, reader, writer):
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                self.requests += piece.startswith((b"POST", b"GET"))
                if self.before_request is not None:
                    await asyncio.to_thread(self.before_request, piece)
                writer.write(piece)
                await writer.drain()
            writer.write_eof()

    async def _answers(self, reader, writer):
        passed = 0
        while piece := await reader.read(1 << 16):
            await asyncio.sleep(self.delay_s)
            if self.before_answer is not None:
                await asyncio.to_thread(self.before_answer, piece)
            if self.change_answers is not None:
                piece = self.change_answers(piece)
            if self.lose_answers:
                break
            if self.cut_after is not None:
                piece = piece[: max(self.cut_after - passed, 0)]
            passed += len(piece)
            writer.write(piece)
            await writer.drain()
            if self.cut_after is not None and passed >= self.cut_after:
                break
        # the bytes before still arrive
        with contextlib.suppress(OSError):
            writer.write_eof()
            await writer.drain()
        raise ConnectionResetError
