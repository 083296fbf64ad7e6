"""1,000 publishes that concern none of 500 WebSockets, 500 gRPC calls and a load of unary calls: nothing is cut, nothing fails, and calls
take as long as before. In between the control plane is killed and started again, and an older database comes back; after them all streams go on in
the old worker while a new one takes over. By hand: `scripts/test --soak -- -k publishes`."""

import asyncio
import contextlib
import threading
import time

import grpc
import pytest
from websockets.asyncio.client import connect

from integration.api import route
from integration.gateway import Gateway
from integration.site import Site
from integration.test_backup import back_up, restore
from integration.test_config_live import Load, load_tools, steady_backend  # noqa: F401 (fixtures)
from integration.upgrades import Upgrades
from integration.waiting import wait_until
from peers import protos
from peers.running import RunningPeer
from peers.wire import tls_context


# Seconds between two publishes.
PACE = 0.05


class Traffic:
    """Streams that say something each few seconds."""

    def __init__(self, gateway, site):
        self.gateway, self.site = gateway, site
        self.stop, self.ready = asyncio.Event(), asyncio.Semaphore(0)

    async def socket(self):
        async with connect(
            f"wss://{self.site.host}:{self.gateway.https_port}/ws",
            host="127.0.0.1",
            ssl=tls_context(),
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=60,
        ) as ws:
            await self.talk(ws.send, ws.recv)

    async def call(self, kinds):
        call = kinds.Bidi()
        await self.talk(lambda text: call.write(protos.Ask(payload=text.encode())), call.read)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK

    async def talk(self, send, receive):
        turn = 0
        while not self.stop.is_set():
            await send(f"turn {turn}")
            got = await asyncio.wait_for(receive(), 60)
            assert (got if isinstance(got, str) else got.payload.decode()) == f"turn {turn}"
            if turn == 0:
                self.ready.release()
            turn += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), 3)


@pytest.mark.timeout(0)
def test_publishes_touch_nothing_that_they_do_not_concern(
    tmp_path_factory, authority, request, load_tools, steady_backend
):
    publishes, streams = (request.config.getoption(name) for name in ("--publishes", "--publish-streams"))
    gateway = Gateway(tmp_path_factory.mktemp("publishes"), drain_timeout=120)
    upgrades = Upgrades(gateway)
    try:
        gateway.start()
        site = Site(gateway, authority, "publishes.test")
        with RunningPeer("grpc_server.py", "--kinds") as calls, RunningPeer("ws_echo.py") as echo:
            site.serve(calls.port, protocol="GRPC")
            site.serve(echo.port, path="/ws")
            other = Site(gateway, authority)
            other.serve(steady_backend, protocol="GRPC")
            gateway.api.create_static("changing", echo.port)
            quiet, busy, upgrade = asyncio.run(
                everything(
                    gateway, upgrades, site, authority, publishes, streams, lambda seconds: Load(load_tools, other, seconds)
                )
            )
            # The old worker ends with the last of its streams, long before its deadline.
            upgrades.wait_gone(gateway.worker.pid)
        print(f"{publishes} publishes, {streams} + {streams} streams: before {quiet}, meanwhile {busy}, upgrade {upgrade}")
        assert (busy["errors"], busy["goaways"], upgrade["errors"]) == (0, 0, 0)
        assert busy["p99_us"] < quiet["p99_us"] * 2 + 2_000, "calls take longer while publishes go on"
        upgrades.stop(upgrades.started[-1])
        gateway.control.stop()
        with open(gateway.access_log_path) as log:
            assert not [line for line in log if '"flag":"-"' not in line][:3]
    finally:
        upgrades.end()
        gateway.abandon()


async def everything(gateway, upgrades, site, authority, publishes, streams, load):
    """What a load of unary calls tells of the time before the publishes, of theirs, and of the upgrade."""
    traffic = Traffic(gateway, site)
    target = f"127.0.0.1:{gateway.https_port}"
    credentials = grpc.ssl_channel_credentials(authority.cert.encode())
    options = [
        ("grpc.ssl_target_name_override", site.host),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    channels = [grpc.aio.secure_channel(target, credentials, options) for _ in range(8)]
    kinds = [protos.Kinds(channel) for channel in channels]
    running = [asyncio.create_task(traffic.socket()) for _ in range(streams)]
    running += [asyncio.create_task(traffic.call(kinds[number % 8])) for number in range(streams)]
    for _ in running:
        await asyncio.wait_for(traffic.ready.acquire(), 120)
    quiet = await asyncio.to_thread(lambda: load(15).finish())
    seconds = publishes * PACE

    def publish():
        begun, clock = time.monotonic(), threading.Event()
        for number in range(publishes):
            clock.wait(max(0, begun + number * PACE - time.monotonic()))
            if number == publishes // 4:
                kept = back_up(gateway.api, gateway.folder / "older.db", None)
            if number == publishes * 3 // 4:
                gateway.control.stop()
                assert restore(kept, gateway.data, "").returncode == 0
                gateway.start_control()
                wait_until(gateway.workers, 20, "the worker is connected again")
            if number == publishes // 2:
                gateway.control.kill9()
                gateway.start_control()
                wait_until(gateway.workers, 20, "the worker is connected again")
            body = route("changing", [site.host], "changing.static", f"/changing/{number}")
            if number == 0:
                gateway.api.post("/v1/routes", body)
            else:
                gateway.api.put("/v1/routes/changing", body)

    busy = load(seconds)
    publishing = asyncio.create_task(asyncio.to_thread(publish))
    done, _ = await asyncio.wait([publishing, *running], return_when=asyncio.FIRST_COMPLETED)
    assert done == {publishing}, [each.exception() for each in done]
    await publishing
    busy = await asyncio.to_thread(busy.finish)
    upgrade = load(10)
    await asyncio.to_thread(upgrades.upgrade)
    upgrade = await asyncio.to_thread(upgrade.finish)
    assert not any(each.done() for each in running), "a stream ended by the upgrade"
    traffic.stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 60)
    for channel in channels:
        await channel.close()
    return quiet, busy, upgrade
