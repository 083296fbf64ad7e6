"""HTTP/1.1 and HTTP/2 in every pairing: interim responses, bodiless answers, large heads and trailers, answers that come
before the request has ended, and ends that one side leaves open."""

import threading

import h2.errors
import pytest

from integration.site import Site
from peers import http2
from peers.http1 import RawServer
from peers.wire import Closed

KIB = 1024


@pytest.fixture(params=["h1", "h2"])
def front(request):
    return request.param


@pytest.fixture(params=["h1", "h2"])
def behind(request):
    return request.param


class Reply:
    """One answer of a back end, the same over both protocols. `hold` keeps it back until the whole request has come."""

    def __init__(self, status=200, fields=(), body=b"", trailers=(), interim=(), hold=True, reset=None):
        self.status, self.fields, self.body, self.trailers = status, list(fields), body, list(trailers)
        self.interim, self.hold, self.reset = interim, hold, reset
        self.requests = []

    def server(self, behind):
        if behind == "h1":
            return RawServer(self._http1)
        return http2.Server(self._http2, wait_for_end=self.hold)

    def _http1(self, wire):
        while True:
            request = wire.read_request() if self.hold else wire.read_head()
            self.requests.append(request)
            for status, fields in self.interim:
                wire.send(f"HTTP/1.1 {status} Interim\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields) + "\r\n")
            head = f"HTTP/1.1 {self.status} Final\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self.fields)
            if request.method == "HEAD" or self.status in (204, 304):
                wire.send(head + "\r\n")
            elif self.trailers:
                wire.send(head + "Transfer-Encoding: chunked\r\n\r\n")
                if self.body:
                    wire.send(b"%x\r\n%s\r\n" % (len(self.body), self.body))
                wire.send("0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self.trailers) + "\r\n")
            else:
                wire.send(head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(self.body), self.body))
            if not self.hold:
                return wire.close() if self.reset else wire.read_to_end()

    def _http2(self, connection, id, headers):
        self.requests.append(headers)
        for status, fields in self.interim:
            connection.h2.send_headers(id, [(":status", str(status)), *fields])
        bodiless = headers[":method"] == "HEAD" or self.status in (204, 304)
        connection.respond(id, self.status, *self.fields, end=bodiless or not (self.body or self.trailers))
        if bodiless:
            return
        if self.body:
            connection.data(id, self.body, end=not self.trailers)
        if self.trailers:
            connection.trail(id, *self.trailers)
        if self.reset is not None:
            connection.reset(id, self.reset)


class Got:
    def __init__(self, status, fields, body, trailers, interim):
        self.status, self.body, self.interim = status, body, interim
        self.fields = {name.lower(): value for name, value in fields}
        self.trailers = {name.lower(): value for name, value in trailers}


def ask(site, front, method="GET", path="/", fields=(), body=b"", trailers=()):
    if front == "h2":
        with site.http2(tls=False, validate=False) as client:
            stream = client.open(method, site.host, path, *fields, end=not (body or trailers))
            if body:
                client.data(stream.id, body, end=not trailers)
            if trailers:
                client.h2.send_headers(stream.id, list(trailers), end_stream=True)
                client.flush()
            client.finish(stream)
            return Got(stream.status, stream.headers.items(), stream.body, stream.trailers.items(), stream.interim)
    with site.http1(tls=False) as wire:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        framing = "Transfer-Encoding: chunked\r\n" if body or trailers else ""
        wire.send(f"{method} {path} HTTP/1.1\r\nHost: {site.host}\r\n{lines}{framing}\r\n")
        if framing:
            piece = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            wire.send(piece + b"0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in trailers).encode() + b"\r\n")
        interim = []
        while True:
            response = wire.read_response(method, interim=True)
            if response.status >= 200:
                break
            interim.append(response.status)
            assert response.get("content-length") is None, "RFC 9110 §8.6"
        return Got(response.status, response.fields, response.body, response.trailers, interim)


def test_early_hints_arrive_before_the_answer(site, front, behind):
    reply = Reply(body=b"hello", interim=[(103, [("link", "</style.css>; rel=preload"), ("content-length", "9")]), (103, [])])
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        got = ask(site, front)
    assert (got.interim, got.status, got.body) == ([103, 103], 200, b"hello")


@pytest.mark.parametrize("front", ["h1", "h2"])
def test_early_hints_do_not_pile_up_for_a_client_that_takes_nothing(site, front):
    """64 MiB of them, of which the client finds what the kernel's buffers held."""
    total, size = 4_000, 16 * KIB
    done = threading.Event()

    def hints(wire):
        wire.read_request()
        for _ in range(total):
            wire.send(f"HTTP/1.1 103 Early Hints\r\nLink: <{'x' * size}>\r\n\r\n")
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        done.set()
        wire.read_to_end()

    with RawServer(hints) as server:
        site.serve(server.port)
        if front == "h2":
            with site.http2(tls=False) as client:
                stream = client.open("GET", site.host, "/")
                assert done.wait(60)
                client.finish(stream)
                got, answer = len(stream.interim), (stream.status, stream.body)
        else:
            with site.http1(tls=False) as wire:
                wire.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n")
                assert done.wait(60)
                got = 0
                while (response := wire.read_response(interim=True)).status == 103:
                    got += 1
                answer = (response.status, response.body)
    assert answer == (200, b"ok") and 0 < got < total / 2


FORGED = [
    *[(name, "forged") for name in ("x-mse-consumer", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")],
    *[(name, "forged") for name in ("x-forwarded-client-cert", "forwarded", "authorization", "cookie", "x-api-key", "host")],
]


def test_trailers_do_not_bring_what_heads_may_not(site, front, behind):
    """A service that merges them into the head must not take them for the gateway's word (RFC 9110 §6.5.1)."""
    seen = []

    def http1(wire):
        while True:
            seen.append({name.lower(): value for name, value in wire.read_request().trailers})
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def http2_script(connection, id, headers):
        seen.append(connection.trailers.get(id, {}))
        connection.respond(id, 200, end=True)

    with RawServer(http1) if behind == "h1" else http2.Server(http2_script, wait_for_end=True) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        for more in ([("x-sum", "1")], []):
            assert ask(site, front, "POST", body=b"abc", trailers=[*FORGED, *more]).status == 200
    assert seen == [{"x-sum": "1"}, {}]


def test_more_fields_than_are_taken(site, gateway, front, behind):
    """251 in a head."""
    many = [(f"x-{number}", "1") for number in range(300)]
    with Reply(body=b"ok").server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        assert ask(site, front, path="/asked", fields=many[:200]).status == 200
        assert ask(site, front, path="/asked", fields=many).status == 431
    with Reply(body=b"ok", fields=many).server(behind) as server:
        site.serve(server.port, path="/answered", protocol="HTTP2" if behind == "h2" else None)
        assert ask(site, front, path="/answered").status == 502
    record = gateway.wait_log(authority=site.host, path="/answered")
    assert (record["flag"], record["reason"]) == ("UPE", "the response's header fields are too large")


def test_grpc_clients_see_no_interim_response(site):
    def script(connection, id, headers):
        connection.h2.send_headers(id, [(":status", "103")])
        http2.answer(connection, id, headers)

    with http2.Server(script) as server, site.http2() as client:
        site.serve(server.port, protocol="GRPC")
        stream = client.grpc(site.host, "/a.B/C")
    assert (stream.grpc_status, stream.interim) == (0, [])


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body(site, front, behind, method, status):
    """The length that a HEAD or a 304 tells is that of another answer: it passes, and nothing is awaited for it. A 204 must have none
    (RFC 9110 §8.6), whatever the service says."""
    reply = Reply(status=status, fields=[("x-kept", "1"), ("content-length", "1234")])
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        got = ask(site, front, method)
    assert (got.status, got.body, got.fields["x-kept"]) == (status, b"", "1")
    assert got.fields.get("content-length") == (None if status == 204 else "1234")


def test_expect_100_continue(site, front, behind):
    """A client over HTTP/1.1 hears it from the gateway, which takes the body as it comes; over HTTP/2 from the service."""
    reply = Reply(body=b"done")
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        if front == "h1":
            with site.http1(tls=False) as wire:
                wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
                assert wire.read_response(interim=True).status == 100
                wire.send("body")
                assert wire.read_response(interim=True).body == b"done"
        else:
            if behind == "h2":
                server.script, server.wait_for_end = continue_and_answer, False
            else:
                server.handler = continue_and_answer_http1
            with site.http2(tls=False) as client:
                stream = client.open("POST", site.host, "/", ("expect", "100-continue"), end=False)
                client.until(lambda: stream.interim)
                client.data(stream.id, b"body", end=True)
                client.finish(stream)
                assert (stream.interim, stream.status, stream.body) == ([100], 200, b"done")


def continue_and_answer(connection, id, headers):
    def receive(data, ended):
        if ended:
            connection.respond(id, 200)
            connection.data(id, b"done", end=True)

    connection.receivers[id] = receive
    connection.h2.send_headers(id, [(":status", "100")])
    connection.flush()


def continue_and_answer_http1(wire):
    request = wire.read_head()
    wire.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert request.get("expect") == "100-continue" and wire.read_chunks(request) == b"body"
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")


def fields_of(size, name="x-large"):
    """Fields that are `size` bytes together, names and values."""
    piece = 4 * KIB
    return [(f"{name}-{index}", "v" * (piece - len(name) - 3)) for index in range(size // piece)]


def test_heads_and_trailers_of_60_kib_pass_both_ways(site, front, behind):
    large, late = fields_of(60 * KIB), fields_of(60 * KIB, "x-late")
    reply = Reply(fields=large, body=b"hello", trailers=late)
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        got = ask(site, front, "POST", fields=large, body=b"body", trailers=late)
        assert (got.status, got.body) == (200, b"hello")
        for name, value in large:
            assert got.fields[name] == value
        assert got.trailers == dict(late)
        request = reply.requests[0]
        seen = request if isinstance(request, dict) else {name.lower(): value for name, value in request.fields}
        assert all(seen[name] == value for name, value in large)


@pytest.mark.parametrize("part", ["fields", "trailers"])
def test_larger_ones_of_a_request_are_a_431(site, front, behind, part):
    reply = Reply(body=b"hello")
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        got = ask(site, front, "POST", body=b"body", **{part: fields_of(72 * KIB)})
        assert got.status == 431 and reply.requests == []


@pytest.mark.parametrize("part", ["fields", "trailers"])
def test_larger_ones_of_a_response_are_an_error(site, front, behind, part, gateway):
    """A head is answered with 502; trailers come too late for that, and the response is cut."""
    reply = Reply(body=b"hello", **{part: fields_of(72 * KIB)})
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        if part == "fields":
            assert ask(site, front).status == 502
        elif front == "h2":
            with site.http2(tls=False) as client:
                stream = client.request("GET", site.host, "/")
                assert stream.reset is not None and not stream.ended
        else:
            with pytest.raises(Closed):
                ask(site, front)
        if hasattr(server, "fields"):
            server.errors.clear()  # the library refuses what the gateway's SETTINGS do not allow
    if behind == "h1":
        record = gateway.wait_log(authority=site.host)
        assert (record["flag"], record["reason"]) == ("UPE", "the response's header fields are too large")


def test_one_setting_bounds_both_directions(new_gateway, authority, front, behind):
    gateway = new_gateway(settings=["max-header-list-size=131072"]).start()
    site = Site(gateway, authority)
    large = fields_of(120 * KIB)
    reply = Reply(fields=large, body=b"hello")
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        got = ask(site, front, fields=large)
        assert got.status == 200 and all(got.fields[name] == value for name, value in large)
    gateway.stop()


def test_an_early_answer_wins_over_a_request_still_being_sent(site, front, behind):
    reply = Reply(status=413, body=b"too much", hold=False)
    with reply.server(behind) as server:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        if front == "h2":
            with site.http2(tls=False) as client:
                stream = client.open("POST", site.host, "/", end=False)
                client.data(stream.id, b"x" * 1000)
                client.finish(stream)
                assert (stream.status, stream.body, stream.ended) == (413, b"too much", True)
                client.until(lambda: stream.reset is not None)
                assert stream.reset == h2.errors.ErrorCodes.NO_ERROR
                # The connection goes on.
                assert client.request("GET", site.host, "/after").status == 413
        else:
            with site.http1(tls=False) as wire:
                wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 100000\r\n\r\n" + "x" * 1000)
                response = wire.read_response()
                assert (response.status, response.body) == (413, b"too much")
                assert wire.is_closed(), "what follows cannot be told apart"


def test_an_early_answer_with_the_end_of_the_connection_wins(site, front):
    """The service answers and closes at once: the kernel refuses what is still written, while the answer waits to be read."""
    reply = Reply(status=413, fields=[("connection", "close")], body=b"too much", hold=False, reset=0)
    with reply.server("h1") as server:
        site.serve(server.port)
        for turn in range(60):
            body = b"x" * 400_000
            if front == "h2":
                with site.http2(tls=False) as client:
                    stream = client.open("POST", site.host, "/", end=False)
                    while body and not stream.done:
                        room = min(client.h2.local_flow_control_window(stream.id), 16_384)
                        if room == 0:
                            client.pump()
                            continue
                        client.h2.send_data(stream.id, body[:room])
                        client.flush()
                        body = body[room:]
                    client.until(lambda: stream.done)
                    got = stream.status, stream.body
            else:
                with site.http1(tls=False) as wire:
                    wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 400000\r\n\r\n")
                    sender = threading.Thread(target=send_quietly, args=(wire, body))
                    sender.start()
                    response = wire.read_response()
                    got = response.status, response.body
                    wire.half_close()
                    sender.join()
            assert got == (413, b"too much"), f"turn {turn}"


def send_quietly(wire, body):
    try:
        wire.send(body)
    except OSError:
        pass


def test_a_reset_without_error_behind_a_complete_answer_takes_nothing_back(site, front):
    """RFC 9113 §8.1: the service has answered whole and asks for no more of the request."""
    reply = Reply(body=b"y" * 16_000, hold=False, reset=h2.errors.ErrorCodes.NO_ERROR)
    with reply.server("h2") as server:
        site.serve(server.port, protocol="HTTP2")
        if front == "h2":
            with site.http2(tls=False) as client:
                stream = client.open("POST", site.host, "/", end=False)
                client.data(stream.id, b"x" * 1000)
                client.finish(stream)
                assert (stream.status, stream.ended, len(stream.body)) == (200, True, 16_000)
        else:
            with site.http1(tls=False) as wire:
                wire.send(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 100000\r\n\r\n" + "x" * 1000)
                response = wire.read_response()
                assert (response.status, len(response.body)) == (200, 16_000)


def test_clients_that_never_half_close_leave_nothing_behind(site, behind, gateway):
    reply = Reply(body=b"hello", hold=False)
    with reply.server(behind) as server, site.http2(tls=False) as client:
        site.serve(server.port, protocol="HTTP2" if behind == "h2" else None)
        for _ in range(300):  # more than there may be at once
            stream = client.open("POST", site.host, "/", end=False)
            client.finish(stream)
            assert (stream.status, stream.body) == (200, b"hello")
    record = gateway.wait_log(authority=site.host)
    assert record["flag"] == "-"
