"""kill -9 again and again, at random moments: of the control plane during writes (`--control-kills`, 1,000 before an issue is called
done), of the worker during publishes (`--worker-kills`, 200). By hand: `scripts/test --soak -- -k kill`; `--kill-seed` repeats a run.

What a kill cannot show is the order of syncs (the kernel's cache survives it): `test_durability.py` watches that."""

import contextlib
import random
import sqlite3
import threading

import pytest

from integration.api import Api, route
from integration.site import Site
from integration.waiting import wait_until


@pytest.fixture
def seed(request):
    seed = request.config.getoption("--kill-seed")
    print("seed", seed)
    return seed


class Writers:
    """Three that create and delete domains until they are told to stop; they know what was acknowledged."""

    def __init__(self, gateway, turn):
        self.gateway, self.turn = gateway, turn
        self.kept, self.gone, self.stop = set(), set(), threading.Event()
        self.written = threading.Semaphore(0)
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(3)]
        for each in self.threads:
            each.start()

    def write(self, number):
        api, count = Api(self.gateway.admin_port, self.gateway.api.user, self.gateway.api.password), 0
        while not self.stop.is_set():
            name = f"t{self.turn}-w{number}-{count}.test"
            with contextlib.suppress(OSError):
                if api.call("POST", "/v1/domains", {"name": name}).status_code == 201:
                    self.kept.add(name)
                    self.written.release()
                    if count % 2:
                        # From the request on it may be gone, acknowledged or not.
                        self.kept.discard(name)
                        if api.call("DELETE", f"/v1/domains/{name}").status_code == 204:
                            self.gone.add(name)
                count += 1
                continue
            return

    def end(self):
        self.stop.set()
        for each in self.threads:
            each.join(30)


@pytest.mark.timeout(0)
def test_no_acknowledged_write_is_lost_by_kills_of_the_control_plane(new_gateway, authority, echo, request, seed):
    chance = random.Random(seed)
    gateway = new_gateway().start()
    site = Site(gateway, authority, "kills.test")
    site.serve(echo.port)
    kept, gone = set(), set()
    for turn in range(request.config.getoption("--control-kills")):
        writers = Writers(gateway, turn)
        for _ in range(chance.randint(1, 12)):
            assert writers.written.acquire(timeout=30), f"turn {turn}: nothing is written"
        # Anywhere in the next write.
        threading.Event().wait(chance.random() * 0.01)
        gateway.control.kill9()
        writers.end()
        kept |= writers.kept
        gone |= writers.gone
        gateway.start_control()
        names = {each["name"] for each in gateway.api.get("/v1/domains")}
        assert kept <= names, f"turn {turn}: acknowledged creations are missing: {sorted(kept - names)[:5]}"
        assert not gone & names, f"turn {turn}: acknowledged deletions came back: {sorted(gone & names)[:5]}"
        assert site.get("/").status == 200
        if turn % 20 == 19:
            tidy(gateway, kept)
    agree(gateway)
    gateway.stop()
    with contextlib.closing(sqlite3.connect(gateway.data / "causeway.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        numbers = [row[0] for row in database.execute("SELECT number FROM version ORDER BY number")]
    assert len(numbers) == len(set(numbers))


def tidy(gateway, kept):
    """A list of thousands would make the later turns slower than the first ones."""
    for name in sorted(kept):
        gateway.api.delete(f"/v1/domains/{name}", live=False)
    kept.clear()


def agree(gateway):
    """The worker serves the newest version, and says so."""

    def same():
        newest = gateway.api.get("/v1/versions?pageSize=1")[0]["version"]
        return [str(each["version"]) for each in gateway.workers()] == [newest]

    wait_until(same, 20, "the worker serves the newest version")


@pytest.mark.timeout(0)
def test_the_disk_copy_is_whole_after_kills_of_the_worker(new_gateway, authority, echo, request, seed):
    chance = random.Random(seed)
    gateway = new_gateway().start()
    site = Site(gateway, authority, "kills.test")
    site.serve(echo.port)
    for turn in range(request.config.getoption("--worker-kills")):
        stop = threading.Event()

        def publish():
            api, count = Api(gateway.admin_port, gateway.api.user, gateway.api.password), 0
            while not stop.is_set():
                count += 1
                name = f"t{turn}-{count % 7}"
                body = route(name, [site.host], "kills-test-1.static", f"/{turn}/{count}")
                if api.call("PUT", f"/v1/routes/{name}", body).status_code == 404:
                    api.call("POST", "/v1/routes", body)

        publisher = threading.Thread(target=publish)
        publisher.start()
        threading.Event().wait(chance.random() * 0.3)
        gateway.worker.kill9()
        stop.set()
        publisher.join(30)
        alone = turn % 4 == 3
        if alone:
            gateway.control.kill9()
        gateway.start_worker()
        assert site.get("/").status == 200, f"turn {turn}"
        assert not list(gateway.state.rglob("*.damaged")), f"turn {turn}: a file was damaged"
        if alone:
            gateway.start_control()
        agree(gateway)
        for number in range(7):
            gateway.api.call("DELETE", f"/v1/routes/t{turn}-{number}")
