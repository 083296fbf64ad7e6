"""Mixed load for an hour (`--soak-minutes`): gRPC calls and streams, WebSockets that open and close, plain requests, and a publish
every second. At the end: no error, memory flat, descriptors back to the start. Run by hand: `scripts/test --soak`."""

import asyncio
import collections
import contextlib
import json
import os
import re
import time

import grpc
import pytest
from websockets.asyncio.client import connect

from integration.gateway import Gateway
from integration.site import Site
from integration.waiting import wait_until
from peers import protos
from peers.http1 import EchoServer
from peers.running import RunningPeer
from peers.wire import tls_context

# What one run keeps going at once. Low enough for a machine that does other things, too.
CALLERS, STREAMS, SOCKETS, PLAIN = 8, 20, 20, 4


class Load:
    """Counts of what was done and the errors that came; everything runs until `stop` is set."""

    def __init__(self, gateway, site):
        self.gateway, self.site = gateway, site
        self.stop = asyncio.Event()
        self.done = dict.fromkeys(("calls", "stream messages", "streams", "sockets", "socket messages", "plain", "publishes"), 0)
        self.errors = []

    async def run(self, kinds, seconds):
        tasks = [
            *(self.calls(kinds) for _ in range(CALLERS)),
            *(self.streams(kinds, number) for number in range(STREAMS)),
            *(self.sockets(number) for number in range(SOCKETS)),
            *(self.plain() for _ in range(PLAIN)),
            self.publish(),
        ]
        running = [asyncio.create_task(self.guard(each)) for each in tasks]
        await asyncio.wait(running, timeout=seconds)
        self.stop.set()
        await asyncio.wait_for(asyncio.gather(*running), 60)

    async def guard(self, work):
        try:
            await work
        except Exception as error:  # one is enough to fail the run; the others go on
            self.errors.append(repr(error)[:300])

    async def pause(self, seconds):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    async def calls(self, kinds):
        while not self.stop.is_set():
            answer = await kinds.Unary(protos.Ask(payload=b"u" * 100), timeout=20)
            assert answer.payload == b"u" * 100
            self.done["calls"] += 1
            await self.pause(0.1)

    async def streams(self, kinds, number):
        """Each lives for a minute or so, with a message every now and then."""
        while not self.stop.is_set():
            call = kinds.Bidi()
            end = time.monotonic() + 40 + number * 2
            while time.monotonic() < end and not self.stop.is_set():
                await call.write(protos.Ask(payload=b"s" * 500))
                answer = await asyncio.wait_for(call.read(), 20)
                assert answer.payload == b"s" * 500
                self.done["stream messages"] += 1
                await self.pause(0.5)
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
            assert await call.code() == grpc.StatusCode.OK
            self.done["streams"] += 1

    async def sockets(self, number):
        while not self.stop.is_set():
            uri = f"wss://{self.site.host}:{self.gateway.https_port}/ws"
            async with connect(uri, host="127.0.0.1", ssl=tls_context(), compression=None, proxy=None) as ws:
                for index in range(20 + number):
                    message = b"w" * (1 << (index % 15))
                    await ws.send(message)
                    assert await asyncio.wait_for(ws.recv(), 20) == message
                    self.done["socket messages"] += 1
                    await self.pause(0.2)
                    if self.stop.is_set():
                        break
            self.done["sockets"] += 1

    async def plain(self):
        """A connection for each request, over TLS."""
        while not self.stop.is_set():
            answer = await asyncio.to_thread(self.site.get, "/plain", tls=True, method="POST", body=b"p" * 3000)
            assert answer.status == 200 and json.loads(answer.body)["body_length"] == 3000
            self.done["plain"] += 1
            await self.pause(0.2)

    async def publish(self):
        """Changes that concern none of the others."""
        name = f"{self.site.name}-soak"
        while not self.stop.is_set():
            number = self.done["publishes"]
            api = self.gateway.api
            if number % 2:
                await asyncio.to_thread(api.delete, f"/v1/service-sources/{name}")
            else:
                await asyncio.to_thread(api.create_static, name, 1)
            self.done["publishes"] += 1
            await self.pause(1)


def descriptors(pid):
    """What a process has open, by kind: files by their names, sockets by where they listen or by their family."""
    sockets = {}
    for family in ("tcp", "tcp6", "udp", "udp6", "unix"):
        with open(f"/proc/{pid}/net/{family}") as table:
            for line in list(table)[1:]:
                parts = line.split()
                if family == "unix":
                    sockets[parts[6]] = " ".join(["unix", *parts[7:]])
                else:
                    listens = family.startswith("tcp") and parts[3] == "0A"
                    sockets[parts[9]] = f"{family} listening at {parts[1]}" if listens else family
    found = collections.Counter()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            inode = re.fullmatch(r"socket:\[(\d+)\]", target)
            found[sockets.get(inode[1], "socket") if inode else re.sub(r":\[\d+\]$", "", target)] += 1
    return found


def state(gateway):
    """Memory (kB) and descriptors of both processes. `anonymous_kb` is what they have allocated: their share of the executables' pages
    depends on who else runs them, and grows with what was ever executed."""
    found = {}
    for process in (gateway.worker, gateway.control):
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            sizes = {line.split()[0]: line.split()[1] for line in file}
        memory = {"pss_kb": int(sizes["Pss:"]), "anonymous_kb": int(sizes["Pss_Anon:"])}
        found[process.name] = memory | {"fds": len(os.listdir(f"/proc/{process.pid}/fd"))}
    return found


@pytest.mark.timeout(0)
def test_an_hour_of_everything(tmp_path_factory, request, authority):
    minutes = request.config.getoption("--soak-minutes")
    gateway = Gateway(tmp_path_factory.mktemp("soak"))
    samples = []
    try:
        gateway.start()
        site = Site(gateway, authority, "soak.test")
        with RunningPeer("grpc_server.py", "--kinds") as calls, RunningPeer("ws_echo.py") as echo, EchoServer() as plain:
            plain.seen = Forgetful()
            site.serve(calls.port, protocol="GRPC")
            site.serve(echo.port, path="/ws")
            site.serve(plain.port, path="/plain")
            load = Load(gateway, site)

            async def everything():
                channel = grpc.aio.secure_channel(
                    f"127.0.0.1:{gateway.https_port}",
                    grpc.ssl_channel_credentials(authority.cert.encode()),
                    [("grpc.ssl_target_name_override", site.host), ("grpc.enable_http_proxy", 0)],
                )
                async with channel:
                    sampling = asyncio.create_task(sample())
                    await load.run(protos.Kinds(channel), minutes * 60)
                    sampling.cancel()

            async def sample():
                while True:
                    samples.append({"at": round(time.monotonic() - begun), **state(gateway)})
                    await asyncio.sleep(min(60, minutes * 6))

            # Of both processes, and by kind: nothing may stay, and nothing may be lost. Connections to services go after their time, 60 s.
            processes = gateway.worker, gateway.control

            def opened():
                gateway.api.close()  # its connection is none of theirs
                return {each.name: descriptors(each.pid) for each in processes}

            wait_until(lambda: not any(each["tcp"] for each in opened().values()), 10, "no connection yet")
            before, kinds, begun = state(gateway), opened(), time.monotonic()
            asyncio.run(everything())

            def at_rest():
                now = opened()
                found = {name: (now[name] - kinds[name], kinds[name] - now[name]) for name in now}
                assert not any(map(any, found.values())), f"more and fewer: {found}"
                return True

            wait_until(at_rest, 90, "descriptors go back to the start")
            after = state(gateway)
        result = {"minutes": minutes, "done": load.done, "before": before, "after": after, "samples": samples}
        print(json.dumps(result))
        if path := request.config.getoption("--soak-report"):
            with open(path, "w") as file:
                json.dump(result, file, indent=1)
        assert not load.errors, load.errors[:5]
        assert all(load.done.values()), load.done
        assert not flagged(gateway)
        for name in ("worker", "control"):
            settled = [each[name]["anonymous_kb"] for each in samples[len(samples) // 5 :]]
            half = len(settled) // 2
            first, second = sum(settled[:half]) / half, sum(settled[half:]) / (len(settled) - half)
            assert second <= first * 1.05 + 2_000, f"{name} grows: {settled}"
        gateway.stop()
    finally:
        gateway.abandon()


def flagged(gateway):
    """The first lines of the access log that tell of anything but a delivered answer."""
    with open(gateway.access_log_path) as log:
        return [line for line in log if '"flag":"-"' not in line][:3]


class Forgetful(list):
    """An hour of requests is not kept."""

    def append(self, each):
        self[:] = [each]
