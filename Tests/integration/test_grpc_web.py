"""gRPC-Web on the routes of gRPC: both forms, over HTTP/1.1 and HTTP/2, with what browsers ask for beside it."""

import base64
import json
import time

import grpc
import pytest

from integration.waiting import wait_until
from peers import grpc_web, http2
from peers.http1 import EchoServer
from peers.protos import Ask, HelloReply, HelloRequest, Kinds, Nothing, Tell

MIB = 1 << 20
KINDS = "/causeway.test.Kinds/"


@pytest.fixture(scope="module")
def web_site(gateway, authority, grpc_server):
    from integration.site import Site

    made = Site(gateway, authority, "web.test")
    made.serve(grpc_server.port, protocol="GRPC")
    return made


@pytest.fixture(params=["binary", "text"])
def text(request):
    return request.param == "text"


@pytest.fixture(params=["http1", "http2"])
def h2(request):
    return request.param == "http2"


@pytest.fixture
def call(web_site, text, h2):
    def make(path, *messages, **more):
        answer = grpc_web.call(web_site, path, *messages, **{"text": text, "h2": h2, **more})
        assert answer.http_status == 200
        return answer

    return make


def test_unary(call, text):
    answer = call("/helloworld.Greeter/SayHello", HelloRequest(name="you").SerializeToString())
    assert [HelloReply.FromString(each).message for each in answer.messages] == ["Hello, you!"]
    assert answer.trailers["grpc-status"] == "0" and "grpc-status" not in answer.headers
    wanted = "application/grpc-web-text" if text else "application/grpc-web"
    assert answer.headers["content-type"].split("+")[0] == wanted
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("payload", [b"", b"a", bytes(range(256)), b"x" * (4 * MIB)], ids=["0", "1", "256", "4 MiB"])
def test_messages_of_any_size(call, payload):
    answer = call(KINDS + "Unary", Ask(payload=payload).SerializeToString())
    assert answer.status == 0 and [Tell.FromString(each).payload for each in answer.messages] == [payload]


def test_server_stream(call):
    answer = call(KINDS + "ServerStream", Ask(payload=b"abc", count=50).SerializeToString())
    assert answer.status == 0
    assert [(t.index, t.payload) for t in map(Tell.FromString, answer.messages)] == [(i, b"abc") for i in range(50)]


def test_client_stream_and_bidi_work_as_far_as_http_does(call):
    asks = [Ask(payload=bytes(size)).SerializeToString() for size in range(20)]
    answer = call(KINDS + "ClientStream", *asks)
    assert [Tell.FromString(each).total for each in answer.messages] == [sum(range(20))]
    assert len(call(KINDS + "Bidi", *asks).messages) == 20


def test_messages_of_a_stream_arrive_one_by_one(web_site, text):
    """A stream is not kept back until its end: the first message is there while the call goes on."""
    form = "application/grpc-web-text" if text else "application/grpc-web"
    body = grpc_web.frame(Ask(payload=b"x" * 100, count=2, delay_ms=1500).SerializeToString())
    with web_site.http2() as client:
        stream = client.open(
            "POST",
            web_site.host,
            KINDS + "ServerStream",
            ("content-type", form),
            body=base64.b64encode(body) if text else body,
        )
        client.until(lambda: len(stream.body) > 100)
        assert not stream.ended
        client.finish(stream)
    assert len(grpc_web.take_apart(200, stream.headers, stream.body).messages) == 2


def test_text_in_padded_pieces_cut_anywhere(web_site, h2):
    """Each piece of the text is padded for itself, and the network may cut it between any two characters."""
    body = grpc_web.frame(Ask(payload=bytes(range(100))).SerializeToString())
    for first in range(1, 8):
        encoded = base64.b64encode(body[:first]) + base64.b64encode(body[first : first + 5])
        encoded += base64.b64encode(body[first + 5 :])
        for size in (1, 2, 3, 5, 7):
            pieces = [encoded[at : at + size] for at in range(0, len(encoded), size)]
            answer = grpc_web.call(web_site, KINDS + "Unary", text=True, h2=h2, pieces=pieces)
            assert [Tell.FromString(each).payload for each in answer.messages] == [bytes(range(100))]


@pytest.mark.parametrize(
    "broken", [b"AAAA*AAA", b"AAA", b"A=AA", b"AA=A", b"====", b"AAAA\r\n"], ids=["other", "cut", "1", "2", "4", "line"]
)
def test_what_is_no_base64_is_refused_in_the_client_s_form(web_site, h2, broken):
    answer = grpc_web.call(web_site, KINDS + "Unary", text=True, h2=h2, pieces=[broken])
    assert (answer.http_status, answer.status) == (200, 13) and "malformed" in answer.message
    assert answer.headers["content-type"] == "application/grpc-web-text+proto"


def test_the_answer_s_form_is_the_client_s_choice(web_site, h2):
    message = Ask(payload=b"abc").SerializeToString()
    for text, accept, wanted in [
        (False, "application/grpc-web-text", "application/grpc-web-text"),
        (True, "application/grpc-web+proto", "application/grpc-web"),
        (True, "*/*", "application/grpc-web-text"),
    ]:
        answer = grpc_web.call(
            web_site, KINDS + "Unary", message, text=text, h2=h2, fields=[("accept", accept)]
        )
        assert answer.headers["content-type"].split("+")[0] == wanted
        assert Tell.FromString(answer.messages[0]).payload == b"abc"


def test_a_status_of_the_service_arrives_with_words_and_details(call):
    answer = call(KINDS + "Unary", Ask(fail_code=5, fail_message="not %, here: ü").SerializeToString())
    assert answer.status == 5 and answer.message == "not %25, here: %C3%BC"
    assert "grpc-status-details-bin" in {**answer.headers, **answer.trailers}


def test_metadata_goes_both_ways(call):
    answer = call(KINDS + "Unary", Ask(payload=b"m").SerializeToString(), fields=[("x-text", "a value")])
    assert answer.headers["echo-text"] == "a value" and answer.trailers["trail-text"] == "a value"


def test_what_the_service_sees_is_grpc(site, text, h2):
    with http2.Server() as server:
        site.serve(server.port, protocol="GRPC")
        answer = grpc_web.call(site, "/a.B/C", b"abc", text=text, h2=h2)
        assert answer.status == 0
        head = server.requests[0]
        assert head["content-type"] == "application/grpc+proto" and head["te"] == "trailers"
        assert "content-length" not in head
        assert list(server.bodies.values()) == [grpc_web.frame(b"abc")]


@pytest.mark.parametrize("form", ["application/grpc-web", "application/grpc-web-text; charset=utf-8"])
def test_a_bare_name_and_parameters(site, form):
    with http2.Server() as server:
        site.serve(server.port, protocol="GRPC")
        body = grpc_web.frame(b"abc")
        pieces = [base64.b64encode(body) if "text" in form else body]
        assert grpc_web.call(site, "/a.B/C", content_type=form, pieces=pieces).status == 0
        assert server.requests[0]["content-type"] == "application/grpc"
        assert list(server.bodies.values()) == [body]


def test_a_deadline_is_enforced_and_passed_on(call, web_site, grpc_server):
    began = time.monotonic()
    answer = call(KINDS + "Unary", Ask(delay_ms=5000).SerializeToString(), fields=[("grpc-timeout", "300m")])
    assert answer.status == 4 and time.monotonic() - began < 4
    call(KINDS + "Unary", Ask().SerializeToString(), fields=[("grpc-timeout", "20S")])
    with grpc.insecure_channel(f"127.0.0.1:{grpc_server.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        assert 0 < Kinds(channel).Seen(Nothing(), timeout=5).deadline_ms <= 20_000


def test_a_failure_amid_the_messages_ends_in_a_trailer_frame(site, text, h2):
    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.data(id, grpc_web.frame(b"first"))
        connection.reset(id)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        answer = grpc_web.call(site, "/a.B/C", b"", text=text, h2=h2)
        assert answer.messages == [b"first"] and answer.trailers["grpc-status"] == "1"
        assert answer.trailers["grpc-message"] == "the service reset the stream"


def test_a_missing_status_is_never_ok(site, text, h2):
    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.data(id, grpc_web.frame(b"first"), end=True)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        answer = grpc_web.call(site, "/a.B/C", b"", text=text, h2=h2)
        assert answer.messages == [b"first"] and answer.trailers["grpc-status"] == "13"


def test_an_answer_that_is_no_grpc_becomes_a_status(site, text, h2):
    def script(connection, id, headers):
        connection.respond(id, 503, ("content-type", "text/html"))
        connection.data(id, b"<html>", end=True)

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        answer = grpc_web.call(site, "/a.B/C", b"", text=text, h2=h2)
        assert (answer.http_status, answer.status, answer.messages) == (200, 14, [])


@pytest.mark.parametrize("origin", [None, "https://page.test"])
def test_errors_made_here_are_readable_for_pages(site, text, h2, origin):
    """No route: an answer in gRPC-Web, with its status in the headers, which a page may see."""
    fields = [("origin", origin)] if origin else []
    answer = grpc_web.call(site, "/no.Service/Method", b"", text=text, h2=h2, fields=fields)
    assert (answer.http_status, answer.status, answer.messages) == (200, 12, [])
    wanted = "application/grpc-web-text+proto" if text else "application/grpc-web+proto"
    assert answer.headers["content-type"] == wanted
    assert answer.headers.get("access-control-allow-origin") == ("*" if origin else None)
    exposed = answer.headers.get("access-control-expose-headers", "")
    assert ("grpc-status" in exposed and "grpc-message" in exposed) == bool(origin)


def test_answers_of_the_service_are_readable_for_pages(call):
    answer = call(KINDS + "Unary", Ask().SerializeToString(), fields=[("origin", "https://page.test")])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "grpc-status" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_a_policy_of_the_service_s_own_stays(site):
    def script(connection, id, headers):
        fields = ("content-type", "application/grpc"), ("access-control-allow-origin", "https://page.test")
        connection.respond(id, 200, *fields)
        connection.trail(id, ("grpc-status", "0"))

    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        answer = grpc_web.call(site, "/a.B/C", b"", fields=[("origin", "https://page.test")])
        assert answer.headers["access-control-allow-origin"] == "https://page.test"
        assert "access-control-expose-headers" not in answer.headers


PREFLIGHT = [
    ("origin", "https://page.test"),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "content-type,x-grpc-web,x-mine"),
]


def test_a_preflight_is_answered_for_the_route_of_the_call(site, grpc_server, h2):
    """The route takes POST only; the OPTIONS is answered for it all the same, and never reaches the service."""
    site.serve(grpc_server.port, protocol="GRPC", path="/helloworld.Greeter/", methods=["POST"])
    path = "/helloworld.Greeter/SayHello"
    if h2:
        with site.http2() as client:
            stream = client.request("OPTIONS", site.host, path, *PREFLIGHT)
            status, headers = stream.status, stream.headers
            assert client.request("OPTIONS", site.host, "/elsewhere", *PREFLIGHT).status == 404
    else:
        with site.http1() as wire:
            response = wire.request("OPTIONS", path, site.host, *PREFLIGHT)
            status, headers = response.status, {name.lower(): value for name, value in response.fields}
            assert wire.request("OPTIONS", "/elsewhere", site.host, *PREFLIGHT).status == 404
    assert status == 204
    assert headers["access-control-allow-origin"] == "*" and headers["access-control-allow-methods"] == "POST"
    assert headers["access-control-allow-headers"] == "content-type,x-grpc-web,x-mine"
    assert int(headers["access-control-max-age"]) > 0 and "access-control-allow-credentials" not in headers


def test_a_preflight_on_another_route_is_the_service_s_own_affair(site, echo):
    site.serve(echo.port)
    assert site.get("/x", *PREFLIGHT, method="OPTIONS").status == 200
    assert [each.method for each in echo.seen] == ["OPTIONS"]


def test_options_without_a_preflight_is_a_request(site, echo):
    site.serve(echo.port)
    assert json.loads(site.get("/x", method="OPTIONS").body)["method"] == "OPTIONS"


@pytest.mark.parametrize("form", ["application/grpc", "application/grpc-web", "application/grpc-web-text"])
def test_grpc_towards_http1_is_refused_with_the_field_to_change(site, gateway, form):
    with EchoServer() as server:
        site.serve(server.port)
        with site.http2() as client:
            stream = client.request("POST", site.host, "/a.B/C", ("content-type", form), ("te", "trailers"), body=b"AAAA")
        assert (stream.status, stream.grpc_status) == (200, 12)
        assert "protocol" in stream.grpc_message and "GRPC" in stream.grpc_message
        assert server.seen == []
    assert gateway.wait_log(authority=site.host, path="/a.B/C")["flag"] == "NR"


def test_a_client_that_does_not_read_stops_the_service(site, text):
    """Back pressure holds with text, too, which is longer than what it stands for."""
    sent = []

    def script(connection, id, headers):
        connection.respond(id, 200, ("content-type", "application/grpc"))
        connection.send_all(id, grpc_web.frame(b"z" * (8 * MIB)))
        sent.append(connection)
        connection.ending[id] = False

    form = "application/grpc-web-text" if text else "application/grpc-web"
    with http2.Server(script) as server:
        site.serve(server.port, protocol="GRPC")
        with site.http2(credit=False) as client:
            stream = client.open("POST", site.host, "/a.B/C", ("content-type", form), body=b"AAAA" if text else b"")
            client.until(lambda: len(stream.body) >= 65_000)
            client.h2.ping(b"12345678")
            client.flush()
            client.until(lambda: client.pings)
            # Nothing is there while the server's thread is about to send more of it.
            left = wait_until(lambda: len(sent[0].unsent.get(stream.id, b"")), 5)
            assert left > 6 * MIB, "the gateway took more than its windows"


@pytest.mark.parametrize("other", ["application/grp", "a", "", "application/grpc-w"])
def test_a_second_content_type_of_any_length_harms_nobody(web_site, gateway, other):
    """Found by the fuzzer: shorter than the name of gRPC, it was read past its end."""
    body = base64.b64encode(grpc_web.frame(HelloRequest(name="you").SerializeToString()))
    with web_site.http1() as wire:
        wire.request(
            "POST",
            "/helloworld.Greeter/SayHello",
            web_site.host,
            ("Content-Type", other),
            ("Content-Type", "application/grpc-web-text"),
            body=body,
        )
    assert gateway.worker.running
    assert web_site.get("/").status, "it answers on"
