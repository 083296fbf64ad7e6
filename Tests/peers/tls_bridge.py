"""TLS for clients that read in one thread and write in another, as the threaded client of `websockets` does: they get a
clear socket, and one thread carries its bytes over TLS.

CPython's own TLS sockets (3.11) call OpenSSL from both threads at once, and an OpenSSL connection is not made for that: a
session ticket that is read while the first request is written now and then loses the request, against any server.
"""

import asyncio
import socket
import threading


def tls_bridge(port, context, server_hostname, timeout=10):
    """A socket whose other end is a TLS connection to 127.0.0.1:`port`, already made. Ends are passed on both ways."""
    ours, theirs = socket.socketpair()
    made = threading.Event()
    problems = []

    async def carry():
        try:
            far = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=server_hostname)
        except OSError as error:
            problems.append(error)
            ours.close()
            return
        finally:
            made.set()
        near = await asyncio.open_connection(sock=ours)
        await asyncio.gather(copy(near[0], far[1]), copy(far[0], near[1]))
        far[1].close()

    threading.Thread(target=lambda: asyncio.run(carry()), daemon=True).start()
    if not made.wait(timeout):
        raise TimeoutError(f"no TLS handshake with port {port} within {timeout} s")
    if problems:
        raise problems[0]
    return theirs


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    # TLS of asyncio cannot be closed in one direction only.
    writer.close()
