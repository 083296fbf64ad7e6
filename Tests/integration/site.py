"""A domain of a test's own on a gateway, with a certificate, and clients that speak to it."""

import itertools
import socket

import grpc
from websockets.sync.client import connect

from integration.api import route
from peers import http2
from peers.tls_bridge import tls_bridge
from peers.wire import Wire, tls_context

_numbers = itertools.count(1)


class Site:
    """`Site(gateway, authority)` is served on both ports under a name that no other test has."""

    def __init__(self, gateway, authority, host=None, https="on", identity=None, **domain):
        self.gateway, self.authority = gateway, authority
        self.host = host or f"site{next(_numbers)}.test"
        self.name = self.host.replace("*", "any").replace(".", "-")
        certificate = None
        if https != "off":
            self.identity = identity or authority.issue(self.host)
            certificate = self.name
            gateway.api.create_certificate(certificate, self.identity.chain, self.identity.key)
        self.domain = gateway.api.create_domain(self.host, https=https, certificate=certificate, **domain)
        self.routes = 0

    def serve(self, *ports, protocol=None, path="/", match="PRE", live=True, **more):
        """A source of these back ends and a route to it; returns the route's JSON."""
        self.routes += 1
        name = f"{self.name}-{self.routes}"
        self.gateway.api.create_static(name, *ports)
        return self.gateway.api.create_route(
            name,
            [self.host],
            f"{name}.static",
            path,
            match,
            live=live,
            **({"protocol": protocol} if protocol else {}),
            **more,
        )

    def route(self, name, service, path="/", match="PRE", **more):
        return self.gateway.api.post("/v1/routes", route(name, [self.host], service, path, match, **more))

    # ---- clients

    def channel(self, tls=True, **options):
        """A grpcio channel that names this host as SNI and authority."""
        unlimited = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            *options.items(),
        ]
        if tls:
            credentials = grpc.ssl_channel_credentials(self.authority.cert.encode())
            return grpc.secure_channel(
                f"127.0.0.1:{self.gateway.https_port}",
                credentials,
                [("grpc.ssl_target_name_override", self.host), *unlimited],
            )
        return grpc.insecure_channel(
            f"127.0.0.1:{self.gateway.http_port}", [("grpc.default_authority", self.host), *unlimited]
        )

    def http1(self, tls=True, **more):
        if tls:
            return Wire.connect(self.gateway.https_port, tls=True, sni=more.pop("sni", self.host), **more)
        return Wire.connect(self.gateway.http_port, **more)

    def http2(self, tls=True, **more):
        port = self.gateway.https_port if tls else self.gateway.http_port
        return http2.Client(port, tls=tls, sni=more.pop("sni", self.host), **more)

    def get(self, path, *fields, tls=False, method="GET", body=b""):
        """One HTTP/1.1 request on a connection of its own."""
        with self.http1(tls=tls) as wire:
            return wire.request(method, path, self.host, *fields, body=body)

    def websocket(self, path="/", tls=True, **more):
        options = {"compression": None, "max_size": None, "proxy": None, "ping_interval": None, **more}
        port = self.gateway.https_port if tls else self.gateway.http_port
        sock = options.pop("sock", None) or (
            tls_bridge(port, tls_context(), self.host) if tls else socket.create_connection(("127.0.0.1", port), 10)
        )
        # Whether the socket speaks TLS is its own affair: the client sees the same bytes.
        return connect(f"ws://{self.host}:{port}{path}", sock=sock, **options)
