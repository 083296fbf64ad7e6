"""Fixtures: one gateway for a module (`gateway`), gateways that a test may break (`new_gateway`), a CA, peers."""

import os

# The tests fork while grpcio runs: its own handlers for that end the child now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import pytest

from integration.certificates import Authority
from integration.gateway import Gateway
from integration.routing import Rows
from integration.site import Site
from peers.http1 import EchoServer
from peers.running import RunningPeer

_running = []


def pytest_addoption(parser):
    parser.addoption(
        "--soak-iterations", type=int, default=30, help="calls of each soak case among gRPC's interoperability tests"
    )
    parser.addoption("--soak-minutes", type=float, default=60, help="how long the soak test runs")
    parser.addoption("--abuse-seconds", type=float, default=1.5, help="how long each abuse goes on")
    parser.addoption(
        "--abuse-rounds", type=int, default=1, help="runs of each abuse; with more than one also those without limits"
    )
    parser.addoption("--abuse-report", help="file for what each run measured, a JSON object a line")
    parser.addoption("--schema-examples", type=int, default=5, help="requests by chance for each operation of the API")
    parser.addoption("--bad-bodies", type=int, default=2000, help="malformed bodies that the API gets")
    parser.addoption("--schema-seed", type=int, default=1, help="what chance begins with")
    parser.addoption("--publishes", type=int, default=1000, help="publishes while streams run that they do not concern")
    parser.addoption("--publish-streams", type=int, default=500, help="of these streams, of each of two kinds")
    parser.addoption("--control-kills", type=int, default=1000, help="kills of the control plane during writes")
    parser.addoption("--worker-kills", type=int, default=200, help="kills of the worker during publishes")
    parser.addoption("--kill-seed", type=int, default=1, help="what chance begins with")
    parser.addoption("--concurrency-seconds", type=float, default=60, help="how long 16 clients write at once")
    parser.addoption("--certificates", type=int, default=10_000, help="of one listener, replaced while clients shake hands")
    parser.addoption("--soak-report", help="file for what the soak test measured, as JSON")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what both processes said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for number, gateway in enumerate(_running):
            report.sections.append((f"gateway {number + 1} in {gateway.folder}", gateway.logs()))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, request):
    """A running gateway that the tests of a module share; they keep apart by domain names. A module may set LOOPS."""
    made = Gateway(tmp_path_factory.mktemp("gateway"), loops=getattr(request.module, "LOOPS", 2))
    _running.append(made)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.abandon()
        _running.remove(made)


@pytest.fixture
def new_gateway(tmp_path):
    """Makes gateways that one test may kill; not yet started."""
    made = []

    def make(**options):
        one = Gateway(tmp_path / f"gateway{len(made) + 1}", **options)
        made.append(one)
        _running.append(one)
        return one

    yield make
    for one in made:
        one.abandon()
        _running.remove(one)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def site(gateway, authority):
    """A domain with a certificate on the module's gateway, for this test alone."""
    return Site(gateway, authority)


@pytest.fixture
def echo():
    with EchoServer() as server:
        yield server


@pytest.fixture(scope="module")
def grpc_server():
    """grpcio with Greeter, reflection and Kinds, as a process of its own."""
    with RunningPeer("grpc_server.py", "--kinds") as peer:
        yield peer


@pytest.fixture(scope="module")
def ws_server():
    """A WebSocket echo as a process of its own."""
    with RunningPeer("ws_echo.py") as peer:
        yield peer


@pytest.fixture(scope="module")
def backends(gateway):
    """Three echoes that say their names: services v1.static, v2.static, v3.static."""
    servers = {name: EchoServer(name) for name in ("v1", "v2", "v3")}
    for name, server in servers.items():
        gateway.api.create_static(name, server.port)
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def table(gateway, backends):
    """`table(rows)` makes routes to these for one test and takes them away after it, domains included."""
    rows = Rows(gateway)
    yield rows.add
    rows.remove()
