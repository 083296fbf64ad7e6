#!/usr/bin/env python3
"""Says text, binary, 1 MiB and ping to a WebSocket echo over wss and checks each answer, then closes.

usage: ws_client.py HOST PORT PATH      connects to 127.0.0.1:PORT, with HOST as SNI and authority
"""

import sys

from websockets.sync.client import connect

if __name__ == "__main__" and __package__ is None:
    import pathlib

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from peers.tls_bridge import tls_bridge  # noqa: E402
from peers.wire import tls_context  # noqa: E402


def main(host, port, path):
    with connect(
        f"ws://{host}:{port}{path}",
        sock=tls_bridge(int(port), tls_context(), host),
        compression=None,
        max_size=None,
        proxy=None,
    ) as ws:
        for what, message in [
            ("text", "Grüße, 世界"),
            ("binary", bytes(range(256))),
            ("1 MiB of text", "x" * (1 << 20)),
            ("1 MiB of binary", b"\xa5" * (1 << 20)),
        ]:
            ws.send(message)
            answer = ws.recv(timeout=10)
            assert answer == message, f"{what} came back changed"
            print(f"{what}: echoed")
        assert ws.ping(b"are you there").wait(10), "no pong"
        print("ping: answered")
        ws.close(1000, "done")
        assert (ws.close_code, ws.close_reason) == (1000, "done"), (ws.close_code, ws.close_reason)
        print("close: 1000 done")


if __name__ == "__main__":
    main(*sys.argv[1:])
