#!/usr/bin/env python3
"""hypercorn with an echo: WebSocket over HTTP/1.1 and, as it offers RFC 8441, over HTTP/2; plain requests are answered with the
HTTP version. The path /refuse is answered 403.

usage: hypercorn_echo.py PORT [--tls CERTIFICATE KEY]     prints "listening PORT" when it does; PORT 0 chooses one
"""

import asyncio
import signal
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        return await send({"type": "http.response.body", "body": scope["http_version"].encode()})
    await receive()
    if scope["path"] == "/refuse":
        return await send({"type": "websocket.close"})
    wanted = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": wanted[0] if wanted else None})
    if scope["path"] == "/version":
        await send({"type": "websocket.send", "text": scope["http_version"]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})


async def main(port, tls):
    listener = socket.create_server(("127.0.0.1", port))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.websocket_max_message_size = 1 << 27
    if tls:
        config.certfile, config.keyfile = tls
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"listening {listener.getsockname()[1]}", flush=True)
    await serve(app, config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[3:5] if sys.argv[2:3] == ["--tls"] else None))
