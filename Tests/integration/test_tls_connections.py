"""TLS on connections that live side by side: handshakes that take turns, keys that change long after one."""

import shutil
import socket
import ssl
import subprocess

import pytest

from integration.site import Site
from peers.wire import tls_context

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class SlowHandshake:
    """A client that sends its handshake in pieces, when it is told to."""

    def __init__(self, gateway, host, version):
        self.sock = socket.create_connection(("127.0.0.1", gateway.https_port), 10)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = tls_context(("http/1.1",), version, version)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self.unsent = b""

    def goes_on(self):
        """Takes the handshake as far as it gets; true when it is over. What there is to send waits in `unsent`."""
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            self.unsent += self.outgoing.read()

    def send(self, count=None):
        piece, self.unsent = self.unsent[:count], self.unsent[count:] if count else b""
        self.sock.sendall(piece)

    def receive(self):
        self.incoming.write(self.sock.recv(65_536))

    def get(self, host):
        self.tls.write(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        self.unsent += self.outgoing.read()
        self.send()
        while True:
            self.receive()
            try:
                return self.tls.read(65_536)
            except ssl.SSLWantReadError:
                pass


@pytest.mark.parametrize("version", [V12, V13], ids=["TLS 1.2", "TLS 1.3"])
def test_handshakes_that_take_turns(gateway, authority, echo, version):
    sites = [Site(gateway, authority) for _ in range(2)]
    for site in sites:
        site.serve(echo.port)
    clients = [(site, SlowHandshake(gateway, site.host, version)) for _ in range(6) for site in sites]
    for _, client in clients:
        client.goes_on()
    for count in (7, 100, None):  # a record's head and a little, some of the hello, the rest
        for _, client in clients:
            client.send(count)
    # One leaves in the middle.
    clients.pop(3)[1].sock.close()
    waiting = [client for _, client in clients]
    while waiting:
        for client in waiting:
            client.receive()
        over = [client.goes_on() for client in waiting]
        for client in waiting:
            client.send()
        waiting = [client for client, done in zip(waiting, over) if not done]
    shown = {site.host: set() for site in sites}
    for site, client in clients:
        shown[site.host].add(client.tls.getpeercert(binary_form=True))
        assert client.get(site.host).startswith(b"HTTP/1.1 200 ")
        client.sock.close()
    assert all(len(each) == 1 for each in shown.values()) and len(set.union(*shown.values())) == 2


def test_keys_change_on_a_connection(site, gateway, echo):
    """`openssl s_client`: a line with K asks for new keys of both sides."""
    site.serve(echo.port)
    command = [shutil.which("openssl"), "s_client", "-connect", f"127.0.0.1:{gateway.https_port}", "-servername", site.host]
    peer = subprocess.Popen(
        [*command, "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    seen = bytearray()

    def read_until(condition):
        while not condition():
            data = peer.stdout.read(65_536)
            assert data, seen.decode(errors="replace")
            seen.extend(data)

    try:
        read_until(lambda: b"Verify return code" in seen)
        for turn in range(1, 4):
            peer.stdin.write(f"GET / HTTP/1.1\r\nhost: {site.host}\r\n\r\n".encode())
            read_until(lambda: seen.count(b"HTTP/1.1 200 ") == turn)
            peer.stdin.write(b"K\n")
            read_until(lambda: seen.count(b"KEYUPDATE") == turn)
    finally:
        peer.kill()
        peer.communicate()
