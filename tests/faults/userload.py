"""Users at a steady rate, independent of the answers: one line of JSON per request, written when it has ended.

    python tests/faults/userload.py URL RATE FILE

A request has failed when it was answered with 5xx, or not at all within 10 s. The shop begins each answer with the
name of its revision.
"""

import asyncio
import json
import re
import signal
import sys
import time
from pathlib import Path

import aiohttp


async def one(session, url, file):
    """Send one request, and write when, how it ended, and which revision answered."""
    began, status, revision = time.time(), 0, ""
    try:
        async with session.get(url) as answer:
            text = await answer.text()
            status, revision = answer.status, text.partition(" ")[0][:100] if answer.status == 200 else ""
            why = " ".join(re.sub("<[^>]*>", " ", text).split())[:100]
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = type(error).__name__
    line = {"began": began, "ended": time.time(), "status": status, "revision": revision}
    file.write(json.dumps(line | ({} if status == 200 else {"why": why})) + "\n")
    file.flush()


async def load(url, rate, file):
    """Send requests until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        began, sent, waiting = time.monotonic(), 0, set()
        while not stop.is_set():
            while sent < (time.monotonic() - began) * rate:
                task = asyncio.create_task(one(session, f"{url}/product/{sent % 5000}", file))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                sent += 1
            await asyncio.sleep(0.005)
        if waiting:
            await asyncio.wait(waiting, timeout=11)


if __name__ == "__main__":
    with Path(sys.argv[3]).open("a", encoding="utf-8") as log:
        asyncio.run(load(sys.argv[1], float(sys.argv[2]), log))
