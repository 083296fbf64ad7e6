#!/usr/bin/env python3
"""A WebSocket echo server from the `websockets` package; text comes back as text, binary as binary.

Paths change what it does: /close/CODE/REASON closes at once, /push/COUNT/BYTES sends so many binary messages by itself,
/subprotocol chooses `echo`. usage: ws_echo.py PORT [--tls CERTIFICATE KEY]     prints "listening PORT" when it does; PORT 0 chooses one
"""

import asyncio
import signal
import ssl
import sys
import urllib.parse

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def choose(connection, offered):
    """The first of those that a client offers; a client may offer none."""
    return next((each for each in offered if each in ("echo", "other")), None)


async def handle(connection):
    parts = urllib.parse.urlsplit(connection.request.path).path.strip("/").split("/")
    try:
        if parts[0] == "close":
            await connection.close(int(parts[1]), urllib.parse.unquote(parts[2]) if len(parts) > 2 else "")
            return
        if parts[0] == "push":
            for index in range(int(parts[1])):
                await connection.send(index.to_bytes(4, "big") + b"p" * (int(parts[2]) - 4))
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def main(port, tls=None):
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(
        handle,
        "127.0.0.1",
        port,
        ssl=tls,
        max_size=None,
        compression=None,
        select_subprotocol=choose,
        ping_interval=None,
    ) as server:
        print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    secure = server_context(*sys.argv[3:5]) if sys.argv[2:3] == ["--tls"] else None
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0, secure))
