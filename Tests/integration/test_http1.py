"""HTTP/1.1 at byte level: what is refused, what passes unchanged, and how connections go on."""

import json
import threading

import pytest

from peers import http2
from peers.http1 import EchoServer, RawServer
from peers.wire import Closed

CHUNKED = "Transfer-Encoding: chunked"

# Each must be refused with a 4xx or 505 and the end of the connection, and the back end must see nothing of it.
BAD_REQUESTS = {
    "two different lengths": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 1, 2\r\n\r\nab",
    "length and chunked": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 3\r\n" + CHUNKED + "\r\n\r\n0\r\n\r\n",
    "signed length": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: +1\r\n\r\na",
    "negative length": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: -1\r\n\r\n",
    "length with hex": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0x1\r\n\r\na",
    "length beyond 64 bits": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: 18446744073709551617\r\n\r\na",
    "empty length": "POST / HTTP/1.1\r\nHost: {h}\r\nContent-Length: \r\n\r\n",
    "unknown coding": "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "chunked not last": "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two codings fields": "POST / HTTP/1.1\r\nHost: {h}\r\n"
    + CHUNKED
    + "\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding with a tab inside": "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chu\tnked\r\n\r\n0\r\n\r\n",
    "blank before the colon": "POST / HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "blank in a name": "GET / HTTP/1.1\r\nHost: {h}\r\nBad Name: 1\r\n\r\n",
    "empty name": "GET / HTTP/1.1\r\nHost: {h}\r\n: 1\r\n\r\n",
    "field without colon": "GET / HTTP/1.1\r\nHost: {h}\r\nNoColon\r\n\r\n",
    "continued line": "GET / HTTP/1.1\r\nHost: {h}\r\nA: 1\r\n 2\r\n\r\n",
    "continued first field": "GET / HTTP/1.1\r\n Host: {h}\r\n\r\n",
    "bare LF after the request line": "GET / HTTP/1.1\nHost: {h}\r\n\r\n",
    "bare LF after a field": "GET / HTTP/1.1\r\nHost: {h}\r\nA: 1\nB: 2\r\n\r\n",
    "bare LF LF at the end": "GET / HTTP/1.1\r\nHost: {h}\n\n",
    "bare CR in a value": "GET / HTTP/1.1\r\nHost: {h}\r\nA: 1\r2\r\n\r\n",
    "NUL in a value": "GET / HTTP/1.1\r\nHost: {h}\r\nA: 1\x002\r\n\r\n",
    "control character in a value": "GET / HTTP/1.1\r\nHost: {h}\r\nA: 1\x012\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: {h}\r\nHost: {h}\r\n\r\n",
    "host with a path": "GET / HTTP/1.1\r\nHost: {h}/x\r\n\r\n",
    "host with credentials": "GET / HTTP/1.1\r\nHost: a@{h}\r\n\r\n",
    "two blanks": "GET  / HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "blank in the target": "GET /a b HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "control character in the target": "GET /a\x01b HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "target without slash": "GET index.html HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "target with a fragment": "GET /a#b HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "no version": "GET /\r\nHost: {h}\r\n\r\n",
    "version in lower case": "GET / http/1.1\r\nHost: {h}\r\n\r\n",
    "version 1.2": "GET / HTTP/1.2\r\nHost: {h}\r\n\r\n",
    "version 2.0": "GET / HTTP/2.0\r\nHost: {h}\r\n\r\n",
    "version 1.10": "GET / HTTP/1.10\r\nHost: {h}\r\n\r\n",
    "method with a colon": "GE:T / HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "blank line, then blanks": "GET / HTTP/1.1 \r\nHost: {h}\r\n\r\n",
    "chunked in HTTP/1.0": "POST / HTTP/1.0\r\nHost: {h}\r\n" + CHUNKED + "\r\n\r\n0\r\n\r\n",
}

# Broken only after the head: the request may have begun to travel, but must never be seen as complete.
BAD_CHUNKS = {
    "no size": "\r\nabc\r\n0\r\n\r\n",
    "size with a sign": "+3\r\nabc\r\n0\r\n\r\n",
    "size with 0x": "0x3\r\nabc\r\n0\r\n\r\n",
    "size beyond 64 bits": "10000000000000000\r\nabc\r\n0\r\n\r\n",
    "size, LF only": "3\nabc\r\n0\r\n\r\n",
    "data longer than said": "3\r\nabcd\r\n0\r\n\r\n",
    "data ends in LF only": "3\r\nabc\n0\r\n\r\n",
    "bare CR in the extension": "3;a=\rb\r\nabc\r\n0\r\n\r\n",
    "blank before the size": " 3\r\nabc\r\n0\r\n\r\n",
    "trailer without colon": "3\r\nabc\r\n0\r\nbroken\r\n\r\n",
    "trailer that continues": "3\r\nabc\r\n0\r\nA: 1\r\n 2\r\n\r\n",
}


@pytest.fixture(scope="module")
def shared(gateway, authority):
    """A site with an echo that many tests use; what the echo saw is cleared before each."""
    from integration.site import Site
    from peers.http1 import EchoServer

    made = Site(gateway, authority, "http1.test")
    with EchoServer() as server:
        made.serve(server.port)
        made.echo = server
        yield made


@pytest.fixture
def echo_site(shared):
    shared.echo.seen.clear()
    return shared


def seen(response):
    assert response.status == 200, response
    return json.loads(response.body)


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_ambiguous_requests_are_refused(echo_site, name):
    with echo_site.http1(tls=False) as wire:
        # A second request rides behind: it must not be taken for a request of its own.
        wire.send(
            BAD_REQUESTS[name].format(h=echo_site.host) + f"GET /smuggled HTTP/1.1\r\nHost: {echo_site.host}\r\n\r\n"
        )
        answer = wire.read_response()
        assert 400 <= answer.status < 500 or answer.status == 505, answer.line
        assert wire.read_to_end() == b"", "the connection went on"
    assert echo_site.echo.seen == []


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_broken_chunks_never_complete_a_request(echo_site, name):
    with echo_site.http1(tls=False) as wire:
        wire.send(f"POST / HTTP/1.1\r\nHost: {echo_site.host}\r\n{CHUNKED}\r\n\r\n{BAD_CHUNKS[name]}")
        wire.send(f"GET /smuggled HTTP/1.1\r\nHost: {echo_site.host}\r\n\r\n")
        rest = wire.read_to_end()
        assert b" 200 " not in rest.split(b"\r\n")[0], rest
        assert rest.count(b"HTTP/1.1 ") <= 1, rest
    assert echo_site.echo.seen == []


@pytest.mark.parametrize("size, status", [(70_000, 431), (1_000_000, 431)])
def test_a_head_that_is_too_large_is_refused(echo_site, size, status):
    with echo_site.http1(tls=False) as wire:
        try:
            wire.send(f"GET / HTTP/1.1\r\nHost: {echo_site.host}\r\nX: {'x' * size}\r\n\r\n")
        except OSError:
            pass  # refused before all of it was sent
        assert wire.read_response().status == status
    assert echo_site.echo.seen == []


def test_many_small_fields_are_refused_too(echo_site):
    with echo_site.http1(tls=False) as wire:
        try:
            wire.send(f"GET / HTTP/1.1\r\nHost: {echo_site.host}\r\n" + "A: 1\r\n" * 20_000 + "\r\n")
        except OSError:
            pass
        assert wire.read_response().status == 431


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
def test_a_request_arrives_as_it_was_sent(echo_site, tls):
    answer = echo_site.get(
        "/a/b?c=d&e=%20f",
        ("X-Mixed-Case", "Value  with  blanks"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("X-High", "\xe4\xf6"),
        tls=tls,
        method="POST",
        body=b"body",
    )
    request = seen(answer)
    assert (request["method"], request["target"], request["host"], request["body"]) == (
        "POST",
        "/a/b?c=d&e=%20f",
        echo_site.host,
        "body",
    )
    headers = [(name.lower(), value) for name, value in request["headers"]]
    for field in [("x-mixed-case", "Value  with  blanks"), ("x-twice", "1"), ("x-twice", "2"), ("x-high", "\xe4\xf6")]:
        assert field in headers
    assert [value for name, value in headers if name == "content-length"] == ["4"]


def test_connection_fields_stay_on_their_connection(echo_site):
    answer = echo_site.get(
        "/",
        ("Connection", "keep-alive, X-Private"),
        ("X-Private", "secret"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("X-Kept", "1"),
    )
    names = {name.lower() for name, _ in seen(answer)["headers"]}
    assert "x-kept" in names
    assert not names & {"x-private", "keep-alive", "proxy-connection"}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_connection_fields_of_an_answer_stay_on_their_connection(site, version):
    """RFC 9110 §7.6.1: what the service's `Connection` names, and what is known to be of a connection."""

    def answer(wire):
        wire.read_request()
        wire.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Private\r\nX-Private: secret\r\n"
            "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-Kept: 1\r\n\r\nok"
        )

    with RawServer(answer) as server:
        site.serve(server.port)
        if version == "HTTP/1.1":
            fields = {name.lower(): value for name, value in site.get("/").fields}
        else:
            with site.http2() as client:
                fields = dict(client.request("GET", site.host, "/").headers)
    assert fields["x-kept"] == "1" and fields["content-length"] == "2"
    assert not set(fields) & {"x-private", "keep-alive", "proxy-connection"}
    assert "x-private" not in fields.get("connection", "").lower()


def test_h2c_upgrade_is_never_honoured(echo_site):
    answer = echo_site.get(
        "/", ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")
    )
    names = {name.lower() for name, _ in seen(answer)["headers"]}
    assert not names & {"upgrade", "http2-settings"}


def test_chunked_requests_pass_with_trailers(echo_site):
    with echo_site.http1(tls=False) as wire:
        wire.send(
            f"POST / HTTP/1.1\r\nHost: {echo_site.host}\r\n{CHUNKED}\r\nTrailer: X-Sum\r\n\r\n"
            "3;ext=1\r\nabc\r\n0005\r\ndefgh\r\n0\r\nX-Sum: 8\r\n\r\n"
        )
        request = seen(wire.read_response())
    assert request["body"] == "abcdefgh"
    assert ["X-Sum", "8"] in [[name.title(), value] for name, value in request["trailers"]]


def test_pipelined_requests_are_answered_in_order(echo_site):
    with echo_site.http1(tls=False) as wire:
        wire.send("".join(f"GET /{n} HTTP/1.1\r\nHost: {echo_site.host}\r\n\r\n" for n in range(20)))
        assert [seen(wire.read_response())["target"] for _ in range(20)] == [f"/{n}" for n in range(20)]


def test_pipelined_bodies_do_not_run_together(echo_site):
    with echo_site.http1(tls=False) as wire:
        wire.send(
            "".join(
                f"POST /{n} HTTP/1.1\r\nHost: {echo_site.host}\r\nContent-Length: 5\r\n\r\nbody{n}" for n in range(5)
            )
        )
        assert [seen(wire.read_response())["body"] for _ in range(5)] == [f"body{n}" for n in range(5)]


def test_a_connection_is_kept_and_closed_as_asked(echo_site):
    with echo_site.http1(tls=False) as wire:
        for _ in range(3):
            seen(wire.request("GET", "/", echo_site.host))
        answer = wire.request("GET", "/", echo_site.host, ("Connection", "close"))
        assert (answer.get("connection") or "").lower() == "close"
        assert wire.is_closed()


def test_http_1_0_closes_unless_asked_to_keep(echo_site):
    with echo_site.http1(tls=False) as wire:
        wire.send(f"GET / HTTP/1.0\r\nHost: {echo_site.host}\r\n\r\n")
        seen(wire.read_response())
        assert wire.is_closed()


@pytest.mark.parametrize("protocol", ["HTTP", "HTTP2"])
def test_http_1_0_without_a_host_goes_to_nobody(site, protocol):
    """Also where a route takes every host; an absolute target is a host."""
    path = f"/nobody-{protocol.lower()}"
    with (http2.Server() if protocol == "HTTP2" else EchoServer()) as server, site.http1(tls=False) as wire:
        site.gateway.api.create_static(site.name, server.port)
        site.gateway.api.create_route(site.name, [], f"{site.name}.static", path=path, protocol=protocol)
        wire.send(f"GET {path} HTTP/1.0\r\n\r\n")
        assert wire.read_response().status == 400
        assert wire.is_closed()
        with site.http1(tls=False) as other:
            other.send(f"GET http://{site.host}{path} HTTP/1.0\r\n\r\n")
            assert other.read_response().status == 200
        (seen,) = server.requests if protocol == "HTTP2" else server.seen
        assert seen.get(":authority" if protocol == "HTTP2" else "host") == site.host


def test_head_has_a_length_and_no_body(echo_site):
    with echo_site.http1(tls=False) as wire:
        answer = wire.request("HEAD", "/", echo_site.host)
        assert answer.status == 200 and int(answer.get("content-length")) > 0
        # The connection is in step: the next answer begins where it should.
        assert seen(wire.request("GET", "/next", echo_site.host))["target"] == "/next"


def test_expect_100_continue_is_carried_through(echo_site):
    with echo_site.http1(tls=False) as wire:
        wire.send(f"POST / HTTP/1.1\r\nHost: {echo_site.host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert wire.read_response(interim=True).status == 100
        wire.send("body")
        assert seen(wire.read_response())["body"] == "body"


def test_expect_100_continue_means_nothing_in_http_1_0(echo_site):
    with echo_site.http1(tls=False) as wire:
        wire.send(f"POST / HTTP/1.0\r\nHost: {echo_site.host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody")
        assert seen(wire.read_response(interim=True))["body"] == "body"


def test_a_refusal_instead_of_100_continue_arrives_before_the_body(site):
    def refuse(wire):
        wire.read_head()
        wire.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    with RawServer(refuse) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        answer = wire.read_response()
        assert (answer.status, answer.body) == (413, b"big")


def test_an_absolute_target_names_the_host(echo_site):
    with echo_site.http1(tls=False) as wire:
        answer = wire.request("GET", f"http://{echo_site.host}/abs?q=1", echo_site.host)
        assert seen(answer)["target"] == "/abs?q=1"


def test_the_host_may_carry_a_port_and_capitals(echo_site):
    with echo_site.http1(tls=False) as wire:
        assert seen(wire.request("GET", "/", f"{echo_site.host.upper()}:8000"))["target"] == "/"


def test_a_long_body_arrives_whole(echo_site):
    body = bytes(range(256)) * 16 * 1024  # 4 MiB
    with echo_site.http1(tls=True) as wire:
        assert seen(wire.request("POST", "/", echo_site.host, body=body))["body_length"] == len(body)


RESPONSES = {
    "with a length": ("Content-Length: 5\r\n\r\nhello", b"hello"),
    "chunked": (CHUNKED + "\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Sum: 5\r\n\r\n", b"hello"),
    "until the end": ("\r\nhello", b"hello"),
    "empty": ("Content-Length: 0\r\n\r\n", b""),
}


@pytest.mark.parametrize("form", RESPONSES)
def test_response_bodies_arrive_whole(site, form):
    head, body = RESPONSES[form]

    def respond(wire):
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\nX-Form: mine\r\n{head}")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        for _ in range(2):  # the second shows that the client's connection is still in step
            answer = wire.request("GET", "/", site.host)
            assert (answer.status, answer.body, answer.get("x-form")) == (200, body, "mine")


@pytest.mark.parametrize("status", [204, 304])
def test_responses_that_have_no_body_end_at_their_head(site, status):
    def respond(wire):
        while True:
            wire.read_request()
            wire.send(f'HTTP/1.1 {status} None\r\nETag: "x"\r\n\r\n')

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        for _ in range(2):
            answer = wire.request("GET", "/", site.host)
            assert answer.status == status and answer.get("etag") == '"x"'


def test_interim_responses_pass(site):
    def respond(wire):
        wire.read_request()
        wire.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        first = wire.read_response(interim=True)
        if first.status == 103:
            assert first.get("link") == "</a.css>"
            first = wire.read_response()
        assert (first.status, first.body) == (200, b"ok")


def test_a_response_before_the_request_s_end_arrives_and_the_rest_is_not_forwarded_for_ever(site):
    def respond(wire):
        wire.read_head()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
        wire.read_to_end()

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 100\r\n\r\nsome")
        answer = wire.read_response()
        assert (answer.status, answer.body) == (200, b"early")


def test_the_end_of_a_response_without_a_length_is_never_missed(site):
    """Body and FIN come together; see the WebSocket test of the same kind."""

    def respond(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\n\r\nhello")

    with RawServer(respond) as server, site.http1(tls=False, timeout=2) as wire:
        site.serve(server.port)
        for turn in range(100):
            answer = wire.request("GET", "/", site.host)
            assert (answer.status, answer.body) == (200, b"hello"), f"turn {turn}"


def test_a_response_cut_short_is_not_passed_off_as_whole(site):
    def respond(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        with pytest.raises(Closed) as caught:
            wire.request("GET", "/", site.host)
        assert caught.value.rest == b"half"


def test_a_chunked_response_cut_short_is_not_ended(site):
    def respond(wire):
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n4\r\nhalf\r\n")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        with pytest.raises(Closed):
            wire.request("GET", "/", site.host)


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
def test_a_response_cut_short_is_not_ended_in_order_for_http_1_0(site, tls):
    """Its body has no other end than the connection's: a reset tells that it is not whole."""

    def respond(wire):
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n4\r\nhalf\r\n")

    with RawServer(respond) as server, site.http1(tls=tls) as wire:
        site.serve(server.port)
        wire.send(f"GET / HTTP/1.0\r\nHost: {site.host}\r\n\r\n")
        wire.read_until(b"\r\n\r\nhalf")
        assert not wire.ends_in_order()


BAD_RESPONSES = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status in letters": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "continued line": b"HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nA: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BAD_RESPONSES)
def test_what_is_no_response_becomes_502(site, name):
    def respond(wire):
        wire.read_request()
        wire.send(BAD_RESPONSES[name])

    with RawServer(respond) as server:
        site.serve(server.port)
        assert site.get("/").status == 502


def test_a_reused_connection_that_the_back_end_has_closed_is_no_error(site):
    """Keep-alive race: each answer is followed by a close without notice, and no request fails."""

    def respond(wire):
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        for _ in range(50):
            assert wire.request("GET", "/", site.host).status == 200


@pytest.mark.parametrize(
    "answer", ["H", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 103 Early Hints\r\n\r\n"], ids=["byte", "part", "1xx"]
)
def test_a_reused_connection_that_ends_within_the_answer_is_an_error(site, answer):
    """What has begun to be answered has arrived: it must not be sent again."""
    targets = []

    def respond(wire):
        while True:
            targets.append(wire.read_request().target)
            if targets == ["/first", "/second"]:
                return wire.send(answer)
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        assert wire.request("GET", "/first", site.host).status == 200
        assert wire.request("GET", "/second", site.host).status == 502
    assert targets == ["/first", "/second"] and server.connections == 1


def test_slow_heads_do_not_hold_up_others(echo_site):
    """Many connections that send a byte of a head and stop; the next request is served at once."""
    slow = [echo_site.http1(tls=False) for _ in range(200)]
    try:
        for wire in slow:
            wire.send("G")
        assert echo_site.get("/").status == 200
    finally:
        for wire in slow:
            wire.close()


def test_the_client_s_disappearance_ends_the_upstream_request(site):
    gone = threading.Event()

    def respond(wire):
        wire.read_request()
        wire.send(f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n")
        try:
            while True:
                wire.send("4\r\nmore\r\n")
                if threading.Event().wait(0.02):
                    return
        except OSError:
            gone.set()

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        wire.read_until(b"more")
        wire.reset()
        assert gone.wait(10)
