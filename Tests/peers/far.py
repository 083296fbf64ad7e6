"""A long way between two peers: what goes in comes out after a time, in each direction, however much is on its way."""

import asyncio
import contextlib
import threading


class Far:
    """`with Far(port, 0.05) as way:` is to be reached at `way.port` and takes 0.05 s to `port` and as long back."""

    def __init__(self, port, delay):
        self.target, self.delay = port, delay
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _run(self):
        self.loop, self.stopped = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._connection, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.stopped.wait()

    async def _connection(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return writer.close()
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 20):
                self.loop.call_later(self.delay, writer.write, data)
        self.loop.call_later(self.delay, writer.close)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10), "the relay does not listen"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join(10)
