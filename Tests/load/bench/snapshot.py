"""The worker with thousands of hosts: objects of one real host, published as often as wanted by a control plane of the test's own.

An administrator's 10,000 saves take minutes. Names are of equal length, so that the canonical bytes of one host, made by the
real control plane, become those of another by replacing the name in them; identities of their own are written field by field.
"""

import shutil
import subprocess
import time

from integration.gateway import Gateway
from integration.waiting import wait_until
from peers import channel

from bench.site import AUTHORITY, LOAD, BenchError

HOST, ROUTE, IDENTITY = "h00000", "r00000-0", "c00000"
PATH = "/demo.Echo"


def host_name(number):
    return f"h{number:05}.{AUTHORITY}"


def varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def field(tag, value):
    """A text or a secret in canonical form."""
    return bytes([tag]) + varint(len(value)) + value


def ordered(route, order):
    """A route's canonical bytes with another creation order, which follows its only host (tag 3)."""
    end = route.index(AUTHORITY.encode()) + len(AUTHORITY)
    assert route[end] == 3, "the order does not follow the host"
    rest = end + 1
    while route[rest] & 0x80:
        rest += 1
    return route[: end + 1] + varint(order) + route[rest + 1 :]


class LargeWorker:
    """A worker whose disk copy holds `hosts` virtual hosts with `routes` routes each, with a certificate each if wanted."""

    def __init__(self, site, folder, certificate, hosts, routes=1, certificates=False):
        self.site, self.folder = site, folder
        self.gateway = Gateway(
            folder, loops=1, access_log="off", worker_cores=site.proxy_cores, control_cores=site.load_cores
        )
        objects = self._multiplied(self._template(certificate), hosts, routes, certificates)
        self._publish(objects)

    def _template(self, certificate):
        """The objects of one host, from the real control plane."""
        gateway = self.gateway
        gateway.start_control()
        try:
            gateway.api.initialize()
            keys = {"cert": certificate.path.read_text(), "key": certificate.key.read_text()}
            gateway.api.post("/v1/tls-certificates", {"name": IDENTITY, **keys}, live=False)
            domain = {"name": host_name(0), "enableHttps": "on", "certIdentifier": IDENTITY}
            gateway.api.post("/v1/domains", domain, live=False)
            source = {"name": "bench", "type": "static", "domain": f"127.0.0.1:{self.site.backend_port}", "port": 80}
            gateway.api.post("/v1/service-sources", {**source, "protocol": "grpc"}, live=False)
            gateway.api.create_route(ROUTE, [host_name(0)], "bench.static", path=PATH, protocol="GRPC", live=False)
            with channel.FakeWorker(gateway.channel) as worker:
                wait_until(lambda: any(kind == channel.ROUTE for kind, _, _ in worker.objects), 20, "a publish")
                return worker.objects
        finally:
            gateway.api.close()
            gateway.control.stop()

    def _multiplied(self, template, hosts, routes, certificates):
        made = [entry for entry in template if entry[0] in (channel.LISTENER, channel.CLUSTER)]
        one = {kind: data for kind, _, data in template}
        pairs = self._certificates(hosts) if certificates else []
        if not certificates:
            made.append((channel.TLS_IDENTITY, IDENTITY, one[channel.TLS_IDENTITY]))
        for number, (chain, key) in enumerate(pairs):
            name = f"c{number:05}"
            made.append((channel.TLS_IDENTITY, name, field(1, name.encode()) + field(2, chain) + field(3, key)))
        for number in range(hosts):
            host, identity = f"h{number:05}", f"c{number if certificates else 0:05}"
            data = one[channel.VIRTUAL_HOST].replace(HOST.encode(), host.encode())
            made.append((channel.VIRTUAL_HOST, host_name(number), data.replace(IDENTITY.encode(), identity.encode())))
            for index in range(routes):
                name = f"r{number:05}-{index}"
                data = one[channel.ROUTE].replace(ROUTE.encode(), name.encode()).replace(HOST.encode(), host.encode())
                # The first route is the one that calls take; the others have a path of their own, as long.
                if index > 0:
                    data = data.replace(PATH.encode(), b"/another-%d" % index)
                made.append((channel.ROUTE, name, ordered(data, number * routes + index + 1)))
        return made

    def _certificates(self, count):
        """[(chain, key)] of P-256, each for one host."""
        folder = self.folder / "certificates"
        folder.mkdir()
        subprocess.run([LOAD / "bin/make-certificates", str(count), AUTHORITY, folder], check=True)
        pairs = []
        for number in range(count):
            pem = (folder / f"{number:05}.pem").read_bytes()
            split = pem.index(b"-----BEGIN CERTIFICATE")
            pairs.append((pem[split:], pem[:split]))
        shutil.rmtree(folder)
        return pairs

    def _publish(self, objects):
        """Leaves `objects` as the worker's disk copy."""
        gateway = self.gateway
        gateway.channel.unlink(missing_ok=True)
        with channel.FakeControl(gateway.channel, objects) as control:
            gateway.start_worker(wait=False)
            try:
                wait_until(lambda: control.answers, 120, "the worker's answer")
                kind, payload = control.answers[0]
                if kind != channel.ACK:
                    raise BenchError(f"the worker refused {len(objects)} objects: {payload[32:400]}")
            finally:
                gateway.worker.stop()
        gateway.channel.unlink(missing_ok=True)

    def start(self):
        """The worker alone, from its disk copy; returns (port, process, the moment of its execve)."""
        self.gateway.worker.start()
        return self.gateway.https_port, self.gateway.worker.process, time.monotonic()

    def stop(self):
        if self.gateway.worker.running and self.gateway.worker.stop() != 0:
            raise BenchError(f"the worker ended badly:\n{self.gateway.worker.log_text()[-2000:]}")
