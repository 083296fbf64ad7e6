"""The life of a worker as others see it, from its first breath to its last: `/v1/workers` and the events there, the worker's own pages, what
its service manager is told, its log.

There is no state between `starting` and `serving` that a worker tells: while it warms its first snapshot it is `starting`, and
`publishing` names the version.
"""

import itertools
import signal
import threading

import pytest

from integration.site import Site
from integration.test_events import Listener
from integration.test_service_manager import Manager
from integration.test_streams import inspect
from integration.waiting import wait_until
from peers import channel, http2
from peers.http1 import EchoServer


@pytest.fixture
def manager(tmp_path):
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


class Outside:
    """Everything that tells a worker's state, in one look."""

    def __init__(self, gateway, manager):
        self.gateway, self.manager = gateway, manager

    def __call__(self):
        ready = [inspect(self.gateway, "GET", "/ready", socket_path=path) for path in (None, self.gateway.inspect)]
        assert [(one.status, one.body) for one in ready[:1]] == [(one.status, one.body) for one in ready[1:]]
        return {
            "api": [worker["state"] for worker in self.gateway.workers()],
            "ready": (ready[0].status, ready[0].body.decode().strip()),
            "causeway_ready": self.gateway.metric("causeway_ready"),
            "version": self.gateway.metric("causeway_config_version"),
            "told": {key: value for message in self.manager.messages for key, value in message.items()},
        }

    def wait(self, **wanted):
        def seen():
            now = self()
            assert {key: now[key] for key in wanted} == wanted, now
            return now

        return wait_until(seen, 10, f"{wanted}")


def states(listener):
    """What events have told of the state so far, each once until it changes."""
    listener.kept += [listener.events.get() for _ in range(listener.events.qsize())]
    told = [data["state"] for name, data in listener.kept if name == "worker"]
    return [state for state, _ in itertools.groupby(told)]


def hold_publishes(gateway):
    """(pipe, event): what the control plane publishes reaches the worker once the event is set."""
    go, path = threading.Event(), gateway.folder / "held.sock"

    def change(kind, name, data):
        go.wait(30)
        return data

    command = gateway.worker.command
    command[command.index(str(gateway.channel))] = str(path)
    return channel.Tamper(path, gateway.channel, change), go


def test_from_starting_to_stopped(new_gateway, authority, manager):
    gateway = new_gateway(drain_timeout=20)
    outside = Outside(gateway, manager)
    pipe, go = hold_publishes(gateway)
    arrived, answer = threading.Event(), threading.Event()

    def slow(connection, id, headers):
        arrived.set()
        answer.wait(20)
        http2.answer(connection, id, headers)

    with pipe, http2.Server(slow) as server:
        gateway.start_control()
        gateway.api.initialize()
        listener = Listener(gateway.api)
        try:
            # ---- starting: connected, without a snapshot. To its service manager it is up: nothing there is to wait for.
            gateway.start_worker(wait=False, NOTIFY_SOCKET=manager.name)
            manager.wait(READY=1, MAINPID=gateway.worker.pid, STATUS="waiting for the control plane")
            outside.wait(api=["starting"], ready=(503, "no configuration yet"), causeway_ready=0, version=0)
            [worker] = gateway.workers()
            assert worker["version"] is None and worker["publishing"] == 1 and worker["pid"] == gateway.worker.pid
            saved = gateway.api.expect(201, "POST", "/v1/domains?wait=live&timeout=5s", {"name": "early.test"})
            assert saved.headers["Causeway-Live"] == "no-worker", "nobody serves yet"

            # ---- serving
            go.set()
            version = int(saved.headers["Causeway-Version"])
            outside.wait(api=["serving"], ready=(200, f"serving version {version}"), causeway_ready=1, version=version)
            site = Site(gateway, authority, "life.test", https="off")
            site.serve(server.port, protocol="GRPC")
            version = gateway.workers()[0]["version"]
            with site.http2(tls=False) as client:
                stream = client.open("POST", site.host, "/a.B/C", ("content-type", "application/grpc"), body=b"\0\0\0\0\0")
                assert arrived.wait(10)

                # ---- draining: it serves what runs, and gets nothing new.
                gateway.worker.signal(signal.SIGTERM)
                manager.wait(STOPPING=1, STATUS="draining")
                outside.wait(api=["draining"], ready=(503, "draining"), causeway_ready=0, version=version)
                saved = gateway.api.expect(201, "POST", "/v1/domains?wait=live&timeout=5s", {"name": "late.test"})
                assert saved.headers["Causeway-Live"] == "no-worker"
                assert gateway.workers()[0]["version"] == version
                answer.set()
                assert client.finish(stream).grpc_status == 0
                client.read_to_end()

            # ---- stopped
            assert gateway.worker.wait_exit(10) == 0
            wait_until(lambda: gateway.workers() == [], 10, "the worker is gone")
            assert not gateway.inspect.exists() and not gateway.metrics()
            assert '"stopped"' in gateway.worker.log_text().splitlines()[-1]
            wait_until(lambda: states(listener)[-1:] == ["disconnected"], 10, "the end is told")
            assert states(listener) == ["starting", "serving", "draining", "disconnected"]
        finally:
            listener.close()
            answer.set()
            go.set()


def test_with_a_snapshot_on_disk_it_serves_before_anybody_is_asked(new_gateway, authority, manager):
    gateway = new_gateway()
    outside = Outside(gateway, manager)
    with EchoServer() as echo:
        gateway.start()
        site = Site(gateway, authority, "again.test", https="off")
        site.serve(echo.port)
        version = gateway.workers()[0]["version"]
        gateway.worker.stop()
        gateway.control.stop()
        gateway.start_worker(NOTIFY_SOCKET=manager.name)
        manager.wait(READY=1, MAINPID=gateway.worker.pid, STATUS=f"serving version {version}")
        assert site.get("/").status == 200
        # It says so in its first words to the control plane, which so has nothing to publish.
        gateway.start_control()
        listener = Listener(gateway.api)
        try:
            seen = outside.wait(api=["serving"], ready=(200, f"serving version {version}"), causeway_ready=1, version=version)
            assert "STOPPING" not in seen["told"]
            assert gateway.workers()[0]["version"] == version
        finally:
            listener.close()
        assert set(states(listener)) <= {"serving"}
