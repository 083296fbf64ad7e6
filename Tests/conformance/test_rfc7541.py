"""RFC 7541 (HPACK), as far as a peer can get it wrong: each is COMPRESSION_ERROR of the connection (RFC 9113 §4.3)."""

import hpack
import pytest

from conformance.rules import FINE, Rule, connection_error, each, goes_on, judge, named
from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.frames import *  # noqa: F403  frame types, flags and codes by their names in the RFC
from peers.frames import FrameServer, literal

LOST = connection_error(COMPRESSION_ERROR)


def raw(*parts, before=True):
    """A request whose block has these bytes before or behind its fields."""

    def act(client):
        stream = client.new()
        fields = b"".join(literal(*field) for field in client.fields())
        extra = b"".join(parts)
        client.headers(stream, extra + fields if before else fields + extra)
        return stream

    return act


def behind(*parts):
    return raw(*parts, before=False)


def resized(*sizes):
    """The encoder says so itself, and keeps to it."""

    def act(client):
        for size in sizes:
            client.encoder.header_table_size = size
        return client.request()

    return act


@each(
    Rule("7541 2.3.3", "index 0", behind(b"\x80"), LOST),
    Rule("7541 2.3.3", "an index behind both tables", behind(integer(70, 7, 0x80)), LOST),
    Rule("7541 2.3.3", "the largest index of the static table", behind(literal("x", "y"), integer(61, 7, 0x80))),
    Rule(
        "7541 2.3.3", "the first index of an empty dynamic table", raw(integer(0, 5, 0x20), integer(62, 7, 0x80)), LOST
    ),
    Rule("7541 2.3.3", "a name by an index that does not exist", behind(integer(99, 6, 0x40), b"\x01v"), LOST),
    Rule("7541 4.2", "a table size update at the start of a block", resized(100)),
    Rule("7541 4.2", "two table size updates, the smaller first", resized(0, 4096)),
    Rule("7541 4.2", "a table size update behind a field", behind(integer(100, 5, 0x20)), LOST),
    Rule("7541 6.3", "a table size update of exactly the limit", raw(integer(4096, 5, 0x20))),
    Rule("7541 6.3", "a table size update above the limit", raw(integer(4097, 5, 0x20)), LOST),
    Rule("7541 6.3", "a table size update far above the limit", raw(integer(1 << 30, 5, 0x20)), LOST),
    Rule("7541 5.1", "an integer beyond 32 bits as an index", behind(b"\xff" + b"\xff" * 9 + b"\x7f"), LOST),
    Rule("7541 5.1", "an integer beyond 32 bits as a length", behind(b"\0\x7f" + b"\xff" * 9 + b"\x7f"), LOST),
    Rule("7541 5.1", "an integer that does not end", behind(b"\xff\x80\x80"), LOST),
    Rule("7541 5.2", "a name longer than the block", behind(b"\0\x20ab"), LOST),
    Rule("7541 5.2", "a value longer than the block", behind(b"\0\x01a\x20b"), LOST),
    Rule("7541 5.2", "a value is missing", behind(b"\0\x01a"), LOST),
    Rule("7541 5.2", "Huffman padding of more than 7 bits", behind(b"\0\x01a\x82\x1f\xff"), LOST),
    Rule("7541 5.2", "Huffman padding that is not the start of EOS", behind(b"\0\x01a\x81\x18"), LOST),
    Rule("7541 5.2", "Huffman EOS inside a string", behind(b"\0\x01a\x84\xff\xff\xff\xff"), LOST),
    Rule("7541 5.2", "Huffman padding done right", behind(b"\0\x01a\x81\x1f")),
    Rule("7541 6.2.3", "a field never to be indexed", behind(b"\x10\x01a\x01b")),
)
def test_hpack(front, rule):
    judge(front, rule)
    if rule.outcome is FINE:
        with front.connect() as client:
            stream = rule.act(client)
            client.finish(stream)
            assert client.status(stream) == 200


@named("7541 2.3.2", "entries of the dynamic table are used and evicted as the encoder says")
def test_the_dynamic_table(front, _rule):
    with front.connect() as client:
        for turn in range(120):  # some 9 kB of entries go through 4 kB of table
            stream = client.request(client.fields("/table", ("x-entry", f"{turn:04d}" * 10), ("x-same", "s" * 20)))
            client.finish(stream)
            assert client.status(stream) == 200
    entries = [dict(fields)["x-entry"] for fields in front.patient.fields if dict(fields)[":path"] == "/table"]
    assert entries == [f"{turn:04d}" * 10 for turn in range(120)]


@named("7541 2.2", "a malformed request leaves the compression context in step")
def test_the_context_outlives_a_malformed_request(front, _rule):
    with front.connect() as client:
        bad = client.request(client.fields("/bad", ("x-kept", "value"), ("Upper", "1")))
        client.settle()
        assert client.resets[bad] == PROTOCOL_ERROR
        stream = client.request(client.fields("/in-step", ("x-kept", "value")))
        client.finish(stream)
        assert client.status(stream) == 200
    kept = [dict(fields) for fields in front.patient.fields if dict(fields)[":path"] == "/in-step"]
    assert kept[0]["x-kept"] == "value"


@pytest.mark.parametrize(
    "size",
    [0, 100],
    ids=[
        "7541 4.2 the gateway keeps no table where the peer wants none",
        "7541 4.2 the gateway keeps to a table of 100 bytes",
    ],
)
def test_the_gateway_obeys_a_smaller_table(front, size):
    """RFC 9113 §4.3.1: after SETTINGS_HEADER_TABLE_SIZE the next block begins with a table size update."""
    with front.connect() as client:
        client.finish(client.request())
        client.send(settings((HEADER_TABLE_SIZE, size)))
        client.settle()
        client.decoder.max_allowed_table_size = size
        for _ in range(3):
            stream = client.request()
            client.finish(stream)
            assert client.status(stream) == 200
        first = client.raw_blocks[1]
        assert first.startswith(integer(size, 5, 0x20)), first.hex()


# Entries of 300 bytes and more, one after another and again: twice what a table of 4 KiB holds.
ENTRIES = [f"{number:02d}" * 150 for number in range(24)]


def within(blocks, size):
    """The fields of these blocks, decoded with a table of at most this size; one that says more cannot be decoded."""
    decoder = hpack.Decoder(max_header_list_size=1 << 20)
    decoder.max_allowed_table_size = size
    if size < decoder.header_table_size:
        assert blocks[0].startswith(integer(size, 5, 0x20)), blocks[0].hex()
    return [dict(decoder.decode(block)) for block in blocks]


@named("7541 4.2", "the gateway's table stays at 4 KiB where the peer allows 64 KiB")
def test_a_larger_table_is_not_taken(front, _rule):
    def script(connection, id, headers):
        connection.respond(id, 200, ("x-entry", ENTRIES[int(headers[":path"].rpartition("/")[2])]), end=True)

    with http2.Server(script) as server:
        front.site.serve(server.port, protocol="HTTP2", path="/entries")
        with front.connect(first=settings((HEADER_TABLE_SIZE, 65_536))) as client:
            client.settle()
            for number in 2 * list(range(len(ENTRIES))):
                client.finish(client.request(path=f"/entries/{number}"))
            # Such an encoder would have said so, in the first block.
            assert not any(block[0] & 0xE0 == 0x20 for block in client.raw_blocks)
            told = within(client.raw_blocks, 4_096)
            # The table is used: what is still in it is not sent again.
            client.finish(client.request(path=f"/entries/{number}"))
            assert len(client.raw_blocks[-1]) < 50
    assert [fields["x-entry"] for fields in told] == 2 * ENTRIES


@pytest.mark.parametrize(
    "size",
    [65_536, 0],
    ids=[
        "7541 4.2 upstream: the gateway's table stays at 4 KiB where the service allows 64 KiB",
        "7541 4.2 upstream: the gateway keeps no table where the service wants none",
    ],
)
def test_tables_towards_services(gateway, front, size):
    def script(endpoint):
        while True:
            endpoint.headers(endpoint.next_request(), [(":status", "200")])

    site = Site(gateway, front.site.authority, https="off")
    with FrameServer(script, first=settings((HEADER_TABLE_SIZE, size))) as server:
        site.serve(server.port, protocol="HTTP2")
        with site.http2(tls=False) as client:
            for entry in 2 * ENTRIES:
                assert client.request("GET", site.host, "/", ("x-entry", entry)).status == 200
        entries = []
        for endpoint in server.endpoints:
            # What goes out before the service's SETTINGS are read may use a table of 4 KiB.
            kinds = [(one.kind, one.flags & ACK) for one in endpoint.frames if one.kind in (HEADERS, SETTINGS)]
            early = sum(kind == HEADERS for kind, _ in kinds[: kinds.index((SETTINGS, ACK))]) if size == 0 else 0
            if blocks := endpoint.raw_blocks[early:]:
                entries += [fields["x-entry"] for fields in within(blocks, min(size, 4_096))]
    assert len(entries) >= len(ENTRIES) and set(entries) == set(ENTRIES)


@named("7541 4.2", "a table that shrinks and grows between two blocks is told with both sizes")
def test_shrink_and_grow(front, _rule):
    with front.connect() as client:
        client.finish(client.request())
        client.send(settings((HEADER_TABLE_SIZE, 0)), settings((HEADER_TABLE_SIZE, 4096)))
        client.settle()
        stream = client.request()
        client.finish(stream)
        assert client.status(stream) == 200
        assert client.raw_blocks[1].startswith(integer(0, 5, 0x20))
        goes_on(client, client.request(method="POST", end=False))


@named("7541 4.2", "a table that is given up while a stream stays open is told as empty")
def test_a_quiet_connection_gives_its_table_up(front, _rule):
    with front.connect() as client:
        open_one = client.request(method="POST", end=False)

        def begins_anew():
            before = len(client.raw_blocks)
            for _ in range(20):  # the first ones use no table
                stream = client.request()
                client.finish(stream)
                assert client.status(stream) == 200
            return any(block.startswith(integer(0, 5, 0x20)) for block in client.raw_blocks[before:])

        # Nothing goes to and fro between two looks: after a second of that the gateway keeps no table.
        wait_until(begins_anew, 20, "a block that begins with an empty table", interval=1.5)
        goes_on(client, open_one)
