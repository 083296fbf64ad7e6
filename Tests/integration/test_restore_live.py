"""An older database comes back under live traffic, as a backup by `restore` or as a file that somebody copied: a new history, which
the worker takes whole. Nothing that runs is cut by it, and routes become those of then."""

import shutil

import pytest

from integration.live import Callers, Streams
from integration.site import Site
from integration.test_backup import back_up, restore
from integration.test_config_live import Load, load_tools, steady_backend  # noqa: F401 (fixtures)
from integration.waiting import wait_until


def by_restore(gateway, kept):
    done = restore(kept, gateway.data, "")
    assert done.returncode == 0, done.stderr


def by_copy(gateway, kept):
    for path in gateway.data.glob("causeway.db*"):
        path.unlink()
    shutil.copy(kept, gateway.data / "causeway.db")


def keep_copy(gateway, path):
    """The file as it is while nobody has it open."""
    gateway.control.stop()
    assert not (gateway.data / "causeway.db-wal").exists()
    shutil.copy(gateway.data / "causeway.db", path)
    gateway.start_control()
    wait_until(gateway.workers, 10, "the worker is connected")
    return path


@pytest.mark.parametrize("way", [by_restore, by_copy])
def test_nothing_is_cut_by_the_history_of_an_older_database(
    new_gateway, authority, tmp_path, echo, ws_server, grpc_server, load_tools, steady_backend, way  # noqa: F811
):
    gateway = new_gateway().start()
    api = gateway.api
    site = Site(gateway, authority, "older.test")
    site.serve(ws_server.port, path="/ws")
    site.serve(grpc_server.port, protocol="GRPC", path="/causeway.test.Kinds")
    site.serve(echo.port, path="/caller")
    calls = Site(gateway, authority, "calls.test")
    calls.serve(steady_backend, protocol="GRPC")
    gone = site.serve(echo.port, path="/gone")
    older = tmp_path / "older.db"
    kept = back_up(api, older, None) if way is by_restore else keep_copy(gateway, older)
    histories = {api.get("/v1/versions")[0]["history"]}

    # Since then one route went, two came; streams run on one that the older database does not know, and on both that it does.
    api.delete(f"/v1/routes/{gone['name']}")
    site.serve(ws_server.port, path="/later/ws")
    site.serve(echo.port, path="/later")
    assert [site.get(path).status for path in ("/gone", "/later")] == [404, 200]
    load = Load(load_tools, calls, seconds=5, streams=4)
    with Streams(site) as streams, site.websocket("/later/ws") as later, Callers(site) as callers:
        streams.speak("before")
        gateway.control.stop()
        way(gateway, kept)
        streams.speak("without a control plane")
        gateway.start_control()
        wait_until(lambda: [site.get(path).status for path in ("/gone", "/later")] == [200, 404], 20, "the older routes are back")
        histories.add(api.get("/v1/versions")[0]["history"])
        streams.speak("in the new history")
        later.send("its route has gone")
        assert later.recv(timeout=10) == "its route has gone"
        # And changes go on from there.
        saved = api.expect(201, "POST", "/v1/domains?wait=live", {"name": "after.test"})
        assert saved.headers["Causeway-Live"] == "true"
        histories.add(api.get("/v1/versions")[0]["history"])
        streams.speak("after a change")
        callers.goes_on()
    result = load.finish()
    assert callers.failures == []
    assert result["errors"] == 0 and result["ok"] > 0 and result["goaways"] == 0, result
    assert len(histories) == 2, "one history from before, one since"
    # The load goes away from its own streams at the end.
    flags = {record["flag"] for record in gateway.access_log() if record["authority"] == site.host}
    assert flags <= {"-", "NR"}, flags
    # The worker's disk has the new history.
    gateway.control.stop()
    gateway.worker.kill9()
    gateway.start_worker()
    assert [site.get(path).status for path in ("/gone", "/later", "/caller")] == [200, 404, 200]
