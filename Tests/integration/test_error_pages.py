"""`custom-http-errors`: in place of such an answer the client gets what the default back end says about it."""

import json

import pytest

from integration.api import route
from integration.ports import free_port
from integration.site import Site
from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Wire
from peers.ws_http2 import open_connect

LOOPS = 1
NGINX = "nginx.ingress.kubernetes.io/"


@pytest.fixture
def site(gateway, authority):
    return Site(gateway, authority)


class Answers(RawServer):
    """Reads whole requests and answers each with the status that its path ends in."""

    def __init__(self, **more):
        self.seen = []
        super().__init__(self._answer, **more)

    def _answer(self, wire):
        while True:
            request = wire.read_request()
            self.seen.append(request)
            status = request.target.split("?")[0].rsplit("/", 1)[1]
            wire.send(f"HTTP/1.1 {status} Any\r\nX-From: service\r\nContent-Length: 4\r\n\r\nown\n")


def serve(site, port, page_port, errors="404,503", page_protocol="http", path="/", **more):
    name = f"{site.name}{path.replace('/', '-')}"
    site.gateway.api.create_static(f"{name}-s", port)
    site.gateway.api.create_static(f"{name}-page", page_port, protocol=page_protocol)
    configs = {f"{NGINX}custom-http-errors": errors, f"{NGINX}default-backend": f"{name}-page.static"}
    return site.route(name, f"{name}-s.static", path, customConfigs=configs, **more)


def test_what_the_error_page_is_asked_and_who_gets_it(site, gateway):
    with Answers() as service, EchoServer("page") as page:
        serve(site, service.port, page.port)
        with site.http1() as wire:
            asked = wire.request(
                "POST", "/a/503?b=1", site.host, ("Accept", "application/json"), ("Content-Type", "text/a"), ("X-Code", "200"),
                ("X-Other", "kept"), body=b"some body",
            )  # fmt: skip
            assert asked.status == 200 and asked.get("x-backend") == "page" and asked.get("x-from") is None
            seen = json.loads(asked.body)
            fields = {name.lower(): value for name, value in seen["headers"]}
            assert (seen["method"], seen["target"], seen["host"], seen["body_length"]) == ("GET", "/", site.host, 0)
            assert (fields["x-code"], fields["x-original-uri"]) == ("503", "/a/503?b=1")
            assert (fields["x-format"], fields["x-ingress-name"]) == ("application/json", f"{site.name}-")
            assert fields["x-other"] == "kept" and fields["x-forwarded-proto"] == "https"
            assert not {"content-type", "content-length", "transfer-encoding"} & fields.keys()
            # The connection of the client goes on; others than these statuses are the service's own.
            for status in (200, 404, 500, 404):
                answer = wire.request("GET", f"/{status}", site.host)
                assert (answer.get("x-backend") or answer.get("x-from")) == ("page" if status == 404 else "service")
        assert [each.body for each in service.seen][0] == b"some body"
    record = gateway.wait_log(authority=site.host)
    assert record["status"] == 200 and record["endpoint"].endswith(f":{page.port}")


def test_head_asks_by_head(site):
    with Answers() as service, EchoServer("page") as page:
        serve(site, service.port, page.port)
        with site.http1() as wire:
            wire.send(f"HEAD /503 HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
            assert wire.read_response("HEAD").get("x-backend") == "page"
        assert page.seen[0].method == "HEAD"


def test_the_page_s_status_counts_and_no_page_is_asked_for_a_page(site):
    with Answers() as service, RawServer(lambda wire: (wire.read_request(), wire.send(
        "HTTP/1.1 503 Sorry\r\nX-From: page\r\nContent-Length: 5\r\n\r\nsorry"
    ))) as page:  # fmt: skip
        serve(site, service.port, page.port)
        answer = site.get("/404")
        assert (answer.status, answer.get("x-from"), answer.body) == (503, "page", b"sorry")
        assert page.connections == 1


def test_a_service_that_is_not_there_has_an_error_page(site, gateway):
    """The gateway's own answers for a service count as well."""
    with EchoServer("page") as page:
        serve(site, free_port(), page.port)
        answer = site.get("/any")
        assert answer.get("x-backend") == "page"
        assert ["x-code", "503"] in json.loads(answer.body)["headers"]


def test_where_the_page_fails_too_the_client_is_told(site, gateway):
    with Answers() as service:
        serve(site, service.port, free_port())
        assert site.get("/404").status == 503
    assert gateway.wait_log(authority=site.host)["flag"] == "UF"


def test_pages_over_http2_to_clients_of_http2(site):
    with Answers() as service, http2.Server(name="page") as page:
        serve(site, service.port, page.port, page_protocol="http2")
        with site.http2() as client:
            for number in range(3):
                answer = client.request("GET", site.host, f"/{number}/404")
                assert answer.headers["x-backend"] == "page"
        assert [request[":path"] for request in page.requests] == ["/", "/", "/"]


def test_a_service_of_http2(site):
    def missing(connection, stream, headers):
        connection.respond(stream, 404)
        connection.data(stream, b"own", end=True)

    with http2.Server(missing) as service, EchoServer("page") as page:
        site.gateway.api.create_static(f"{site.name}-h2", service.port, protocol="http2")
        serve(site, free_port(), page.port, path="/other")
        configs = {f"{NGINX}custom-http-errors": "404", f"{NGINX}default-backend": f"{site.name}-other-page.static"}
        site.route(f"{site.name}-h2", f"{site.name}-h2.static", customConfigs=configs)
        for _ in range(5):
            assert site.get("/x").get("x-backend") == "page"
        assert service.connections == 1, "a dropped answer does not cost the connection"


def test_grpc_and_bodies_under_way_keep_the_answer(site):
    def early(wire):
        wire.read_head()
        wire.send("HTTP/1.1 503 No\r\nX-From: service\r\nContent-Length: 0\r\n\r\n")
        wire.is_closed()

    with RawServer(early) as service, EchoServer("page") as page:
        serve(site, service.port, page.port)
        with site.http1() as wire:
            wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 10\r\n\r\nabc")
            assert wire.read_response().get("x-from") == "service"
        assert page.seen == []


@pytest.mark.parametrize("over", ["h1", "h2"])
def test_a_refused_websocket_keeps_its_answer(site, over):
    """The client has asked for no page: it hears what its service says, or that there is none."""
    with Answers() as service, EchoServer("page") as page:
        serve(site, service.port, page.port, path="/there")
        serve(site, free_port(), page.port, path="/gone")
        for path, source in (("/there/404", "service"), ("/gone/x", None)):
            status = 404 if source else 503
            if over == "h1":
                fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
                answer = site.get(path, *fields.items(), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
                assert (answer.status, answer.get("x-from")) == (status, source)
            else:
                with site.http2() as client:
                    stream = client.finish(open_connect(client, site.host, path))
                    assert (stream.status, stream.headers.get("x-from")) == (status, source)
        assert page.seen == []


def test_without_a_default_back_end_it_is_named_in_a_warning(site):
    site.gateway.api.create_static(site.name, 9)
    made = site.route(site.name, f"{site.name}.static", customConfigs={f"{NGINX}custom-http-errors": "404"})
    assert [each for each in made["warnings"] if "default-backend" in each]
