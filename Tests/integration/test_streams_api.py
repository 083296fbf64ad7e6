"""Live streams through the admin API: of all workers, filtered, ended, audited."""

import pytest
import requests
import websockets

from integration.waiting import wait_until


@pytest.fixture
def chat(site, ws_server):
    site.serve(ws_server.port)
    with site.websocket("/chat") as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
        yield site, socket


def listed(gateway, site, query=""):
    return [each for each in gateway.api.get(f"/v1/streams{query}") if each["authority"].startswith(site.host)]


def test_a_stream_is_listed_and_ended(gateway, chat):
    site, socket = chat
    [stream] = wait_until(lambda: listed(gateway, site), 10, "the stream is listed")
    assert stream["id"].startswith(f"{gateway.worker.pid}.") and stream["worker"] == str(gateway.worker.pid)
    assert (stream["protocol"], stream["path"], stream["messages_in"]) == ("websocket", "/chat", 1)
    assert listed(gateway, site, f"?route={stream['route']}") and not listed(gateway, site, "?route=no%26such")
    other = stream["id"].replace(f"{gateway.worker.pid}.", "1.")
    for unknown in (other, "x", "1.0-1/../..", f"{gateway.worker.pid}.0-999999"):
        assert gateway.api.call("DELETE", f"/v1/streams/{requests.utils.quote(unknown, safe='')}").status_code == 404
    gateway.api.delete(f"/v1/streams/{stream['id']}", live=False)
    with pytest.raises(websockets.ConnectionClosed):
        socket.recv(timeout=5)
    assert not listed(gateway, site)
    entry = gateway.api.get("/v1/audit?kind=stream")[0]
    assert (entry["action"], entry["name"], entry["actor"]) == ("close", stream["id"], "admin")


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_limits_are_checked(gateway, limit):
    assert gateway.api.call("GET", f"/v1/streams?limit={limit}").status_code == 400


def test_a_worker_that_is_away_is_named(new_gateway):
    gateway = new_gateway()
    gateway.start_control()
    gateway.api.initialize()
    answer = gateway.api.expect(200, "GET", "/v1/streams").json()
    assert answer["data"] == [] and str(gateway.inspect) in answer["warnings"][0]
