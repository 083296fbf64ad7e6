"""SIGUSR2: another worker, from the binary at the same path, takes over sockets, lock and ticket keys; nobody is refused and no
call fails. The old one drains."""

import os
import pathlib
import queue
import signal
import socket
import threading

import grpc
import pytest
from websockets.exceptions import ConnectionClosed

from integration.api import route
from integration.live import Callers
from integration.site import Site
from integration.test_config_live import Load, load_tools, steady_backend  # noqa: F401 (fixtures)
from integration.upgrades import Upgrades, alive, parent
from integration.waiting import PATIENCE, wait_until
from peers.dns import DNSServer
from peers.protos import Ask, Kinds
from peers.wire import tls_context


@pytest.fixture
def upgradable(new_gateway, authority):
    made = []

    def make(start=True, **options):
        gateway = new_gateway(**options)
        upgrades = Upgrades(gateway)
        made.append(upgrades)
        if start:
            gateway.start()
        return gateway, upgrades

    yield make
    for each in made:
        each.end()


def listening(*ports):
    """The kernel's numbers of the sockets that listen on these ports."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) in ports}


def test_no_call_fails_across_two_upgrades_under_load(upgradable, authority, load_tools, steady_backend, echo):  # noqa: F811
    gateway, upgrades = upgradable(drain_timeout=3)
    calls = Site(gateway, authority, "calls.test")
    calls.serve(steady_backend, protocol="GRPC")
    requests = Site(gateway, authority, "requests.test")
    requests.serve(echo.port)
    before = gateway.workers()[0]
    sockets = listening(gateway.http_port, gateway.https_port, gateway.metrics_port)
    assert len(sockets) == 5
    load = Load(load_tools, calls, seconds=14, streams=0)
    with Callers(requests) as callers:
        first = upgrades.upgrade()
        callers.goes_on()
        # A service manager hears of the end of its own children.
        assert parent(first) == parent(gateway.worker.pid)
        # What is saved from here on reaches the new one.
        saved = gateway.api.expect(201, "POST", "/v1/domains?wait=live", {"name": "after.test"})
        assert saved.headers["Causeway-Live"] == "true"
        assert upgrades.wait_gone(gateway.worker.pid) == 0
        second = upgrades.upgrade(first)
        callers.goes_on()
        upgrades.wait_gone(first)
        # The very same ones: in the queue of each somebody may wait.
        assert listening(gateway.http_port, gateway.https_port, gateway.metrics_port) == sockets
        callers.goes_on()
    result = load.finish()
    assert callers.failures == []
    assert result["errors"] == 0 and result["ok"] > 0, result
    assert result["goaways"] > 0, "nobody was moved: the load was too short"
    after = gateway.workers()[0]
    assert (after["id"], after["pid"]) == (before["id"], second)
    assert after["incarnation"] != before["incarnation"]
    assert after["version"] >= int(saved.headers["Causeway-Version"])
    upgrades.stop(second)


def test_streams_go_on_in_the_old_worker_until_its_deadline(upgradable, authority, ws_server, grpc_server):
    gateway, upgrades = upgradable(drain_timeout=3)
    site = Site(gateway, authority, "streams.test")
    site.serve(ws_server.port, path="/ws")
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
    with site.websocket("/ws") as ws, site.channel() as channel:
        outgoing = queue.Queue()
        call = Kinds(channel).Bidi(iter(outgoing.get, None))
        outgoing.put(Ask(payload=b"before"))
        assert next(call).payload == b"before"
        new = upgrades.upgrade()
        ws.send("on")
        assert ws.recv(timeout=5) == "on"
        outgoing.put(Ask(payload=b"on"))
        assert next(call).payload == b"on"
        with site.websocket("/ws") as other:
            with pytest.raises(ConnectionClosed):
                while True:
                    ws.send("still")
                    assert ws.recv(timeout=5) == "still"
            assert ws.close_code == 1001
            with pytest.raises(grpc.RpcError) as ended:
                next(call)
            assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
            outgoing.put(None)
            assert upgrades.wait_gone(gateway.worker.pid) == 0
            other.send("new")
            assert other.recv(timeout=5) == "new"
    upgrades.stop(new)


def test_tickets_from_before_resume_after(upgradable, authority, echo):
    gateway, upgrades = upgradable(drain_timeout=1)
    site = Site(gateway, authority, "tickets.test")
    site.serve(echo.port)
    context = tls_context()
    sessions = {}

    def visit(number):
        with socket.create_connection(("127.0.0.1", gateway.https_port), 10) as raw:
            with context.wrap_socket(raw, server_hostname=site.host, session=sessions.get(number)) as tls:
                tls.sendall(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
                assert tls.recv(65536).startswith(b"HTTP/1.1 200")
                sessions[number] = tls.session
                return tls.session_reused

    assert [visit(number) for number in range(4)] == [False] * 4
    new = upgrades.upgrade()
    upgrades.wait_gone(gateway.worker.pid)
    assert [visit(number) for number in range(4)] == [True] * 4
    upgrades.stop(new)


BAD = {
    "exits at once": ("exit 3",),
    "hangs": ("exec sleep 60",),
    "closes the socket and hangs": ("exec 3>&-", "exec sleep 60"),
    "is killed while it starts": ('"$WORKER" "$@" & kill -9 $! $$',),
    "refuses": ('exec "$WORKER" "$@" --state "$(mktemp -d)"',),
    # It has the folder's lock and another idea of what is on disk: what is served would not be served on.
    "does not read what is on disk": (
        'state=$2 other=$(mktemp -d "$2.XXXXXX")',
        'cp "$state"/worker.{key,id} "$other" && ln "$state/worker.lock" "$other"',
        'echo damaged > "$other/snapshot.current"',
        'exec "$WORKER" "$@" --state "$other"',
    ),
    "understands other flags": ('exec "$WORKER" --no-such-flag',),
}

# Seconds that a new worker has: long enough for one that does come up.
LIMIT = round(3 * PATIENCE)
REASONS = {
    "hangs": f"it was not ready in {LIMIT} s",
    "refuses": "it refuses",
    "does not read what is on disk": "the snapshot on disk is not the one that is served",
}


@pytest.mark.parametrize("kind", [*BAD, "cannot be executed", "is not there"])
def test_a_new_worker_that_does_not_come_up_changes_nothing(upgradable, authority, echo, kind):
    gateway, upgrades = upgradable(worker_options=("--handover-timeout", LIMIT))
    site = Site(gateway, authority, "bad.test")
    site.serve(echo.port)
    if kind in BAD:
        upgrades.install_script(*BAD[kind])
    elif kind == "is not there":
        upgrades.path.unlink()
    else:
        upgrades.path.chmod(0o644)
    with Callers(site) as callers:
        upgrades.begin()
        wait_until(lambda: gateway.metric("causeway_handover_failures_total") == 1, 10, "the failure is counted")
        callers.goes_on()
        assert "the handover has failed; serving on" in gateway.worker.log_text()
        assert REASONS.get(kind, "") in gateway.worker.log_text()
        assert upgrades.is_worker(gateway.worker.pid)
        assert not any(map(alive, upgrades.started))
        saved = gateway.api.expect(201, "POST", "/v1/domains?wait=live", {"name": "after.test"})
        assert saved.headers["Causeway-Live"] == "true"
        # And once the file is mended:
        new = upgrades.upgrade()
        callers.goes_on()
    assert callers.failures == []
    upgrades.wait_gone(gateway.worker.pid)
    upgrades.stop(new)


def test_a_new_worker_that_hangs_half_way_changes_nothing(upgradable, authority, echo):
    """It has the sockets, serves what is on disk, and waits for a name when it stands still."""
    with DNSServer() as dns:
        options = ("--resolver", f"127.0.0.1:{dns.port}", "--handover-timeout", LIMIT)
        gateway, upgrades = upgradable(worker_options=options)
        dns.set("back.test", ("A", "127.0.0.1"), ttl=60)
        site = Site(gateway, authority, "half.test")
        site.serve(echo.port)
        gateway.api.post("/v1/service-sources", {"name": "named", "type": "dns", "domain": "back.test", "port": echo.port})
        gateway.api.post("/v1/routes", route("named", [site.host], "named.dns", "/named"))
        wait_until(lambda: site.get("/named").status == 200, 10, "the name has an address")
        dns.broken = "silent"
        with Callers(site) as callers:
            warm = gateway.worker.log_text().count("serving the snapshot on disk")
            upgrades.begin()
            wait_until(lambda: gateway.worker.log_text().count("serving the snapshot on disk") > warm, 5, "the new one warms")
            [new] = upgrades.started
            os.kill(new, signal.SIGSTOP)
            wait_until(lambda: gateway.metric("causeway_handover_failures_total") == 1, 10, "the failure is counted")
            assert f"it was not ready in {LIMIT} s" in gateway.worker.log_text()
            assert not alive(new) and upgrades.is_worker(gateway.worker.pid)
            callers.goes_on()
            dns.broken = None
            new = upgrades.upgrade()
            callers.goes_on()
        assert callers.failures == []
        assert site.get("/named").status == 200
        upgrades.wait_gone(gateway.worker.pid)
        upgrades.stop(new)


SLOW = ("while [ ! -e {go} ]; do sleep 0.02; done", 'exec "$WORKER" "$@"')


@pytest.fixture
def slow(tmp_path):
    """A binary that begins when the test says so."""
    go = tmp_path / "go"
    return go, [line.format(go=go) for line in SLOW]


def test_a_second_signal_meanwhile_is_refused(upgradable, slow):
    gateway, upgrades = upgradable()
    go, script = slow
    upgrades.install_script(*script)
    upgrades.begin()
    wait_until(lambda: upgrades.started, 5, "the handover begins")
    upgrades.begin()
    wait_until(lambda: "a handover is under way" in gateway.worker.log_text(), 5)
    go.touch()
    new = upgrades.finish()
    assert len(upgrades.started) == 1
    upgrades.stop(new)


def test_what_changes_while_the_new_worker_starts_is_not_lost(upgradable, authority, echo, slow):
    gateway, upgrades = upgradable()
    site = Site(gateway, authority, "meanwhile.test", https="off")
    gateway.api.create_static("meanwhile", echo.port)
    go, script = slow
    upgrades.install_script(*script)
    upgrades.begin()
    wait_until(lambda: upgrades.started, 5, "the handover begins")
    saved = gateway.api.expect(201, "POST", "/v1/routes?wait=live", route("one", [site.host], "meanwhile.static", "/one"))
    assert saved.headers["Causeway-Live"] == "true"
    over = threading.Event()
    seen = []

    def watch():
        while not over.is_set():
            seen.append(site.get("/one").status)

    watcher = threading.Thread(target=watch)
    watcher.start()
    go.touch()
    # Saved at any moment of the change of places: somebody answers for it.
    lives = []
    while not upgrades.is_worker(upgrades.started[0]) or len(lives) < 10:
        body = route(f"r{len(lives)}", [site.host], "meanwhile.static", f"/r{len(lives)}")
        lives.append(gateway.api.expect(201, "POST", "/v1/routes?wait=live", body).headers["Causeway-Live"])
    over.set()
    watcher.join(10)
    assert set(lives) == {"true"} and set(seen) == {200}
    upgrades.wait_gone(gateway.worker.pid)
    assert [site.get(f"/r{number}").status for number in range(len(lives))] == [200] * len(lives)
    upgrades.stop(upgrades.started[0])


@pytest.mark.parametrize("loops", [1, 3])
def test_other_numbers_of_loops_share_the_sockets(upgradable, authority, echo, loops):
    gateway, upgrades = upgradable(loops=2, drain_timeout=1)
    site = Site(gateway, authority, "loops.test")
    site.serve(echo.port)
    upgrades.install_script('arguments=("$@")', f"arguments[5]={loops}", 'exec "$WORKER" "${arguments[@]}"')
    assert gateway.worker.command[5] == "--loops"  # the script sees the value behind it as its argument 5
    with Callers(site) as callers:
        upgrades.begin()
        new = upgrades.finish()
        upgrades.wait_gone(gateway.worker.pid)
        callers.goes_on(200)
        threads = len([1 for task in pathlib.Path(f"/proc/{new}/task").iterdir() if "loop-" in (task / "comm").read_text()])
        assert threads == loops
    assert callers.failures == []
    upgrades.stop(new)


def test_it_works_with_the_control_plane_away(upgradable, authority, echo):
    gateway, upgrades = upgradable(drain_timeout=1)
    site = Site(gateway, authority, "alone.test")
    site.serve(echo.port)
    gateway.control.stop()
    with Callers(site) as callers:
        upgrades.install()
        upgrades.begin()
        assert upgrades.wait_gone(gateway.worker.pid) == 0
        callers.goes_on()
        new = upgrades.started[0]
        assert alive(new)
        assert gateway.metric("causeway_ready") == 1
    assert callers.failures == []
    gateway.start_control()
    wait_until(lambda: upgrades.is_worker(new), 10)
    upgrades.stop(new)


def test_sigterm_ends_a_handover_and_the_worker(upgradable, slow):
    gateway, upgrades = upgradable()
    upgrades.install_script(*slow[1])
    upgrades.begin()
    started = wait_until(lambda: upgrades.started, 5, "the handover begins")
    gateway.worker.signal(signal.SIGTERM)
    assert gateway.worker.wait_exit(10) == 0
    assert not alive(started[0])


def test_the_folder_stays_locked(upgradable):
    gateway, upgrades = upgradable(drain_timeout=1)
    new = upgrades.upgrade()
    upgrades.wait_gone(gateway.worker.pid)
    gateway.worker.start()
    assert gateway.worker.wait_exit(10) != 0
    assert "another worker uses this folder" in gateway.worker.log_text()
    assert alive(new) and os.path.exists(gateway.inspect)
    upgrades.stop(new)
    assert not os.path.exists(gateway.inspect)
