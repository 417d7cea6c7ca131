"""A steady load on the shop, at a fixed rate while the answers keep up; stops by itself.

At most one second's requests wait for their answers at once. Further ones are not sent, and counted as skipped: users
without end would keep a machine overloaded that was short of CPU for a moment.

python examples/shop/load.py --url http://127.0.0.1:8080 --rate 200 --seconds 60
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter

import aiohttp

MIX = [
    ("GET", "/", 30),
    ("GET", "/product/{id}", 40),
    ("GET", "/search?q={id}", 15),
    ("POST", "/cart", 7),
    ("POST", "/checkout", 8),
]


async def one(session, url, method, path, counts):
    """Send one request and count how it ended."""
    try:
        async with session.request(method, url + path, data=b"item=1" if method == "POST" else None) as answer:
            await answer.read()
            counts[str(answer.status)] += 1
    except (aiohttp.ClientError, TimeoutError) as error:
        counts[type(error).__name__] += 1


async def load(url, rate, seconds, seed):
    """Send requests at a rate for some seconds, or until SIGTERM; return how many ended how."""
    draw = random.Random(seed)
    counts = Counter()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    weights = [share for _, _, share in MIX]
    most_waiting = max(20, round(rate))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        began, sent, waiting = time.monotonic(), 0, set()
        while not stop.is_set() and (elapsed := time.monotonic() - began) < seconds:
            while sent < elapsed * rate:
                sent += 1
                if len(waiting) >= most_waiting:
                    counts["skipped"] += 1
                    continue
                method, path, _ = draw.choices(MIX, weights)[0]
                task = asyncio.create_task(one(session, url, method, path.format(id=draw.randrange(5000)), counts))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
            await asyncio.sleep(0.005)
        if waiting:
            await asyncio.wait(waiting, timeout=10)
    return counts


def main():
    """Print the counts as JSON; 0 when every request got an answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    counts = asyncio.run(load(arguments.url.rstrip("/"), arguments.rate, arguments.seconds, arguments.seed))
    print(json.dumps(dict(sorted(counts.items()))), flush=True)
    return 0 if all(name.isdigit() for name in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
