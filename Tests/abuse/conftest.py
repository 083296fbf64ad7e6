"""One gateway whose limits are low enough for a short test, and one without any, both with the worker alone on its core."""

import pytest

from abuse.harness import LOAD, OTHER_CORES, WORKER_CORES, Bench, bad, build_tools, report_of
from integration.gateway import Gateway
from integration.ports import free_port
from integration.site import Site

# Times are short, so that what is slow is found out within a test; rates and sizes are the defaults where not said here.
LOW = (
    "request-headers-timeout=500ms",
    "request-progress-timeout=500ms",
    "tls-handshake-timeout=500ms",
    "stream-stall-timeout=500ms",
    "max-handshakes=100",
    "max-connections=200",
    "memory-per-connection=4m",
)
NONE = (
    "request-headers-timeout=0",
    "request-progress-timeout=0",
    "tls-handshake-timeout=0",
    "stream-stall-timeout=0",
    "connection-idle-timeout=0",
    "max-handshakes=0",
    "max-connections=0",
    "memory-per-connection=0",
    "memory-per-loop=0",
    "memory-per-worker=0",
    "max-resets=0",
    "max-provoked-resets=0",
    "max-control-frames=0",
    "max-continuations=0",
    "header-decode-factor=0",
    "requests-per-turn=0",
)


def pytest_collection_modifyitems(config, items):
    """What only the full form has does not exist in the short one."""
    if config.getoption("--abuse-rounds") == 1:
        left = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def backend(tmp_path_factory):
    """Tests/load's gRPC back end, beside everything that is not the worker."""
    from integration.process import Process
    from integration.waiting import wait_until
    from peers.wire import Wire

    build_tools()
    port = free_port()
    log = tmp_path_factory.mktemp("backend") / "backend.log"
    process = Process("backend", [LOAD / "bin/grpc-backend", port], log, OTHER_CORES)
    process.start()

    def answers():
        try:
            Wire.connect(port).close()
            return True
        except OSError:
            return False

    wait_until(answers, 10, "the back end listens")
    yield port
    process.kill9()


def _bench(folder, authority, backend, settings):
    gateway = Gateway(
        folder, loops=1, access_log="off", worker_cores=WORKER_CORES, control_cores=OTHER_CORES, settings=settings
    )
    try:
        gateway.start()
        site = Site(gateway, authority, "abuse.test")
        site.serve(backend, protocol="GRPC")
        bench = Bench(gateway, site, backend)
        # What a worker needs that has served at all is not an abuse's.
        assert not bad(report_of(bench.good_client(1)))
        yield bench
        gateway.stop()
    finally:
        gateway.abandon()


@pytest.fixture(scope="module")
def limited(tmp_path_factory, authority, backend):
    yield from _bench(tmp_path_factory.mktemp("limited"), authority, backend, LOW)


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory, authority, backend):
    yield from _bench(tmp_path_factory.mktemp("unlimited"), authority, backend, NONE)


@pytest.fixture
def unlimited_files(tmp_path_factory, authority, backend):
    """Default limits, and as many open files as the system lets us have."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 10_000, f"8,000 connections at once need more than {hard} open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield from _bench(tmp_path_factory.mktemp("defaults"), authority, backend, ())
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
