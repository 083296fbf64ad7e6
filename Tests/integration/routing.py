"""Rows of a route table for one test, and which back end a request reaches."""

import json

from integration.api import route
from peers.wire import Wire


class Rows:
    """Routes with their domains; `add` makes them live, `remove` takes all of them away.

    A row: (hosts, path kind, path, backend, more fields).
    """

    def __init__(self, gateway):
        self.gateway = gateway
        self.routes, self.domains = [], []

    def add(self, *rows):
        """The answers of the API, in order."""
        answers = []
        for hosts, kind, path, backend, *more in rows:
            for host in hosts:
                if host not in self.domains:
                    self.gateway.api.create_domain(host)
                    self.domains.append(host)
            name = f"row-{len(self.routes)}"
            fields = more[0] if more else {}
            answers.append(self.gateway.api.post("/v1/routes", route(name, hosts, f"{backend}.static", path, kind, **fields)))
            self.routes.append(name)
        return answers

    def remove(self):
        for name in self.routes:
            self.gateway.api.delete(f"/v1/routes/{name}", live=False)
        for host in self.domains:
            self.gateway.api.delete(f"/v1/domains/{host}", live=False)


def send(gateway, host, target, *fields, method="GET", body=b"", tls=False):
    """The gateway's answer to one request on a connection of its own."""
    port = gateway.https_port if tls else gateway.http_port
    with Wire.connect(port, tls=tls, sni=host if tls else None) as wire:
        return wire.request(method, target, host, *fields, body=body)


def ask(gateway, host, target, *fields, method="GET"):
    """The name of the back end that answers, or the status when none does; and what the back end saw."""
    answer = send(gateway, host, target, *fields, method=method)
    if answer.status != 200:
        return answer.status, None
    if method == "HEAD":
        return answer.get("x-backend"), None
    saw = json.loads(answer.body)
    return saw["backend"], saw


def who(gateway, host, target, *fields, method="GET"):
    return ask(gateway, host, target, *fields, method=method)[0]
