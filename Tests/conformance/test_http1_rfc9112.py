"""HTTP/1.1 (RFC 9112, RFC 9110): what Tests/integration/test_http1.py leaves out. Of what is refused the back end sees nothing,
and what rides behind it is never taken for a request of its own."""

import json

import pytest

from conformance.rules import expecting, named
from integration.site import Site
from peers.frames import FrameClient, literal
from peers.http1 import EchoServer, RawServer

LENGTH, CHUNKED = "Content-Length: {n}", "Transfer-Encoding: chunked"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: {h}\r\n\r\n"


def post(*fields, body="", version="1.1", host="Host: {h}"):
    return "\r\n".join([f"POST / HTTP/{version}", *([host] if host else []), *fields, "", body])


def get(target="/", *fields, version="HTTP/1.1", host="Host: {h}", method="GET"):
    return "\r\n".join([f"{method} {target} {version}".rstrip(), *([host] if host else []), *fields, "", ""])


REFUSED = {
    # ---- RFC 9112 §6.3: one message, two lengths
    "9112 6.3 CL.TE": post("Content-Length: 60", CHUNKED, body="0\r\n\r\n"),
    "9112 6.3 TE.CL": post(CHUNKED, "Content-Length: 4", body="5c\r\n"),
    "9112 6.3 CL.TE, length 0": post("Content-Length: 0", CHUNKED, body="0\r\n\r\n"),
    "9112 6.3 CL.TE, coding in other case": post("Content-Length: 6", "TRANSFER-ENCODING: CHUNKED", body="0\r\n\r\nX"),
    "9112 6.3 5 and 5": post("Content-Length: 5", "Content-Length: 5", body="hello"),
    "9112 6.3 5, 5 in one field": post("Content-Length: 5, 5", body="hello"),
    "9112 6.3 5 and 6": post("Content-Length: 5", "Content-Length: 6", body="hello"),
    "9112 6.3 5 and nothing": post("Content-Length: 5", "Content-Length:", body="hello"),
    "9112 6.3 +5": post("Content-Length: +5", body="hello"),
    "9112 6.3 5 with a blank inside": post("Content-Length: 1 0", body="hello"),
    "9112 6.3 5.0": post("Content-Length: 5.0", body="hello"),
    "9112 6.3 5 with a comma": post("Content-Length: 5,", body="hello"),
    "9112 6.3 5 with a vertical tab": post("Content-Length: \x0b5", body="hello"),
    "9112 6.3 digits that are not ASCII": post("Content-Length: \xb2", body="hello"),
    "9112 6.3 2^63": post("Content-Length: 9223372036854775808", body="hello"),
    "9112 6.3 2^64 + 5": post("Content-Length: 18446744073709551621", body="hello"),
    "9112 6.3 a hundred digits": post("Content-Length: " + "0" * 99 + "5", body="hello"),
    # ---- RFC 9112 §6.1: TE.TE, a coding that only one of two readers knows
    "9112 6.1 xchunked": post("Transfer-Encoding: xchunked", body="0\r\n\r\n"),
    "9112 6.1 chunked;q=1": post("Transfer-Encoding: chunked;q=1", body="0\r\n\r\n"),
    "9112 6.1 chunked in quotes": post('Transfer-Encoding: "chunked"', body="0\r\n\r\n"),
    "9112 6.1 identity": post("Transfer-Encoding: identity", "Content-Length: 5", body="hello"),
    "9112 6.1 an empty coding": post("Transfer-Encoding:", body="0\r\n\r\n"),
    "9112 6.1 chunked, identity": post("Transfer-Encoding: chunked, identity", body="0\r\n\r\n"),
    "9112 6.1 identity, chunked": post("Transfer-Encoding: identity, chunked", body="0\r\n\r\n"),
    "9112 6.1 chunked in two fields": post(CHUNKED, CHUNKED, body="0\r\n\r\n"),
    "9112 6.1 chunked and x in two fields": post(CHUNKED, "Transfer-Encoding: x", body="0\r\n\r\n"),
    "9112 6.1 a vertical tab before chunked": post("Transfer-Encoding: \x0bchunked", body="0\r\n\r\n"),
    "9112 6.1 a form feed behind chunked": post("Transfer-Encoding: chunked\x0c", body="0\r\n\r\n"),
    "9112 6.1 NUL behind chunked": post("Transfer-Encoding: chunked\0", body="0\r\n\r\n"),
    "9112 6.1 DEL behind chunked": post("Transfer-Encoding: chunked\x7f", body="0\r\n\r\n"),
    "9112 6.1 a name that ends in a tab": post("Transfer-Encoding\t: chunked", body="0\r\n\r\n"),
    "9112 6.1 a name with a low line": post("Transfer_Encoding: chunked", "Content-Length: 5", CHUNKED, body="hello"),
    "9112 6.1 a name with NUL": post("Transfer-Encoding\0: chunked", body="0\r\n\r\n"),
    # ---- RFC 9112 §5: fields
    "9112 5.2 a length on a continued line": post("X: 1", " Content-Length: 5", body="hello"),
    "9112 5.2 a coding continued": post("Transfer-Encoding:", " chunked", body="0\r\n\r\n"),
    "9112 5.2 continued with a tab": get("/", "X: 1", "\tY: 2"),
    "9112 5.1 a tab in a name": get("/", "A\tB: 1"),
    "9112 5.1 a name of a blank": get("/", " : 1"),
    "9112 5.1 a name with brackets": get("/", "A(b): 1"),
    "9112 5.1 a name that is not ASCII": get("/", "\xe4: 1"),
    "9112 5.1 NUL in a name": get("/", "A\0B: 1"),
    "9112 5.5 DEL in a value": get("/", "A: 1\x7f"),
    "9112 5.5 NUL alone as a value": get("/", "A: \0"),
    "9112 2.2 CR CR LF at the end of a field": get("/", "A: 1\r"),
    "9112 2.2 CR before the colon": get("/", "A\r: 1"),
    "9112 2.2 CR in the request line": "GET /\r HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 2.2 NUL before the request line": "\0GET / HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 2.2 NUL in the method": "G\0T / HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 2.2 NUL in the target": "GET /a\0b HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 2.2 a blank before the request line": " GET / HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 2.2 blanks between request line and fields": "GET / HTTP/1.1\r\n \r\nHost: {h}\r\n\r\n",
    # ---- RFC 9112 §2.3, §3: the request line
    "9112 2.3 HTTP/0.9 without a version": "GET /\r\n\r\n",
    "9112 2.3 HTTP/0.9": get(version="HTTP/0.9"),
    "9112 2.3 HTTP/9.9": get(version="HTTP/9.9"),
    "9112 2.3 HTTP/1": get(version="HTTP/1"),
    "9112 2.3 HTTP/1.1.1": get(version="HTTP/1.1.1"),
    "9112 2.3 HTTP/01.1": get(version="HTTP/01.1"),
    "9112 2.3 HTTP/1,1": get(version="HTTP/1,1"),
    "9112 2.3 HTTP /1.1": get(version="HTTP /1.1"),
    "9112 2.3 another protocol": get(version="ICAP/1.0"),
    "9112 3 tabs in place of blanks": "GET\t/\tHTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 3 an empty target": "GET  HTTP/1.1\r\nHost: {h}\r\n\r\n",
    "9112 3 no method": " / HTTP/1.1\r\nHost: {h}\r\n\r\n",
    # ---- RFC 9112 §3.2: Host
    "9112 3.2 an empty Host": get(host="Host:"),
    "9112 3.2 Host twice, the same": get("/", "Host: {h}"),
    "9112 3.2 Host twice, different": get("/", "Host: other.test"),
    "9112 3.2 Host as a list": get(host="Host: {h}, other.test"),
    "9112 3.2 Host with a blank": get(host="Host: {h} x"),
    "9112 3.2 Host with userinfo": get(host="Host: user:pass@{h}"),
    "9112 3.2 Host with a scheme": get(host="Host: http://{h}"),
    "9112 3.2 Host with a query": get(host="Host: {h}?a"),
    "9112 3.2 Host with a fragment": get(host="Host: {h}#a"),
    "9112 3.2 Host with a backslash": get(host="Host: {h}\\@other.test"),
    "9112 3.2 Host with NUL": get(host="Host: {h}\0.other.test"),
    "9112 3.2 a blank before Host's colon": get(host="Host : {h}"),
    "9112 3.2 no Host in HTTP/1.0": get(version="HTTP/1.0", host=None),
    "9112 3.2.2 absolute form with userinfo": get("http://user@{h}/"),
    "9112 3.2.2 absolute form with another userinfo than Host": get("http://{h}@other.test/"),
    "9112 3.2.2 absolute form without a host": get("http:///path"),
    "9112 3.2.2 absolute form of another scheme": get("ftp://{h}/"),
    "9112 3.2.2 absolute form with two Hosts": get("http://{h}/", "Host: {h}"),
    "9112 3.2.3 authority form for GET": get("{h}:80"),
    "9112 3.2.3 CONNECT": get("{h}:443", method="CONNECT"),
    # ---- RFC 9110 §7.6.1, §7.8: Connection and Upgrade
    "9110 7.6.1 Connection names Transfer-Encoding": post("Connection: Transfer-Encoding", CHUNKED, body="0\r\n\r\n"),
    "9110 7.6.1 Connection names Content-Length": post("Connection: content-length", "Content-Length: 5", body="hello"),
    "9110 7.6.1 Connection names Host": get("/", "Connection: host"),
    "9110 7.8 Upgrade to WebSocket with a body": get(
        "/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Content-Length: 5"),
    "9110 7.8 Upgrade to WebSocket, chunked": get(
        "/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", CHUNKED),
    "9110 7.8 Upgrade to WebSocket of a wrong version": get(
        "/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 777",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    "9110 7.8 Upgrade to WebSocket without a key": get(
        "/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
}  # fmt: skip

# RFC 9112 §3.2: Host must be there and valid also where the target is in absolute form.
BESIDE_ABSOLUTE_FORM = {
    "9112 3.2 absolute form without Host": get("http://{h}/", host=None),
    "9112 3.2 absolute form with a malformed Host": get("http://{h}/", host="Host: a b"),
    "9112 3.2 absolute form with userinfo in Host": get("http://{h}/", host="Host: user@{h}"),
}


@pytest.fixture(scope="module")
def shared(gateway, authority):
    made = Site(gateway, authority, https="off")
    with EchoServer() as server:
        made.serve(server.port)
        made.echo = server
        yield made


@pytest.fixture
def echo_site(shared):
    shared.echo.seen.clear()
    return shared


def is_refused(site, request):
    with site.http1(tls=False) as wire:
        wire.send((request + SMUGGLED).replace("{h}", site.host).encode("latin-1"))
        answer = wire.read_response()
        assert 400 <= answer.status < 500 or answer.status == 505, answer.line
        assert wire.read_to_end() == b"", "the connection went on"
    assert site.echo.seen == []


@pytest.mark.parametrize("name", REFUSED, ids=expecting("refused", REFUSED))
def test_refused_before_anything_is_forwarded(echo_site, name):
    is_refused(echo_site, REFUSED[name])


@pytest.mark.parametrize("name", BESIDE_ABSOLUTE_FORM, ids=expecting("refused", BESIDE_ABSOLUTE_FORM))
def test_refused_beside_absolute_form(echo_site, name):
    is_refused(echo_site, BESIDE_ABSOLUTE_FORM[name])


TAKEN = {
    "9112 6.1 chunked in any case": (post("Transfer-Encoding: cHuNkEd", body="5\r\nhello\r\n0\r\n\r\n"), "/", "hello"),
    "9112 5.1 blanks around a value": (post("Content-Length: \t 5 \t", body="hello"), "/", "hello"),
    "9112 6.2 leading zeros": (post("Content-Length: 005", body="hello"), "/", "hello"),
    "9112 7.1 chunk sizes in both cases and with zeros": (
        post(CHUNKED, body="00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"), "/", "0123456789" * 2),
    "9112 2.2 an empty line before the request": ("\r\n" + get("/after-a-line"), "/after-a-line", ""),
    "9112 3.2.2 absolute form": (get("http://{h}/abs?x=1"), "/abs?x=1", ""),
    "9112 3.2.2 absolute form wins over Host": (get("http://{h}/wins", host="Host: other.test"), "/wins", ""),
    "9112 3.2.2 absolute form in HTTP/1.0 without Host": (get("http://{h}/old", version="HTTP/1.0", host=None), "/old", ""),
    "9112 3.2.2 absolute form in other case": (get("HTTP://{h}/upper"), "/upper", ""),
    "9110 9.1 a method that nobody knows": (get("/brew", method="BREW"), "/brew", ""),
}  # fmt: skip


def is_taken(site, request, target, body):
    with site.http1(tls=False) as wire:
        wire.send(request.replace("{h}", site.host).encode("latin-1"))
        told = json.loads(wire.read_response().body)
    assert (told["target"], told["body"], told["host"]) == (target, body, site.host)


@pytest.mark.parametrize("name", TAKEN, ids=expecting("accepted", TAKEN))
def test_taken_as_it_is_meant(echo_site, name):
    is_taken(echo_site, *TAKEN[name])


@named("9112 3.2.4", "* belongs to no route, with OPTIONS or another method: nothing is forwarded")
def test_asterisk_form(echo_site, _rule):
    with echo_site.http1(tls=False) as wire:
        wire.send((get("*", method="OPTIONS") + get("*")).replace("{h}", echo_site.host))
        assert wire.read_response().status == 404
        assert wire.read_response().status in (400, 404)
    assert echo_site.echo.seen == []


@named("9112 3.2.2", "absolute form without a path means /")
def test_absolute_form_without_a_path(echo_site, _rule):
    is_taken(echo_site, get("http://{h}"), "/", "")


@named("9112 3.2.4", "OPTIONS in absolute form without a path means *")
def test_options_without_a_path(echo_site, _rule):
    with echo_site.http1(tls=False) as wire:
        assert wire.request("OPTIONS", f"http://{echo_site.host}", echo_site.host).status == 404
    assert echo_site.echo.seen == []


# ---- what a client of HTTP/2 may try on a back end of HTTP/1.1

DOWNGRADE = {
    "CR LF and a field in a value": {"add": [("x-a", "1\r\ntransfer-encoding: chunked")]},
    "CR LF and a request in a value": {"add": [("x-a", "1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")]},
    "CR LF in a name": {"add": [("x-a: 1\r\ntransfer-encoding", "chunked")]},
    "a colon in a name": {"add": [("transfer-encoding: chunked\r\nx", "1")]},
    "LF alone in a value": {"add": [("x-a", "1\ntransfer-encoding: chunked")]},
    "transfer-encoding": {"add": [("transfer-encoding", "chunked")]},
    "transfer-encoding in upper case": {"add": [("Transfer-Encoding", "chunked")]},
    "transfer-encoding behind a blank": {"add": [(" transfer-encoding", "chunked")]},
    "transfer-encoding before a blank": {"add": [("transfer-encoding ", "chunked")]},
    "connection": {"add": [("connection", "transfer-encoding")]},
    "upgrade": {"add": [("upgrade", "websocket"), ("connection", "upgrade")]},
    "content-length of less than the body": {"add": [("content-length", "0")]},
    "content-length of more than the body": {"add": [("content-length", "500")]},
    "content-length twice": {"add": [("content-length", "4"), ("content-length", "4")]},
    "content-length as a list": {"add": [("content-length", "4, 4")]},
    "content-length with a sign": {"add": [("content-length", "+4")]},
    "a blank in the method": {"method": "GET /smuggled HTTP/1.1\r\nx: "},
    "a blank in the path": {"path": "/ HTTP/1.1"},
    "a request in the path": {"path": "/ HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled"},
    "a tab in the path": {"path": "/\tHTTP/1.1"},
    "a fragment in the path": {"path": "/#fragment"},
    "absolute form in the path": {"path": "http://other.test/"},
    "CR LF in the authority": {"authority": "{h}\r\nx: y"},
    "userinfo in the authority": {"authority": "user@{h}"},
    "host against authority": {"add": [("host", "other.test")]},
    "CR LF in the scheme": {"scheme": "http\r\nx: y"},
    "a trailer with CR LF": {"trailers": [("x-a", "1\r\n\r\nGET /smuggled HTTP/1.1")]},
    "a trailer of transfer-encoding": {"trailers": [("transfer-encoding", "chunked")]},
}


@pytest.mark.parametrize("name", DOWNGRADE, ids=[f"9113 10.3 from HTTP/2: {name} = refused" for name in DOWNGRADE])
def test_http2_cannot_smuggle_into_http1(echo_site, name):
    change = dict(DOWNGRADE[name])
    add, trailers = change.pop("add", []), change.pop("trailers", None)
    with FrameClient(echo_site.gateway.http_port, echo_site.host) as client:
        client.until(lambda: client.count(4))
        change = {key: value.replace("{h}", echo_site.host) for key, value in change.items()}
        path = change.pop("path", "/downgraded")
        fields = client.fields(path, *add, method=change.pop("method", "POST"), **change)
        stream = client.new()
        client.headers(stream, b"".join(literal(*each) for each in fields), end=False)
        client.data(stream, b"body", end=not trailers)
        if trailers:
            client.headers(stream, b"".join(literal(*each) for each in trailers))
        client.settle()
        client.finish(stream)
        assert client.resets.get(stream) is not None or client.status(stream) == 400
        # The back end gets the next request as it is, not what could have been left over.
        after = client.request(path="/after")
        client.finish(after)
        assert client.status(after) == 200
    seen = [(request.target, request.body) for request in echo_site.echo.seen]
    if name == "content-length of less than the body":
        # The head goes on before the body comes, and says itself that there is none.
        seen = [each for each in seen if each != ("/downgraded", b"")]
    assert seen == [("/after", b"")]


# ---- Upgrade


def handshake(host, path="/ws"):
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )


def upgraded_to(site, response):
    """A handshake with a request behind it, against a back end that answers it with `response`."""
    seen = []

    def respond(wire):
        while True:
            seen.append(wire.read_request().target)
            wire.send(response)

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(handshake(site.host) + f"GET /behind HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
        first = wire.read_response()
        rest = wire.read_to_end() if first.status >= 500 else b""
    return first, rest, seen


@named("9110 7.8", "a 101 that was not earned opens no tunnel to the back end")
def test_a_101_with_a_wrong_accept(site, _rule):
    first, _, seen = upgraded_to(
        site,
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
    )
    assert first.status == 502
    assert "/behind" not in seen, "what came behind the handshake went through as it was"


@named("9110 7.8", "a 101 that nobody asked for is an error")
def test_a_101_without_a_handshake(site, _rule):
    def respond(wire):
        wire.read_request()
        wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        wire.read_to_end()

    with RawServer(respond) as server:
        site.serve(server.port)
        assert site.get("/").status == 502


@named("9110 7.8", "Upgrade without Connection: Upgrade is no upgrade")
def test_upgrade_without_connection(echo_site, _rule):
    answer = echo_site.get("/", ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
    assert answer.status == 200
    assert "upgrade" not in {name.lower() for name, _ in json.loads(answer.body)["headers"]}


@named(
    "9112 9.6", "a handshake that is answered otherwise leaves an HTTP connection, or says that it is the last answer"
)
def test_a_refused_handshake_leaves_http(site, _rule):
    def respond(wire):
        while True:
            target = wire.read_request().target
            wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(target)}\r\n\r\n{target}")

    with RawServer(respond) as server, site.http1(tls=False) as wire:
        site.serve(server.port)
        wire.send(handshake(site.host))
        answer = wire.read_response()
        assert answer.body == b"/ws"
        if (answer.get("connection") or "").lower() != "close":
            assert wire.request("GET", "/next", site.host).body == b"/next"
