"""The payments that every checkout of the shop needs: a service that all instances and revisions share.

    python examples/shop/payments.py PORT

After SIGUSR1 it refuses every second payment.
"""

import asyncio
import itertools
import signal
import sys

NUMBERS = itertools.count()
OVERLOADED = asyncio.Event()


async def pay(_, writer):
    """Say that it is paid, or that it is not."""
    writer.write(b"refused\n" if OVERLOADED.is_set() and next(NUMBERS) % 2 else b"paid\n")
    writer.close()


async def main():
    """Listen until it is stopped."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, OVERLOADED.set)
    server = await asyncio.start_server(pay, "127.0.0.1", int(sys.argv[1]), backlog=1000)
    async with server:
        await server.serve_forever()


asyncio.run(main())
