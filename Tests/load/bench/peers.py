"""How each proxy is started for one setup: its configuration filled in, one worker thread, on the proxies' cores.

A setup is a kind of certificate and a number of further hosts; all of them go to the same back end. Configurations are the files
of Tests/load/peers; a list of hosts is made here, in each proxy's own language.
"""

import dataclasses
import json
import shutil
import sys
import time
import typing

from integration.gateway import Gateway

from bench.site import AUTHORITY, LOAD, ROOT, free_port, wait_for_port
from bench.snapshot import LargeWorker, host_name

NAMES = ["worker", "spike", "nginx", "haproxy", "nghttpx", "envoy", "caddy"]


@dataclasses.dataclass(frozen=True)
class Setup:
    certificate: str = "rsa"
    hosts: int = 0


@dataclasses.dataclass
class Running:
    """A proxy that serves. `begun` is the moment of its execve(2): what a start takes does not count Python's fork."""

    name: str
    port: int
    process: typing.Any
    begun: float
    stop: typing.Callable[[], None]


def start(site, name, setup):
    return STARTERS[name](site, setup)


def is_there(site, name):
    return name != "spike" or site.spike is not None


def venv_tool(name):
    return ROOT / ".venv/bin" / name


# ---- the gateway itself


def _worker(site, setup):
    """The worker as an administrator sets it up; with many hosts from a disk copy."""
    if setup.hosts:
        return large_worker(site, setup).start()
    folder = site.folder / f"gateway-{time.monotonic_ns()}"
    gateway = Gateway(folder, loops=1, access_log="off", worker_cores=site.proxy_cores, control_cores=site.load_cores)
    begun = time.monotonic()

    def stop():
        gateway.stop()
        shutil.rmtree(folder)

    try:
        gateway.start()
        certificate = site.certificates[setup.certificate]
        gateway.api.create_certificate("bench", certificate.path.read_text(), certificate.key.read_text())
        gateway.api.create_domain(AUTHORITY, https="on", certificate="bench")
        gateway.api.create_static("grpc", site.backend_port, protocol="grpc")
        gateway.api.create_static("echo", site.websocket_port, protocol="http")
        gateway.api.create_route("grpc", [AUTHORITY], "grpc.static", protocol="GRPC")
        gateway.api.create_route("echo", [AUTHORITY], "echo.static", path="/ws", match="EQUAL")
    except BaseException:
        gateway.abandon()
        raise
    return Running("worker", gateway.https_port, gateway.worker.process, begun, stop)


class PreparedWorker:
    """A worker with its disk copy ready, to be started as often as wanted."""

    def __init__(self, site, setup, **more):
        self.folder = site.folder / f"worker-{time.monotonic_ns()}"
        certificate = site.certificates[setup.certificate]
        self.large = LargeWorker(site, self.folder, certificate, setup.hosts, **more)

    def start(self):
        port, process, begun = self.large.start()
        return Running("worker", port, process, begun, self.large.stop)


def large_worker(site, setup, routes=1, certificates=False):
    """Made once for a site and setup: it takes a control plane and, with certificates, seconds."""
    key = (setup, routes, certificates)
    if key not in site.prepared:
        site.prepared[key] = PreparedWorker(site, setup, routes=routes, certificates=certificates)
    return site.prepared[key]


# ---- the peers


def _filled(site, setup, file, port, hosts):
    """A configuration with its @NAMES@ filled in."""
    certificate = site.certificates[setup.certificate]
    values = {
        "PORT": port,
        "BACKEND": site.backend_port,
        "WEBSOCKETS": site.websocket_port,
        "FOLDER": site.folder,
        "AUTHORITY": AUTHORITY,
        "CERTIFICATE": certificate.path,
        "KEY": certificate.key,
        "BUNDLE": certificate.bundle,
        "HOSTS": hosts,
    }
    text = (LOAD / "peers" / file).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = site.folder / f"{port}-{file}"
    path.write_text(text)
    return path


def _run(site, name, port, command, environment=None):
    process = site.start(command, site.proxy_cores, environment)
    return Running(name, port, process, time.monotonic(), lambda: site.end(process))


def _names(setup):
    return [host_name(number) for number in range(setup.hosts)]


def _nginx(site, setup):
    port = free_port()
    hosts = "\n    ".join(
        f"server {{ listen 127.0.0.1:{port} ssl http2; server_name {name}; location / {{ grpc_pass grpc://greeter; }} }}"
        for name in _names(setup)
    )
    return _run(site, "nginx", port, ["/usr/sbin/nginx", "-c", _filled(site, setup, "nginx.conf", port, hosts)])


def _haproxy(site, setup):
    port, hosts = free_port(), ""
    if setup.hosts:
        names = site.folder / f"{port}-hosts.map"
        names.write_text("".join(f"{name} greeter\n" for name in _names(setup)))
        hosts = f"use_backend %[req.hdr(host),field(1,:),lower,map_str({names})]"
    return _run(site, "haproxy", port, ["/usr/sbin/haproxy", "-f", _filled(site, setup, "haproxy.cfg", port, hosts)])


def _nghttpx(site, setup):
    port = free_port()
    hosts = "\n".join(f"backend=127.0.0.1,{site.backend_port};{name}/;proto=h2" for name in _names(setup))
    path = _filled(site, setup, "nghttpx.conf", port, hosts)
    return _run(site, "nghttpx", port, ["/usr/sbin/nghttpx", f"--conf={path}"])


def _envoy(site, setup):
    port = free_port()
    hosts = "\n                    ".join(
        f'- {{ name: {name}, domains: ["{name}"], routes: [{{ match: {{ prefix: / }}, '
        "route: { cluster: greeter, timeout: 0s } }] }"
        for name in _names(setup)
    )
    path = _filled(site, setup, "envoy.yaml", port, hosts)
    command = [venv_tool("envoy"), "-c", path, "--concurrency", 1, "--disable-hot-restart", "-l", "error"]
    return _run(site, "envoy", port, command)


def _caddy(site, setup):
    port = free_port()
    proxy = {
        "handler": "reverse_proxy",
        "flush_interval": -1,
        "transport": {"protocol": "http", "versions": ["h2c", "2"]},
        "upstreams": [{"dial": f"127.0.0.1:{site.backend_port}"}],
    }
    hosts = "".join(
        json.dumps({"match": [{"host": [name]}], "handle": [proxy], "terminal": True}) + ","
        for name in _names(setup)
    )
    path = _filled(site, setup, "caddy.json", port, hosts)
    # Go gives a process all cores that it sees; its folders must not be the user's.
    environment = {"GOMAXPROCS": "1", "XDG_CONFIG_HOME": str(site.folder), "XDG_DATA_HOME": str(site.folder)}
    return _run(site, "caddy", port, [venv_tool("caddy"), "run", "--config", path], environment)


def _spike(site, setup):
    """The engine without a gateway around it: gRPC to one back end."""
    port = free_port()
    certificate = site.certificates[setup.certificate]
    return _run(site, "spike", port, [site.spike, port, certificate.path, certificate.key])


STARTERS = {
    "worker": _worker,
    "spike": _spike,
    "nginx": _nginx,
    "haproxy": _haproxy,
    "nghttpx": _nghttpx,
    "envoy": _envoy,
    "caddy": _caddy,
}


def start_all(site, names, setup):
    """{name: Running}, each listening. A peer that does not start is an error of its own, told by the caller."""
    running, failed = {}, {}
    for name in names:
        try:
            running[name] = start(site, name, setup)
            wait_for_port(running[name].port, running[name].process)
        except Exception as error:  # one peer must not keep the others from being measured
            print(f"{name} did not start: {error}", file=sys.stderr)
            failed[name] = str(error)
            if name in running:
                running.pop(name).stop()
    return running, failed
