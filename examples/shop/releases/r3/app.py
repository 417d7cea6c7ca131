"""The shop: one file, no dependency. What it does differently stands in release.json beside it.

    python app.py PORT

GET /, GET /product/{id}, GET /search, POST /cart, POST /checkout, and GET /healthz for readiness.
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
            return (500, "failed") if random.random() < route["failing"] else (200, f"{RELEASE['name']} {path[:80]}")
    return 404, "no such page"


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
