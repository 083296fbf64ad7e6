"""A gateway before two others: one of those is drained under load, and its GOAWAYs (RFC 9113 §6.8) cost no call."""

import signal

import pytest

from integration.site import Site
from integration.test_config_live import Load, load_tools, steady_backend  # noqa: F401 (fixtures)
from integration.waiting import PATIENCE, wait_until


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "TLS"])
def test_a_drain_behind_fails_no_call(new_gateway, authority, load_tools, steady_backend, tls):  # noqa: F811
    front = new_gateway().start()
    behind = [new_gateway(drain_timeout=10).start() for _ in range(2)]
    identity = authority.issue("calls.test")
    for each in behind:
        Site(each, authority, "calls.test", identity=identity).serve(steady_backend, protocol="GRPC")
    site = Site(front, authority, "calls.test", identity=identity)
    port = "https_port" if tls else "http_port"
    secure = {"protocol": "grpcs", "sni": "calls.test", "tlsCa": authority.cert} if tls else {"protocol": "grpc"}
    front.api.create_static("behind", *(getattr(each, port) for each in behind), **secure)
    front.api.create_route("calls", [site.host], "behind.static")

    def calls(gateway):
        return gateway.metric("causeway_downstream_requests_total")

    def goes_on(gateway, count=200):
        enough = calls(gateway) + count
        wait_until(lambda: calls(gateway) >= enough, 15, "calls are answered there")

    load = Load(load_tools, site, seconds=8 * PATIENCE, rate=800, streams=0)
    drained, other = behind
    for each in behind:
        goes_on(each)
    drained.worker.signal(signal.SIGTERM)
    assert drained.worker.wait_exit(10) == 0
    # Of a connection in use both: the one that warns, and the last.
    assert front.metric("causeway_upstream_goaways_total") >= 2
    goes_on(other)
    assert load.running, "the load was too short to see it all"
    result = load.finish()
    assert result["errors"] == 0 and result["ok"] > 2_000, result
    # Each was served once: what the drained one had taken it answered, and nothing of that was asked again elsewhere.
    wait_until(lambda: len(front.access_log()) == result["ok"], 5, "a record of each call")
    assert {record["flag"] for record in front.access_log()} == {"-"}
    served = lambda: [record for each in behind for record in each.access_log()]  # noqa: E731
    wait_until(lambda: len(served()) >= result["ok"], 5, "and there")
    assert len(served()) == result["ok"] and {record["tls"] for record in served()} == {"TLSv1.3" if tls else ""}
