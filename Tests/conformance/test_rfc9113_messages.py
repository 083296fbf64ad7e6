"""RFC 9113 §8: requests that are malformed are reset with PROTOCOL_ERROR and never reach a back end; the others do."""

import pytest

from conformance.rules import FINE, RESET, expecting, goes_on, named
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC
from peers.frames import literal

# Section and words: what differs from a good POST without a body. `add`: more fields; `pseudo`: more of them in front; `without`:
# pseudo-header fields left out; other names: pseudo-header fields with another value.
MALFORMED = {
    "8.2.1 an upper case letter in a name": {"add": [("X-Upper", "1")]},
    "8.2.1 an upper case letter inside a name": {"add": [("x-uPper", "1")]},
    "8.2.1 an empty name": {"add": [("", "1")]},
    "8.2.1 a blank in a name": {"add": [("x a", "1")]},
    "8.2.1 a colon in a name": {"add": [("x:a", "1")]},
    "8.2.1 NUL in a name": {"add": [("x\0a", "1")]},
    "8.2.1 CR LF in a name": {"add": [("x\r\ny", "1")]},
    "8.2.1 DEL in a name": {"add": [("x\x7f", "1")]},
    "8.2.1 a byte above 0x7f in a name": {"add": [("x\xe4", "1")]},
    "8.2.1 NUL in a value": {"add": [("x-a", "1\x002")]},
    "8.2.1 LF in a value": {"add": [("x-a", "1\n2")]},
    "8.2.1 CR in a value": {"add": [("x-a", "1\r2")]},
    "8.2.1 CR LF and a field in a value": {"add": [("x-a", "1\r\nx-b: 2")]},
    "8.2.1 a blank before a value": {"add": [("x-a", " 1")]},
    "8.2.1 a tab before a value": {"add": [("x-a", "\t1")]},
    "8.2.1 a blank behind a value": {"add": [("x-a", "1 ")]},
    "8.2.1 a tab behind a value": {"add": [("x-a", "1\t")]},
    "8.2.1 LF in the path": {"path": "/a\nb"},
    "8.2.1 CR LF in the path": {"path": "/ HTTP/1.1\r\nx: y"},
    "8.2.1 NUL in the path": {"path": "/a\0b"},
    "8.2.1 CR LF in the authority": {"authority": "a.test\r\nx: y"},
    "8.2.1 CR LF in the method": {"method": "GET\r\nx"},
    "8.2.2 connection": {"add": [("connection", "keep-alive")]},
    "8.2.2 keep-alive": {"add": [("keep-alive", "timeout=5")]},
    "8.2.2 proxy-connection": {"add": [("proxy-connection", "keep-alive")]},
    "8.2.2 transfer-encoding": {"add": [("transfer-encoding", "chunked")]},
    "8.2.2 upgrade": {"add": [("upgrade", "websocket")]},
    "8.2.2 te other than trailers": {"add": [("te", "gzip")]},
    "8.2.2 te with trailers and more": {"add": [("te", "trailers, gzip")]},
    "8.3 an unknown pseudo-header field": {"add": [], "pseudo": [(":foo", "1")]},
    "8.3 a pseudo-header field with nothing behind the colon": {"pseudo": [(":", "1")]},
    "8.3 a pseudo-header field of responses": {"pseudo": [(":status", "200")]},
    "8.3 a pseudo-header field behind others": {"add": [("x-a", "1"), (":path", "/b")], "without": ["path"]},
    "8.3 :method twice": {"pseudo": [(":method", "POST")]},
    "8.3 :scheme twice": {"pseudo": [(":scheme", "http")]},
    "8.3 :path twice": {"pseudo": [(":path", "/")]},
    "8.3 :authority twice": {"pseudo": [(":authority", "front.test")]},
    "8.3.1 no :method": {"without": ["method"]},
    "8.3.1 no :scheme": {"without": ["scheme"]},
    "8.3.1 no :path": {"without": ["path"]},
    "8.3.1 an empty :path": {"path": ""},
    "8.3.1 an empty :method": {"method": ""},
    "8.3.1 an empty :scheme": {"scheme": ""},
    "8.3.1 a blank in :method": {"method": "GE T"},
    "8.3.1 neither :authority nor host": {"without": ["authority"]},
    "8.3.1 an empty :authority": {"authority": ""},
    "8.3.1 :authority with userinfo": {"authority": "user:pass@front.test"},
    "8.3.1 :authority with a path": {"authority": "front.test/x"},
    "8.3.1 :authority with a blank": {"authority": "front.test x"},
    "8.3.1 host other than :authority": {"add": [("host", "other.test")]},
    "8.3.1 host twice": {"add": [("host", "{host}"), ("host", "{host}")]},
    "8.3.1 two hosts without :authority": {"add": [("host", "{host}"), ("host", "b.test")], "without": ["authority"]},
    "8.3.1 host with userinfo, without :authority": {"add": [("host", "a@{host}")], "without": ["authority"]},
    "8.5 CONNECT with :path and :scheme": {"method": "CONNECT"},
    "8.1.1 a content-length without a body": {"add": [("content-length", "5")]},
    "8.1.1 content-length twice, different": {"add": [("content-length", "0"), ("content-length", "1")]},
    "8.1.1 content-length twice, the same": {"add": [("content-length", "0"), ("content-length", "0")]},
    "8.1.1 a list as content-length": {"add": [("content-length", "0, 0")]},
    "8.1.1 a signed content-length": {"add": [("content-length", "+0")]},
    "8.1.1 a negative content-length": {"add": [("content-length", "-1")]},
    "8.1.1 an empty content-length": {"add": [("content-length", "")]},
    "8.1.1 content-length in hex": {"add": [("content-length", "0x0")]},
    "8.1.1 content-length beyond 64 bits": {"add": [("content-length", "18446744073709551616")]},
}

# As above: targets that have a place in HTTP/1.1, but not as these pseudo-header fields.
INVALID_TARGETS = {
    "8.3.1 :path without a slash": {"path": "index.html"},
    "8.3.1 :path in absolute form": {"path": "http://front.test/"},
    "8.3.1 a blank in :path": {"path": "/a b"},
    "8.3.1 a blank in :path that ends a request line": {"path": "/ HTTP/1.1"},
    "8.3.1 a blank in the query": {"path": "/a?b c"},
    "8.3.1 :path of * for another method than OPTIONS": {"path": "*"},
    "8.3.1 a blank in :scheme": {"scheme": "ht tp"},
    "8.3.1 :scheme that is a URL": {"scheme": "http://evil.test/"},
}


def block_of(client, change, path):
    """Encoded without Huffman, the table or any look at what it says."""
    change = dict(change)
    more, pseudo, without = change.pop("add", []), change.pop("pseudo", []), change.pop("without", [])
    fields = client.fields(change.pop("path", path), method=change.pop("method", "POST"), without=without, **change)
    front = [each for each in fields if each[0].startswith(":")]
    return b"".join(literal(name, value.replace("{host}", client.host)) for name, value in [*front, *pseudo, *more])


def is_reset(front, change, path):
    with front.connect() as client:
        witness = client.request(method="POST", end=False)
        stream = client.new()
        client.headers(stream, block_of(client, change, path))
        client.settle()
        assert client.goaway is None, "the whole connection was ended"
        client.finish(stream)
        assert client.resets.get(stream) == PROTOCOL_ERROR, f"answered: {client.blocks.get(stream)}"
        goes_on(client, witness)
    assert not [each for each in front.seen if each not in ("/", "/witness")], "the back end saw it"


@pytest.fixture(autouse=True)
def nothing_seen(front):
    front.patient.fields.clear()
    front.early.fields.clear()


@pytest.mark.parametrize("name", MALFORMED, ids=expecting(RESET, MALFORMED))
def test_malformed_requests(front, name):
    is_reset(front, MALFORMED[name], "/malformed")


WELL_FORMED = {
    "8.2.2 te of trailers": {"add": [("te", "trailers")]},
    "8.2.1 an empty value": {"add": [("x-empty", "")]},
    "8.2.1 bytes above 0x7f in a value": {"add": [("x-high", "\xc3\xa4")]},
    "8.2.1 blanks and tabs inside a value": {"add": [("x-inner", "a \t b")]},
    "8.2.1 each character that a name may have": {"add": [("!#$%&'*+-.^_`|~09az", "1")]},
    "8.2.3 cookie in parts": {"add": [("cookie", "a=1"), ("cookie", "b=2")]},
    "8.3.1 host in place of :authority": {"add": [("host", "{host}")], "without": ["authority"]},
    "8.3.1 host as :authority, in other case": {"add": [("host", "{HOST}")]},
    "8.3.1 a method that nobody knows": {"method": "BREW"},
    "8.3.1 :authority with a port": {"authority": "{host}:8080"},
    "8.1.1 content-length of 0": {"add": [("content-length", "0")]},
}


@pytest.mark.parametrize("name", WELL_FORMED, ids=expecting(FINE, WELL_FORMED))
def test_well_formed_requests(front, name):
    change = {
        key: [(n, v.replace("{HOST}", front.host.upper())) for n, v in value] if key == "add" else value
        for key, value in WELL_FORMED[name].items()
    }
    if "authority" in change:
        change["authority"] = change["authority"].replace("{host}", front.host)
    with front.connect() as client:
        stream = client.new()
        client.headers(stream, block_of(client, change, "/well-formed"))
        client.finish(stream)
        assert client.status(stream) == 200
    assert "/well-formed" in front.seen


# ---- framing of messages


def body(*frames_of, length=None, end=True):
    """A POST with these frames behind its head."""

    def act(client):
        stream = client.new()
        more = [("content-length", str(length))] if length is not None else []
        client.headers(stream, client.fields("/body", *more, method="POST"), end=False)
        for make in frames_of:
            make(client, stream)
        return stream

    return act


def data(content, end=False):
    return lambda client, stream: client.data(stream, content, end)


def trailers(*fields, end=True):
    return lambda client, stream: client.headers(stream, b"".join(literal(*each) for each in fields), end)


BROKEN_BODIES = {
    "8.1.1 more DATA than content-length": body(data(b"four"), length=3),
    "8.1.1 more DATA than content-length, in the last frame": body(data(b"ab"), data(b"cd", True), length=3),
    "8.1.1 less DATA than content-length": body(data(b"four", True), length=5),
    "8.1.1 no DATA where content-length says 5": body(data(b"", True), length=5),
    "8.1.1 less DATA than content-length, then trailers": body(data(b"four"), trailers(("x-a", "1")), length=5),
    "8.1 trailers that do not end the stream": body(data(b"x"), trailers(("x-a", "1"), end=False)),
    "8.1 a second head": body(trailers((":method", "GET"), (":path", "/"))),
    "8.3 pseudo-header fields in trailers": body(data(b"x"), trailers((":path", "/"))),
    "8.3 an unknown pseudo-header field in trailers": body(data(b"x"), trailers((":foo", "/"))),
    "8.2.1 an upper case letter in trailers": body(data(b"x"), trailers(("X-A", "1"))),
    "8.2.1 LF in a value in trailers": body(data(b"x"), trailers(("x-a", "1\n2"))),
    "8.2.2 connection in trailers": body(data(b"x"), trailers(("connection", "close"))),
    "8.2.2 transfer-encoding in trailers": body(data(b"x"), trailers(("transfer-encoding", "chunked"))),
}


@pytest.mark.parametrize("name", BROKEN_BODIES, ids=expecting(RESET, BROKEN_BODIES))
def test_broken_bodies(front, name):
    """The request may have begun to travel; it must never be seen as complete."""
    complete = len(front.patient.requests)
    with front.connect() as client:
        witness = client.request(method="POST", end=False)
        stream = BROKEN_BODIES[name](client)
        client.settle()
        assert client.goaway is None
        client.finish(stream)
        assert client.resets.get(stream) == PROTOCOL_ERROR
        goes_on(client, witness)
    assert not [each for each in front.patient.requests[complete:] if each[":path"] == "/body"]


WHOLE_BODIES = {
    "8.1 DATA that ends with its last frame": body(data(b"ab"), data(b"cd", True), length=4),
    "8.1 an empty last DATA": body(data(b"abcd"), data(b"", True), length=4),
    "8.1 a body without a length": body(data(b"abcd", True)),
    "8.1 trailers": body(data(b"abcd"), trailers(("x-sum", "1")), length=4),
    "8.1 an empty trailer section": body(data(b"abcd"), trailers()),
    "8.1 trailers without a body": body(trailers(("x-sum", "1"))),
}


@pytest.mark.parametrize("name", WHOLE_BODIES, ids=expecting(FINE, WHOLE_BODIES))
def test_whole_bodies(front, name):
    with front.connect() as client:
        stream = WHOLE_BODIES[name](client)
        client.finish(stream)
        assert client.status(stream) == 200 and stream not in client.resets
    assert "/body" in front.seen


@named("8.1", "a response may come before the request's end: it is whole, and NO_ERROR asks for no more")
def test_an_early_response(front, _rule):
    with front.connect() as client:
        stream = client.request(method="POST", path="/early", end=False)
        client.until(lambda: stream in client.ended)
        client.settle()
        assert client.status(stream) == 200 and client.bodies[stream] == b"b1"
        assert client.resets.get(stream) == NO_ERROR
        client.data(stream, b"still on its way")
        goes_on(client, client.request(method="POST", end=False))


@named("8.3.2", "a response has :status, once and first, and no other pseudo-header field")
def test_the_form_of_responses(front, _rule):
    with front.connect() as client:
        stream = client.request()
        client.finish(stream)
        names = [name for name, _ in client.blocks[stream][0]]
    assert names[0] == ":status" and not [name for name in names[1:] if name.startswith(":")]
    assert names == [name.lower() for name in names]


@pytest.mark.parametrize("status", ["404"], ids=["8.3.2 answers of the gateway's own have the same form"])
def test_the_form_of_the_gateway_s_answers(front, status):
    with front.connect() as client:
        stream = client.request(client.fields(authority="nobody.invalid"))
        client.finish(stream)
        assert client.blocks[stream][0][0] == (":status", status)
        assert not {name for name, _ in client.blocks[stream][0]} & {"connection", "transfer-encoding", "keep-alive"}


@named("8.5", "CONNECT is refused: nothing is forwarded, the connection goes on")
def test_connect(front, _rule):
    with front.connect() as client:
        witness = client.request(method="POST", end=False)
        stream = client.new()
        client.headers(stream, [(":method", "CONNECT"), (":authority", "other.test:443")], end=False)
        client.finish(stream)
        assert client.resets.get(stream) == PROTOCOL_ERROR or client.status(stream) in (400, 405, 501)
        goes_on(client, witness)
    assert "other.test:443" not in str(front.patient.fields)


@named("8.4", "the gateway pushes nothing")
def test_nothing_is_pushed(front, _rule):
    with front.connect(first=settings((ENABLE_PUSH, 1))) as client:
        client.finish(client.request())
        assert not client.count(PUSH_PROMISE)


@pytest.mark.parametrize("name", INVALID_TARGETS, ids=expecting(RESET, INVALID_TARGETS))
def test_invalid_targets(front, name):
    is_reset(front, INVALID_TARGETS[name], "/malformed")
