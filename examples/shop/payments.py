"""The payments that every checkout of the shop needs: a service that all instances and revisions share. Stop it, and all fail.

python examples/shop/payments.py PORT
"""

import asyncio
import sys


async def pay(_, writer):
    """Say that it is paid."""
    writer.write(b"paid\n")
    writer.close()


async def main():
    """Listen until it is stopped."""
    server = await asyncio.start_server(pay, "127.0.0.1", int(sys.argv[1]), backlog=1000)
    async with server:
        await server.serve_forever()


asyncio.run(main())
