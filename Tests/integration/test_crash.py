"""kill -9 of either process, files that were damaged, snapshots that a worker cannot use: what was acknowledged stays, what
served serves on."""

import json
import random
import shutil
import socket
import threading

import pytest

from integration.api import route
from integration.site import Site
from integration.waiting import wait_until
from peers import channel
from peers.http1 import EchoServer


@pytest.fixture
def one(new_gateway, authority, echo):
    """A gateway with a site that an echo answers."""
    gateway = new_gateway().start()
    site = Site(gateway, authority, "crash.test")
    site.serve(echo.port)
    return gateway, site


def answers(site, tls=False):
    return site.get("/", tls=tls).status == 200


def test_traffic_goes_on_without_the_control_plane_and_both_agree_again(one):
    gateway, site = one
    gateway.control.kill9()
    assert all(answers(site, tls) for tls in (False, True) for _ in range(20))

    # The worker alone: killed and started again, it serves its last good snapshot.
    gateway.worker.kill9()
    gateway.start_worker()
    assert all(answers(site, tls) for tls in (False, True))

    gateway.start_control()
    wait_until(gateway.workers, 10, "the worker has come back to the control plane")
    gateway.api.delete("/v1/routes/crash-test-1")
    assert site.get("/").status == 404


def test_an_open_stream_survives_the_death_of_the_control_plane(one, ws_server):
    gateway, site = one
    site.serve(ws_server.port, path="/ws")
    with site.websocket("/ws") as ws:
        gateway.control.kill9()
        ws.send("after")
        assert ws.recv(timeout=10) == "after"
        gateway.start_control()
        wait_until(gateway.workers, 10)
        ws.send("again")
        assert ws.recv(timeout=10) == "again"


def test_a_killed_worker_is_back_at_its_restart_without_help(one):
    gateway, site = one
    for with_control in (True, False):
        if not with_control:
            gateway.control.kill9()
        gateway.worker.kill9()
        with pytest.raises(OSError):
            site.get("/")
        gateway.start_worker()
        assert answers(site) and answers(site, tls=True)


def test_changes_made_while_the_worker_was_away_arrive_with_it(one):
    gateway, site = one
    gateway.worker.kill9()
    gateway.api.post("/v1/routes", route("later", [site.host], "crash-test-1.static", "/later"), live=False)
    gateway.api.delete("/v1/routes/crash-test-1", live=False)
    gateway.start_worker(wait=False)
    wait_until(lambda: site.get("/later").status == 200 and site.get("/").status == 404, 10)


@pytest.mark.parametrize("seed", range(8))
def test_no_acknowledged_write_is_lost_when_the_control_plane_is_killed(new_gateway, seed):
    """Writers run; at a random moment the process is killed. Each write that was answered 2xx is there afterwards; one that
    was not answered may be there or not."""
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    kept, doubtful, gone, stop = set(), set(), set(), threading.Event()
    print("seed", seed)

    def write(writer):
        from integration.api import Api

        api, count = Api(gateway.admin_port, gateway.api.user, gateway.api.password), 0
        while not stop.is_set():
            name = f"w{writer}-{count}.test"
            try:
                if api.call("POST", "/v1/domains", {"name": name}).status_code == 201:
                    kept.add(name)
                if name in kept and count % 3 == 0:
                    doubtful.add(name)
                    if api.call("DELETE", f"/v1/domains/{name}").status_code == 204:
                        gone.add(name)
            except OSError:
                return
            count += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for each in writers:
        each.start()
    wait_until(lambda: len(kept) >= random.Random(seed).randint(3, 60), 20, "some writes")
    gateway.control.kill9()
    stop.set()
    for each in writers:
        each.join(20)
    gateway.start_control()
    names = {each["name"] for each in gateway.api.get("/v1/domains")}
    assert kept - doubtful <= names, "acknowledged creations are missing"
    assert not gone & names, "acknowledged deletions came back"


def test_a_worker_killed_between_publishes_starts_with_a_whole_snapshot(one, echo):
    gateway, site = one
    rng = random.Random(7)
    for turn in range(8):
        stop = threading.Event()

        def publish():
            count = 0
            while not stop.is_set():
                gateway.api.put(
                    "/v1/routes/crash-test-1",
                    route(
                        "crash-test-1", [site.host], "crash-test-1.static", "/", methods=["GET"] if count % 2 else None
                    ),
                    live=False,
                )
                count += 1

        publisher = threading.Thread(target=publish)
        publisher.start()
        pause = threading.Event()
        pause.wait(rng.random() * 0.3)
        gateway.worker.kill9()
        stop.set()
        publisher.join(20)
        gateway.start_worker()
        assert answers(site), f"turn {turn}"


def state_files(gateway):
    return sorted(
        (path for path in gateway.state.rglob("*") if path.is_file() and "snapshot" in path.name),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "garbage"])
def test_a_damaged_snapshot_file_is_set_aside(one, damage):
    """With the control plane away the one before it serves; with it back, everything is as it should be."""
    gateway, site = one
    gateway.api.post("/v1/routes", route("newer", [site.host], "crash-test-1.static", "/newer"))
    gateway.control.kill9()
    gateway.worker.kill9()
    newest = state_files(gateway)[0]
    data = newest.read_bytes()
    newest.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "flipped": data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
            "empty": b"",
            "garbage": b"\xff" * 5000,
        }[damage]
    )
    before = gateway.worker.log.stat().st_size
    gateway.start_worker()
    assert answers(site), "the snapshot before it should serve"
    assert "damaged" in gateway.worker.log_text(before) or "set aside" in gateway.worker.log_text(before)
    gateway.start_control()
    wait_until(lambda: site.get("/newer").status == 200, 10, "the newest version is served again")


def test_with_no_usable_file_the_worker_waits_for_the_control_plane(one):
    gateway, site = one
    gateway.control.kill9()
    gateway.worker.kill9()
    for path in state_files(gateway):
        path.write_bytes(b"broken")
    gateway.start_worker(wait=False)
    wait_until(lambda: "aside" in gateway.worker.log_text() or "damaged" in gateway.worker.log_text(), 10)
    assert gateway._get(gateway.metrics_port, "/ready") is None
    gateway.start_control()
    wait_until(lambda: answers(site), 10)


def test_an_old_database_is_a_new_history_and_is_served(one):
    """A copy of the database put back: versions would run backwards. The control plane mints a history; the worker takes it."""
    gateway, site = one
    gateway.control.stop()
    copy = gateway.folder / "copy"
    shutil.copytree(gateway.data, copy)
    gateway.start_control()
    for turn in range(3):
        gateway.api.post("/v1/routes", route(f"lost-{turn}", [site.host], "crash-test-1.static", f"/lost/{turn}"))
    assert site.get("/lost/0").status == 200
    gateway.control.stop()
    shutil.rmtree(gateway.data)
    shutil.copytree(copy, gateway.data)
    gateway.start_control()
    wait_until(lambda: gateway.workers() and answers(site), 10)
    gateway.api.put("/v1/routes/crash-test-1", route("crash-test-1", [site.host], "crash-test-1.static", "/back"))
    assert site.get("/back").status == 200 and site.get("/other").status == 404


def test_a_port_in_use_degrades_that_listener_alone_and_heals(new_gateway, authority, echo):
    gateway = new_gateway()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", gateway.https_port))
        taken.listen()
        gateway.start()
        site = Site(gateway, authority, "degraded.test")
        site.serve(echo.port)
        assert answers(site), "the other listener serves"
        degraded = wait_until(lambda: gateway.workers()[0]["degraded"], 10, "the worker tells of the port")
        assert "in use" in json.dumps(degraded) or "address" in json.dumps(degraded).lower()
    wait_until(lambda: answers(site, tls=True), 20, "the listener comes up when the port is free")
    wait_until(lambda: not gateway.workers()[0]["degraded"], 20)


def test_one_bad_object_is_nacked_with_its_reason_and_holds_up_nothing_else(new_gateway, authority, tmp_path):
    """On its way to the worker a route is damaged. The worker refuses that version and names the route; what it served
    serves on; a later change of another route goes live; and when the route is well again, so does it."""
    gateway = new_gateway()
    damaging = threading.Event()

    def change(kind, name, data):
        return data[:-1] if damaging.is_set() and (kind, name) == (channel.ROUTE, "bad") and data else data

    real, gateway.worker.command = gateway.channel, [
        str(gateway.folder / "tampered.sock") if part == str(gateway.channel) else part
        for part in gateway.worker.command
    ]
    with channel.Tamper(gateway.folder / "tampered.sock", real, change), EchoServer("a") as a, EchoServer("b") as b:
        gateway.start()
        site = Site(gateway, authority, "nack.test", https="off")
        gateway.api.create_static("a", a.port)
        gateway.api.create_static("b", b.port)
        gateway.api.post("/v1/routes", route("bad", [site.host], "a.static", "/bad"))
        gateway.api.post("/v1/routes", route("good", [site.host], "a.static", "/good"))
        assert [site.get(path).get("x-backend") for path in ("/bad", "/good")] == ["a", "a"]

        damaging.set()
        saved = gateway.api.expect(
            200, "PUT", "/v1/routes/bad?wait=live", route("bad", [site.host], "b.static", "/bad")
        )
        assert saved.headers["Causeway-Live"] in ("rejected", "true")
        worker = wait_until(lambda: next((w for w in gateway.workers() if w["heldBack"]), None), 10, "held back")
        shown = json.dumps(worker)
        assert "bad" in json.dumps(worker["heldBack"]) and "damaged" in shown, shown
        assert site.get("/bad").get("x-backend") == "a", "the last good form serves on"

        gateway.api.expect(200, "PUT", "/v1/routes/good?wait=live", route("good", [site.host], "b.static", "/good"))
        wait_until(lambda: site.get("/good").get("x-backend") == "b", 10, "the other route's change is live")
        assert site.get("/bad").get("x-backend") == "a"

        damaging.clear()
        gateway.api.put("/v1/routes/bad", route("bad", [site.host], "b.static", "/bad/now"))
        wait_until(lambda: site.get("/bad/now").get("x-backend") == "b", 10, "the route is well again")
        wait_until(lambda: not gateway.workers()[0]["heldBack"], 10)


def test_a_worker_that_refuses_everything_is_shown_with_its_reasons(one):
    gateway, site = one
    with channel.FakeWorker(gateway.channel, "stubborn", lambda version, objects: [(0, "", "", "not in the mood")]):
        shown = wait_until(lambda: next((w for w in gateway.workers() if "mood" in json.dumps(w)), None), 10)
        assert "stubborn" in json.dumps(shown)
        # It does not stand in the way of the other worker.
        gateway.api.expect(
            200,
            "PUT",
            "/v1/routes/crash-test-1?wait=live&timeout=1s",
            route("crash-test-1", [site.host], "crash-test-1.static", "/fine"),
        )
        wait_until(lambda: site.get("/fine").status == 200, 10)


def test_a_stuck_worker_does_not_block_the_api(one):
    gateway, site = one
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(gateway.channel))
        for turn in range(20):
            gateway.api.put(
                "/v1/routes/crash-test-1",
                route("crash-test-1", [site.host], "crash-test-1.static", f"/s{turn}"),
                live=False,
            )
        wait_until(lambda: site.get("/s19").status == 200, 10)


def test_a_second_control_plane_on_the_same_folder_is_refused(one):
    from integration.process import Process

    gateway, _ = one
    second = Process(
        "second",
        [part if part != str(gateway.admin_port) else "0" for part in gateway.control.command],
        gateway.folder / "second.log",
    )
    second.start()
    assert second.wait_exit(10) != 0
    assert str(gateway.control.pid) in second.log_text(), "it should name the process that holds the folder"
    assert gateway.api.get("/v1/domains")
