"""What the gateway adds, takes away and hides on the way to back ends, and the kinds of addresses that it reaches."""

import json
import socket

import hpack
import pytest

from integration.site import Site
from peers import http2
from peers.http1 import EchoServer


def saw(answer):
    assert answer.status == 200, answer
    return {name.lower(): value for name, value in json.loads(answer.body)["headers"]}


@pytest.mark.parametrize("tls, scheme", [(True, "https"), (False, "http")])
def test_where_a_request_came_from_is_told_and_cannot_be_feigned(site, echo, tls, scheme):
    site.serve(echo.port)
    feigned = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "evil.test")]
    headers = saw(site.get("/", *feigned, tls=tls))
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == scheme
    assert "evil.test" not in headers.values()


@pytest.mark.parametrize(
    "cookie, left",
    [
        ("_hi_sess=secret", None),
        ("a=1; _hi_sess=secret; b=2", "a=1; b=2"),
        ("_hi_sess=secret; a=1", "a=1"),
        ("a=1; _hi_sess=secret", "a=1"),
        ("a=_hi_sess; not_hi_sess=2", "a=_hi_sess; not_hi_sess=2"),
    ],
)
def test_the_admin_page_s_session_stays_here(site, echo, cookie, left):
    """Cookies ignore ports: a browser that is logged in sends the session to the gateway's ports as well."""
    site.serve(echo.port)
    assert saw(site.get("/", ("Cookie", cookie))).get("cookie") == left
    with site.http2() as client:
        client.request("GET", site.host, "/", ("cookie", cookie))
    assert echo.seen[-1].get("cookie") == left


def test_secrets_are_never_indexed_towards_shared_connections(site):
    """RFC 7541 §7.1: what is in a table that strangers share can be guessed from the size of what follows."""
    with http2.Server() as server:
        site.serve(server.port, protocol="GRPC")
        secrets = [("authorization", "Bearer x"), ("cookie", "a=1"), ("x-api-key", "k")]
        with site.http2() as client:
            for _ in range(2):
                assert client.grpc(site.host, "/a.B/C", b"", *secrets).grpc_status == 0
        for fields in server.fields:
            assert {name for name, _ in secrets} <= never_indexed(fields)


def never_indexed(fields):
    """Names of the fields that came in that representation."""
    return {field[0] for field in fields if isinstance(field, hpack.NeverIndexedHeaderTuple)}


def test_what_a_client_or_a_service_never_indexes_stays_so(site):
    """RFC 7541 §6.2.3: an intermediary uses the same representation."""
    secret, plain = hpack.NeverIndexedHeaderTuple("x-one-time-code", "1234"), ("x-plain", "1")

    def answer(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"), secret, plain)
        connection.data(id, b"\0\0\0\0\0")
        connection.trail(id, ("grpc-status", "0"), secret, plain)

    with http2.Server(answer) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        for _ in range(2):
            assert client.grpc(site.host, "/a.B/C", b"", secret, plain).grpc_status == 0
        assert (len(server.fields), len(client.fields)) == (2, 4)
        for fields in server.fields + client.fields:
            assert "x-one-time-code" in never_indexed(fields) and "x-plain" not in never_indexed(fields)


def test_a_back_end_on_a_unix_socket(site, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "back.sock"))
    listener.listen()
    with EchoServer("unix", listener=listener):
        site.serve(f"unix:{tmp_path}/back.sock")
        assert site.get("/").get("x-backend") == "unix"


def test_a_back_end_on_ipv6(site):
    with EchoServer("six", listener=socket.create_server(("::1", 0), family=socket.AF_INET6)) as server:
        site.serve(f"[::1]:{server.port}")
        assert site.get("/").get("x-backend") == "six"


def test_a_back_end_by_name(site, echo):
    site.serve(f"localhost:{echo.port}")
    assert site.get("/").get("x-backend") == "b1"


def test_a_source_of_dns_names(gateway, authority, echo):
    site = Site(gateway, authority, https="off")
    source = {"name": "by-dns", "type": "dns", "domain": "localhost", "port": echo.port}
    gateway.api.post("/v1/service-sources", source)
    site.route("by-dns", [("by-dns.dns", 100)])
    assert site.get("/").get("x-backend") == "b1"
