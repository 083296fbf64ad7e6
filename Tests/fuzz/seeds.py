#!/usr/bin/env python3
"""Makes what fuzzing starts from where a parser's input is not easily written by hand: Tests/Fixtures/fuzz/TARGET. What is there already
stays; a name that is taken away is made anew. Needs a build and the tests' Python packages: `.venv/bin/python Tests/fuzz/seeds.py [TARGET ...]`."""

import base64
import pathlib
import socket
import struct
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

import hpack  # noqa: E402
from google.protobuf import descriptor_pb2 as pb  # noqa: E402
from grpc_reflection.v1alpha import reflection_pb2  # noqa: E402

from integration.certificates import Authority, openssl, pack  # noqa: E402
from integration.gateway import Gateway  # noqa: E402
from peers import channel  # noqa: E402

MOST = 4096  # as scripts/fuzz gives to libFuzzer
NONCE = bytes(8)


def websocket_frames():
    def frame(first, payload=b"", mask=None):
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
        if not mask:
            return bytes([first]) + length + payload
        covered = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return bytes([first, length[0] | 0x80]) + length[1:] + mask + covered

    mask = b"\x37\xfa\x21\x3d"
    yield "fragments", frame(0x01, b"Hel") + frame(0x89, b"ping") + frame(0x00, b"l") + frame(0x8A) + frame(0x80, b"o")
    yield "masked-fragments", frame(0x02, b"abc", mask) + frame(0x89, b"", mask) + frame(0x80, b"def", mask)
    yield "close-with-a-reason", frame(0x81, b"bye") + frame(0x88, struct.pack(">H", 1001) + b"going away")
    yield "close-of-one-byte", frame(0x88, b"\x03")
    yield "close-without-a-code", frame(0x88, b"", mask) + b"behind the end"
    yield "deflated", frame(0xC1, bytes.fromhex("f248cdc9c9070000"), mask) + frame(0x41, b"\xf2") + frame(0x80, b"\x48")
    yield "long", frame(0x82, bytes(126)) + frame(0x82, b"", mask) + b"\x82\x7f" + struct.pack(">Q", 70) + bytes(70)
    yield "longest", b"\x82\xff" + struct.pack(">Q", (1 << 63) - 1) + mask + b"begun"
    yield "of-no-known-kind", frame(0x83, b"x") + frame(0xBF, b"y") + frame(0x09, b"a control frame in parts")
    yield "cut-in-its-head", frame(0x81, b"whole") + b"\x82\xfe\x01"


def pem():
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(pathlib.Path(folder) / "ca", "fuzz")
        names = ("*.fuzz.test", "xn--nxasmq6b.test")
        ec = authority.issue("fuzz.test", *names)
        yield "ec-with-its-key", ec.cert + ec.key
        yield "key-before-certificate", ec.key + ec.cert
        yield "of-windows", ("subject=CN = fuzz.test\n\n" + ec.cert + ec.key).replace("\n", "\r\n")
        ed25519 = authority.issue("ed.fuzz.test", key="ed25519")
        yield "ed25519-with-its-key", ed25519.cert + ed25519.key
        rsa = authority.issue("rsa.fuzz.test", key="rsa")
        yield "rsa-with-its-key", rsa.cert + rsa.key
        below = Authority(pathlib.Path(folder) / "below", "fuzz below", authority)
        leaf = below.issue("leaf.fuzz.test")
        yield "chain-with-its-key", leaf.chain + leaf.key
        yield "chain-upside-down", below.cert + leaf.cert + leaf.key
        yield "key-of-another", ec.cert + ed25519.key
        yield "encrypted-key", ec.cert + openssl("pkcs8", "-topk8", "-in", ec.key_path, "-passout", "pass:fuzz")
        yield "without-names", authority.issue("bare.fuzz.test", san=None).cert
        yield "pkcs12", base64.b64decode(pack(ec, ""))


def config_frames():
    """A first byte says in which pieces the frames come; before a single object it is its kind."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(pathlib.Path(folder) / "gateway", loops=1)
        try:
            gateway.start_control()
            gateway.api.initialize()
            fill(gateway, Authority(pathlib.Path(folder) / "ca", "fuzz"))
            publish = taken(gateway.channel)
        finally:
            gateway.abandon()
    whole = b"".join(channel.frame(kind, payload) for kind, payload in publish)
    yield "publish", b"\xff" + whole
    entries = [entry for kind, payload in publish if kind == channel.OBJECTS for entry in channel.read_objects(payload)]
    for number in range(1, 7):
        found = max((data for kind, _, data in entries if kind == number), key=len)
        yield f"object-{number}", bytes([number]) + found
    # The same objects again, on what is served: kept, removed, brought.
    (_, begin), (_, end) = publish[0], publish[-1]
    head, root = begin[:32], begin[32:64]
    changed = [(*entries[0][:2], None), (*entries[1][:2], channel.REMOVED), entries[2]]
    delta = head[:24] + struct.pack(">Q", int.from_bytes(head[24:], "big") + 1) + root + b"\0" + b"\1" + root
    yield "changes", b"\x07" + whole + channel.frame(channel.PUBLISH_BEGIN, delta + struct.pack(">I", 3)) + channel.frame(
        channel.OBJECTS, channel.write_objects(changed)
    ) + channel.frame(channel.PUBLISH_END, end)
    report = bytes([channel.LISTENER]) + channel.text("http") + channel.text("port") + channel.text("it is in use")
    hello = struct.pack(">H", channel.PROTOCOL) + channel.text("fuzz") + NONCE + channel.text("1") + struct.pack(">IB", 1, 3)
    yield "of-a-worker", b"\x10" + b"".join(
        channel.frame(kind, payload)
        for kind, payload in (
            (channel.HELLO, hello + b"\1" + head[8:32] + root + root),
            (channel.STATUS, b"\3" + struct.pack(">QQQ", 1, 2, 3) + struct.pack(">I", 1) + report),
            (channel.ACK, head + struct.pack(">I", 1) + report),
            (channel.NACK, head + struct.pack(">I", 2) + report * 2),
            (channel.STATISTICS, b"as it is"),
        )
    )
    yield "refused", b"\x01" + channel.frame(channel.REFUSED, b"\1" + channel.text("another protocol"))


def fill(gateway, authority):
    """One of each kind of object, with as much in it as fits."""
    identity = authority.issue("f.test", key="ed25519")
    certificate = {"name": "c", "cert": identity.cert, "key": identity.key}
    gateway.api.post("/v1/tls-certificates", certificate, live=False)
    gateway.api.post("/v1/domains", {"name": "f.test", "enableHttps": "on", "certIdentifier": "c"}, live=False)
    key = {"type": "key-auth", "source": "HEADER", "key": "k", "values": ["v"]}
    gateway.api.post("/v1/consumers", {"name": "u", "credentials": [key]}, live=False)
    check = {"type": "http", "path": "/", "interval": 1000}
    source = {"name": "s", "type": "static", "domain": "127.0.0.1:1,127.0.0.1:2", "port": 80, "healthCheck": check}
    gateway.api.post("/v1/service-sources", source, live=False)
    gateway.api.create_route(
        "r",
        ["f.test"],
        "s.static",
        "/a",
        live=False,
        methods=["GET"],
        headers=[{"key": "h", "matchType": "PRE", "matchValue": "x"}],
        rewrite={"enabled": True, "path": "/b"},
        headerControl={"enabled": True, "request": {"set": [{"key": "x", "value": "y"}]}},
        rateLimit={"enabled": True, "qps": 5, "burst": 9},
        timeouts={"total": 900},
        authConfig={"enabled": True, "allowedCredentialTypes": ["key-auth"], "allowedConsumers": ["u"]},
    )


def taken(path):
    """The first publish, frame by frame."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        hello = struct.pack(">H", channel.PROTOCOL) + channel.text("fuzz") + NONCE + channel.text("1")
        sock.sendall(channel.frame(channel.HELLO, hello + struct.pack(">IBB", 1, channel.SERVING, 0)))
        frames = [channel.read_frame(sock)]
        while frames[-1][0] != channel.PUBLISH_END:
            frames.append(channel.read_frame(sock))
        return frames


def grpc_web():
    yield "one-chunk", base64.b64encode(b"\0\0\0\0\3abc")
    yield "padded-twice", b"".join(base64.b64encode(part) for part in (b"\0\0\0\0\1", b"a", b"bc", b"\x80\0\0\0\0"))
    yield "trailers", base64.b64encode(b"\x80\0\0\0\x0fgrpc-status:0\r\n")
    yield "padding-in-the-middle", b"YQ=YQ=="
    yield "of-the-url-alphabet", b"-_8="
    yield "cut", b"AAAAAAN"


def messages():
    """The length of a descriptor, the descriptor, a message."""

    def seed(descriptor, message):
        data = descriptor.SerializeToString() if hasattr(descriptor, "SerializeToString") else descriptor
        return struct.pack(">H", len(data)) + data + message

    field = pb.FieldDescriptorProto
    nested = pb.FileDescriptorProto(name="n.proto", package="t", syntax="proto3")
    message = nested.message_type.add(name="M")
    message.field.add(name="m", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_MESSAGE, type_name=".t.M")
    message.field.add(name="s", number=2, label=field.LABEL_REPEATED, type=field.TYPE_STRING)
    deep = b"\x12\3end"
    while len(deep) < 126:
        deep = b"\x0a" + bytes([len(deep)]) + deep
    yield "nested", seed(nested, deep)
    old = pb.FileDescriptorProto(name="o.proto", package="t")
    message = old.message_type.add(name="M")
    message.oneof_decl.add(name="one")
    message.field.add(name="a", number=1, label=field.LABEL_REQUIRED, type=field.TYPE_SINT64)
    message.field.add(name="b", number=2, label=field.LABEL_OPTIONAL, type=field.TYPE_BYTES, oneof_index=0)
    message.field.add(name="c", number=3, label=field.LABEL_OPTIONAL, type=field.TYPE_GROUP, type_name=".t.M.C", oneof_index=0)
    message.nested_type.add(name="C").field.add(name="d", number=1, label=field.LABEL_REPEATED, type=field.TYPE_FIXED32)
    yield "proto2-with-a-group", seed(old, b"\x08\x05\x12\2\xff\xfe\x1b\x0d\1\0\0\0\x1c")
    yield "message-cut", seed(nested, b"\x0a\x05\x12")
    yield "descriptor-cut", struct.pack(">H", 9) + nested.SerializeToString()[:9]
    service = pb.FileDescriptorProto(name="s.proto", package="t", dependency=["n.proto"])
    service.service.add(name="S").method.add(
        name="Do", input_type=".t.M", output_type=".t.M", client_streaming=True, server_streaming=True
    )
    answer = reflection_pb2.ServerReflectionResponse
    listed = answer(list_services_response={"service": [{"name": "t.S"}, {"name": "grpc.health.v1.Health"}]})
    yield "services", seed(service, listed.SerializeToString())
    files = answer(file_descriptor_response={"file_descriptor_proto": [service.SerializeToString(), nested.SerializeToString()]})
    yield "files", seed(service, files.SerializeToString())
    missing = answer(error_response={"error_code": 5, "error_message": "not found"})
    yield "no-such-service", seed(b"", missing.SerializeToString())


def header_blocks():
    """Of a client, and behind them of a service: see the target for how they are put together."""

    def blocks(client, service):
        coders = hpack.Encoder(), hpack.Encoder()
        parts = [
            b"".join(bytes([flags, len(block)]) + block for flags, fields in side for block in [coder.encode(fields)])
            for coder, side in zip(coders, (client, service), strict=True)
        ]
        return struct.pack(">H", len(parts[0])) + b"".join(parts)

    end, same, continued, padded, prioritized, data = 1, 2, 4, 8, 16, 32

    def request(path, method="GET", *more):
        return [(":method", method), (":scheme", "http"), (":authority", "a.test"), (":path", path), *more]

    call = request("/g.S/M", "POST", ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "1S"))
    ok = [(":status", "200"), ("content-type", "application/grpc")]
    yield "get", blocks([(end, request("/a"))], [(end, [(":status", "204"), ("x-a", "b")])])
    yield "call", blocks([(end, call)], [(0, ok), (same | data | end, [("grpc-status", "0"), ("grpc-message", "fine")])])
    yield "calls-that-share-a-table", blocks([(end, call)] * 3, [(end, [*ok, ("grpc-status", "5")])] * 3)
    upload = [(0, request("/b", "POST", ("content-length", "5"))), (same | data | end, [("x-trailer", "1")])]
    hints = [(":status", "103"), ("link", "</a>; rel=preload")]
    yield "trailers-and-hints", blocks(upload, [(0, hints), (same, [(":status", "200")]), (same | data | end, [("x-t", "2")])])
    cookies = request("/c", "GET", ("cookie", "a=1"), ("cookie", "b=2"), ("authorization", "Basic eA=="))
    yield "continued-and-padded", blocks([(end | continued | padded | prioritized, cookies)], [(end | continued, ok)])
    connect = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/w")]
    connect += [(":authority", "a.test"), ("sec-websocket-version", "13")]
    yield "websocket", blocks([(0, connect)], [(0, [(":status", "200")])])
    yield "forbidden-fields", blocks([(end, request("/d", "GET", ("connection", "close"), ("te", "gzip")))], [(end, ok)])
    yield "size-updates", b"\x00\x09\x01\x07\x20\x3f\xe1\x1f\x82\x84\x86\x01\x03\x3f\xe1\xff"


def proxy_peers():
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    far, near = socket.inet_pton(socket.AF_INET6, "2001:db8::1"), socket.inet_pton(socket.AF_INET6, "::1")
    ports = struct.pack(">HH", 49153, 443)
    crc, alpn = b"\x03\0\4\0\0\0\0", b"\x01\0\2h2"
    body = far + near + ports + crc + alpn
    yield "binary-ipv6-with-more", signature + b"\x21\x21" + struct.pack(">H", len(body)) + body + b"PRI * HTTP/2.0\r\n"
    yield "binary-local", signature + b"\x20\0\0\0GET / HTTP/1.1\r\n"
    yield "binary-unix", signature + b"\x21\x31" + struct.pack(">H", 216) + bytes(216)
    yield "binary-cut", signature + b"\x21\x11\0\x0c\x7f\0"
    yield "text-ipv6", b"PROXY TCP6 2001:db8::1 ::1 49153 443\r\n"
    yield "text-unknown", b"PROXY UNKNOWN ff::1 anything\r\nGET /"
    yield "connect-refused", b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"
    yield "connect-old", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"


TARGETS = {
    "ConfigFrames": config_frames,
    "GRPCWeb": grpc_web,
    "HeaderBlocks": header_blocks,
    "Messages": messages,
    "PEM": pem,
    "ProxyPeers": proxy_peers,
    "WebSocketFrames": websocket_frames,
}


def main():
    for target in sys.argv[1:] or TARGETS:
        folder = TESTS / "Fixtures/fuzz" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in TARGETS[target]():
            data = data.encode() if isinstance(data, str) else data
            assert len(data) <= MOST, f"{target}/{name} has {len(data)} bytes, libFuzzer would cut it at {MOST}"
            if not (folder / name).exists():
                (folder / name).write_bytes(data)
                print(f"{target}/{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
