"""10,000 certificates on one listener, replaced one by one and a thousand at once while clients shake hands for names at random and keep streams
open: each sees a certificate that is right for its name, none fails. By hand: `scripts/test --soak -- -k certificates`."""

import datetime
import hashlib
import random
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from integration.live import Streams
from integration.site import Site
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.running import RunningPeer
from peers.wire import Wire
from soak.test_concurrency import memory, milliseconds

SINGLE, TOGETHER, CLIENTS = 300, 1_000, 3
# In MiB, of the worker with two loops: all that it has with 10,000 certificates that were all asked for, and what it grows by when the same
# 1,000 are replaced once more. The first time malloc makes room for old and new side by side; 8 would say that they stay.
MOST, LEFT_BEHIND = 160, 4


class Shelf:
    """All certificates that were ever made for each name, the newest last, as SHA-256; which of them the clients may see."""

    def __init__(self, names):
        self.names = names
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(16)]
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.keys = [(key, key.private_bytes(*form).decode()) for key in keys]
        self.made = {name: [] for name in names}
        self.live = dict.fromkeys(names, 0)  # the oldest that may be seen

    def issue(self, name):
        """The API's body of a new one; from now on it may be seen."""
        key, pem = self.keys[hash(name) % len(self.keys)]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2049, 1, 1))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        cert = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        self.made[name].append(hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert)).digest())
        return {"name": name.replace(".", "-"), "cert": cert, "key": pem}

    def replaced(self, names):
        """The newest of these is live: a handshake that begins now must see it."""
        for name in names:
            self.live[name] = len(self.made[name]) - 1


class Handshakes:
    """Clients that open a connection for a name at random, look at its certificate, ask for something and leave."""

    def __init__(self, gateway, shelf):
        self.gateway, self.shelf, self.over = gateway, shelf, threading.Event()
        self.count, self.newer, self.failures = 0, 0, []
        self.recent = shelf.names[:1]
        self.threads = [threading.Thread(target=self.run, args=(random.Random(seed),)) for seed in range(CLIENTS)]

    def run(self, chance):
        while not self.over.is_set():
            # As often one that has just changed.
            self.look(chance.choice(self.recent if chance.random() < 0.5 else self.shelf.names))

    def look(self, name):
        oldest = self.shelf.live[name]
        try:
            with Wire.connect(self.gateway.https_port, tls=True, sni=name) as wire:
                shown = hashlib.sha256(wire.sock.getpeercert(True)).digest()
                # Answered by the gateway itself: the host has no route.
                assert wire.request("GET", "/", name).status == 404
            assert shown in self.shelf.made[name], "the certificate is that of another name"
            place = self.shelf.made[name].index(shown)
            assert place >= oldest, f"certificate {place} of {name}, though {oldest} was live"
            self.newer += place > 0
            self.count += 1
        except Exception as error:  # whatever it is, a client has seen it
            self.failures.append(f"{name}: {error!r}")

    def goes_on(self, more=100):
        enough = self.count + more
        wait_until(lambda: self.count >= enough or self.failures, 30, "handshakes go on")
        assert not self.failures, self.failures[:3]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)


@pytest.mark.timeout(0)
def test_certificates_are_replaced_under_load(new_gateway, authority, request):
    gateway = new_gateway(access_log="off").start()
    api, live = gateway.api, "?wait=live&timeout=60s"
    shelf = Shelf([f"h{number:05d}.many.test" for number in range(request.config.getoption("--certificates"))])

    def apply(names, **more):
        """New certificates for these, and whatever more at once; seconds until all of it is live."""
        begun = time.perf_counter()
        document = {"tlsCertificates": [shelf.issue(name) for name in names], **more}
        answer = api.expect(200, "POST", f"/v1/apply{live}", document, timeout=120)
        assert answer.headers["Causeway-Live"] == "true"
        shelf.replaced(names)
        return time.perf_counter() - begun

    def domains(names):
        return [{"name": name, "enableHttps": "on", "certIdentifier": name.replace(".", "-")} for name in names]

    batches = [shelf.names[at : at + TOGETHER] for at in range(0, len(shelf.names), TOGETHER)]
    with RunningPeer("grpc_server.py", "--kinds") as calls, RunningPeer("ws_echo.py") as echo, EchoServer() as plain:
        site = Site(gateway, authority, "open.test")
        site.serve(calls.port, protocol="GRPC")
        site.serve(echo.port, path="/ws")
        site.serve(plain.port, path="/plain")
        empty = memory(gateway.worker)
        figures = {"load, s": sum(apply(batch, domains=domains(batch)) for batch in batches)}
        loaded = memory(gateway.worker)
        chance = random.Random(1)
        with Streams(site) as streams, site.http1() as kept:

            def nobody_was_cut(word):
                streams.speak(word)
                assert kept.request("GET", "/plain", site.host).status == 200, "on the connection of before"

            nobody_was_cut("before")
            with Handshakes(gateway, shelf) as clients:
                clients.goes_on()
                single = []
                for number in range(SINGLE):
                    name = chance.choice(shelf.names)
                    clients.recent = [*clients.recent[-20:], name]
                    body = shelf.issue(name)
                    begun = time.perf_counter()
                    answer = api.expect(200, "PUT", f"/v1/tls-certificates/{body['name']}{live}", body)
                    assert answer.headers["Causeway-Live"] == "true"
                    single.append(time.perf_counter() - begun)
                    shelf.replaced([name])
                    if number % 50 == 0:
                        nobody_was_cut(f"single {number}")
                clients.goes_on()
                figures["one, ms"] = milliseconds(single)
                assert max(single) < 2, figures
                # What a certificate takes once a client has asked for it is no growth of later.
                for name in shelf.names:
                    clients.look(name)
                steps = []
                for turn in range(3):
                    clients.recent = batches[0]
                    figures[f"together {turn}, s"] = apply(clients.recent)
                    clients.goes_on(300)
                    nobody_was_cut(f"together {turn}")
                    steps.append(memory(gateway.worker))
            nobody_was_cut("after")
        wait_until(lambda: gateway.metric("causeway_config_snapshots_held") == 1, 10, "older snapshots are gone")
        figures |= {"handshakes": clients.count, "newer": clients.newer, "MiB": [round(each) for each in (empty, loaded, *steps)]}
        print(figures)
        assert not clients.failures, clients.failures[:3]
        assert clients.newer > 300
        assert gateway.metric("causeway_tls_errors_total") == 0
        assert max(steps) < MOST and steps[-1] - steps[-2] < LEFT_BEHIND, figures
    gateway.stop()
