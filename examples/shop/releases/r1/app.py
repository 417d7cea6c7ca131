"""The shop: one file, no dependency. What it does differently stands in release.json beside it.

    python app.py PORT

GET /, GET /product/{id}, GET /search, POST /cart, POST /checkout, and GET /healthz for readiness.

Two environment variables let it fail while it runs. FAULTS: a folder; while it has a file named after the port, the requests of that
instance that the file names fail, "POST /checkout 0.6": method, path and share. PAYMENTS: an address, HOST:PORT, which a checkout
needs an answer from.
"""

import asyncio
import json
import os
import random
import re
import signal
import sys
from pathlib import Path

RELEASE = json.loads((Path(__file__).parent / "release.json").read_text())
ROUTES = [(re.compile(route["path"]), route) for route in RELEASE["routes"]]
REASONS = {200: "OK", 404: "Not Found", 500: "Internal Server Error"}


async def answer(method, path):
    """The status and body of a request, after the time that it takes."""
    if path == "/healthz":
        return 200, RELEASE["name"]
    for pattern, route in ROUTES:
        if method == route["method"] and pattern.fullmatch(path.partition("?")[0]):
            await asyncio.sleep(random.lognormvariate(0.0, 0.4) * route["median_ms"] / 1000)
            if random.random() < max(route["failing"], injected(method, route["path"])):
                return 500, "failed"
            if route["path"] == "/checkout" and not await is_paid():
                return 500, "no payment"
            return 200, f"{RELEASE['name']} {path[:80]}"
    return 404, "no such page"


def injected(method, path):
    """The share of requests that fails because somebody injected a fault into this instance."""
    try:
        words = (Path(os.environ["FAULTS"]) / sys.argv[1]).read_text().split()
    except (KeyError, OSError):
        return 0.0
    return float(words[2]) if words[:2] == [method, path] else 0.0


async def is_paid():
    """Whether the payments answer, where there are any."""
    if not os.environ.get("PAYMENTS"):
        return True
    host, _, port = os.environ["PAYMENTS"].rpartition(":")
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1)
        paid = await asyncio.wait_for(reader.readline(), 1)
        writer.close()
    except (TimeoutError, OSError):
        return False
    return paid == b"paid\n"


async def serve(reader, writer):
    """Answer the requests of one connection, one after another."""
    try:
        while line := await reader.readline():
            method, path, _ = line.decode("latin-1").split(" ", 2)
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b"\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            await reader.readexactly(length)
            status, body = await answer(method, path)
            content = body.encode()
            head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: text/plain\r\nContent-Length: {len(content)}\r\n\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    """Listen until SIGTERM; then finish what is being answered."""
    random.seed(RELEASE["name"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(serve, os.environ.get("HOST", "127.0.0.1"), int(sys.argv[1]))
    print(f"{RELEASE['name']} listens on {sys.argv[1]}", flush=True)
    await stop.wait()
    server.close()
    await asyncio.sleep(1.0)


asyncio.run(main())
