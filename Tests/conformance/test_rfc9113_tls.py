"""RFC 9113 §9.2: how HTTP/2 uses TLS, as far as a server answers for it; with that early data (RFC 8446), which §9.2.3 limits."""

import re
import shutil
import socket
import ssl
import subprocess

import pytest

from conformance.rules import named
from integration.certificates import openssl
from integration.site import Site
from integration.waiting import wait_until
from peers import http2
from peers.frames import END_HEADERS, END_STREAM, HEADERS, PREFACE, frame, literal, settings
from peers.http1 import EchoServer
from peers.wire import Wire, tls_context

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# The one that every deployment must have, as OpenSSL names it (TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256).
MANDATORY = "ECDHE-RSA-AES128-GCM-SHA256"
# Of appendix A: no AEAD, or no ephemeral key.
PROHIBITED = ["ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES256-SHA"]


@pytest.fixture(scope="module")
def secure(gateway, authority):
    """A site with an RSA certificate: it fits the suites that the RFC names."""
    identity = authority.issue("rsa.h2.test", key="rsa")
    with http2.Server() as server, EchoServer() as plain:
        site = Site(gateway, authority, "rsa.h2.test", identity=identity)
        site.serve(server.port, protocol="HTTP2")
        site.serve(plain.port, path="/plain")
        site.plain = plain
        yield site


def offer(version=V12, suites=None, security=None):
    made = tls_context(("h2",))
    if suites:
        made.set_ciphers(":".join(suites) + (f":@SECLEVEL={security}" if security is not None else ""))
    made.minimum_version = made.maximum_version = version
    return made


def shake(site, context):
    sock = socket.create_connection(("127.0.0.1", site.gateway.https_port), 10)
    try:
        return context.wrap_socket(sock, server_hostname=site.host)
    except BaseException:
        sock.close()
        raise


def answered(site, tls):
    """Whether a request over HTTP/2 is answered on a connection whose handshake is over."""
    assert tls.selected_alpn_protocol() == "h2"
    with http2.Client(site.gateway.https_port, wrapped=tls) as client:
        return client.request("GET", site.host, "/").status == 200


class Peer:
    """`openssl s_client`; what it writes is kept in `seen`."""

    def __init__(self, site, *options):
        command = [shutil.which("openssl"), "s_client", "-connect", f"127.0.0.1:{site.gateway.https_port}"]
        self.process = subprocess.Popen(
            [*command, "-servername", site.host, *map(str, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self.seen = ""

    def read(self):
        data = self.process.stdout.read(65_536)
        self.seen += data.decode(errors="replace")
        return bool(data)

    def until(self, *words):
        while not all(each in self.seen for each in words):
            assert self.read(), self.seen
        return self.seen

    def say(self, text):
        self.process.stdin.write(text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


# ---- §9.2


@pytest.mark.parametrize(
    "version",
    [V12, V13],
    ids=["9.2 HTTP/2 is served over TLS 1.2", "9.2 HTTP/2 is served over TLS 1.3"],
)
def test_versions_that_are_served(secure, version):
    tls = shake(secure, offer(version))
    assert tls.version() == version.name.replace("_", ".")
    assert answered(secure, tls)


@pytest.mark.parametrize(
    "version",
    [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1],
    ids=["9.2 a client of TLS 1.0 = alert protocol_version", "9.2 a client of TLS 1.1 = alert protocol_version"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions_that_are_refused(secure, version):
    with pytest.raises(ssl.SSLError) as refusal:
        shake(secure, offer(version, ["ALL"], security=0))
    assert refusal.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


# ---- §9.2.1


def hello_with_deflate(host):
    """A client hello of TLS 1.2 that offers compression by deflate before none."""
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        offer().wrap_bio(ssl.MemoryBIO(), out, server_hostname=host).do_handshake()
    record = bytearray(out.read())
    # Heads of record and message, version, random; then session id and cipher suites with their lengths.
    at = 5 + 4 + 2 + 32
    at += 1 + record[at]
    at += 2 + int.from_bytes(record[at : at + 2], "big")
    assert record[at : at + 2] == b"\1\0"
    record[at : at + 2] = b"\2\1\0"
    record[3:5] = (len(record) - 5).to_bytes(2, "big")
    record[6:9] = (len(record) - 9).to_bytes(3, "big")
    return bytes(record)


@named("9.2.1", "compression of TLS 1.2 that a client offers is not taken")
def test_compression(secure, _rule):
    with Wire.connect(secure.gateway.https_port) as wire:
        wire.send(hello_with_deflate(secure.host))
        record = wire.read(5)
        assert record[0] == 22, "no handshake record"
        hello = wire.read(int.from_bytes(record[3:], "big"))
    assert hello[0] == 2 and hello[4:6] == b"\3\3", "no server hello of TLS 1.2"
    at = 4 + 2 + 32
    at += 1 + hello[at]
    assert hello[at + 2] == 0


@named("9.2.1", "renegotiation that a client asks for = refused with the alert no_renegotiation")
def test_renegotiation(secure, _rule):
    before = secure.gateway.metric("causeway_tls_handshakes_total")
    with Peer(secure, "-tls1_2", "-alpn", "h2", "-msg") as peer:
        # And a record of data, the gateway's SETTINGS: within another handshake OpenSSL's client takes none.
        peer.until("Secure Renegotiation IS supported", "ALPN protocol: h2", "Verify return code", " 17 03 03 ")
        peer.say("R\n")
        peer.until("warning no_renegotiation")
        # OpenSSL's client takes a refusal for the end.
        while peer.read():
            pass
        assert len(re.findall(r"ServerHello$", peer.seen, re.MULTILINE)) == 1
    assert answered(secure, shake(secure, offer()))
    assert secure.gateway.metric("causeway_tls_handshakes_total") == before + 2


@named("9.2.1", "a client with finite-field DHE alone, whose groups may be too small = alert handshake_failure")
def test_finite_field_groups(secure, _rule):
    with pytest.raises(ssl.SSLError) as refusal:
        shake(secure, offer(suites=["DHE-RSA-AES128-GCM-SHA256"]))
    assert refusal.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


# ---- §9.2.2


@named("9.2.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 with P-256 is spoken")
def test_the_mandatory_suite(secure, _rule):
    context = offer(suites=[MANDATORY])
    context.set_ecdh_curve("prime256v1")
    tls = shake(secure, context)
    assert tls.cipher()[0] == MANDATORY
    assert answered(secure, tls)


@named("9.2.2", "a suite that is allowed goes before those of appendix A, whatever the client prefers")
def test_allowed_suites_first(secure, _rule):
    tls = shake(secure, offer(suites=[*PROHIBITED, MANDATORY]))
    assert tls.cipher()[0] == MANDATORY
    assert answered(secure, tls)


@pytest.mark.parametrize("suite", PROHIBITED, ids=[f"9.2.2 {suite} of appendix A, offered alone = accepted" for suite in PROHIBITED])
def test_prohibited_suites(secure, suite):
    tls = shake(secure, offer(suites=[suite]))
    print(tls.cipher(), tls.selected_alpn_protocol())
    assert answered(secure, tls)


# ---- early data


def ticket(site, path):
    """The text of a session file of TLS 1.3, and what OpenSSL reads in it."""
    with Peer(site, "-tls1_3", "-alpn", "http/1.1", "-sess_out", path):
        wait_until(lambda: "-----END" in path.read_text(), 10, "a ticket has come")
    return path.read_text(), openssl("sess_id", "-in", path, "-noout", "-text")


def with_early_data(pem):
    """The same session, but that 16,384 bytes of early data are allowed: `max_early_data`, [15] of OpenSSL's SSL_SESSION_ASN1."""
    allowed = bytes([0xAF, 4, 2, 2, 0x40, 0])
    der = ssl.PEM_cert_to_DER_cert(pem.replace("SSL SESSION PARAMETERS", "CERTIFICATE"))

    def element(at):
        """(tag, where its contents begin, where they end) of the DER element that begins here."""
        length, start = der[at + 1], at + 2
        if length >= 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(der[start : start + count], "big"), start + count
        return der[at], start, start + length

    _, at, end = element(0)
    parts = []
    while at < end:
        tag, _, stop = element(at)
        parts.append((tag, der[at:stop]))
        at = stop
    assert 0xAF not in dict(parts)
    parts.append((0xAF, allowed))
    body = b"".join(part for _, part in sorted(parts, key=lambda part: part[0] if part[0] >= 0xA0 else 0))
    text = ssl.DER_cert_to_PEM_cert(b"\x30\x82" + len(body).to_bytes(2, "big") + body)
    return text.replace("CERTIFICATE", "SSL SESSION PARAMETERS")


# ---- §9.2.3


@named("9.2.3", "no certificate is asked for after the handshake")
def test_no_authentication_after_the_handshake(gateway, authority, _rule):
    """Of a client that would allow it, in a domain where certificates may be shown: each request is answered as it is."""
    with http2.Server(name="the far end") as server:
        site = Site(gateway, authority, "late.h2.test", clientAuth={"mode": "optional", "ca": authority.cert})
        site.serve(server.port, protocol="HTTP2")
        with Peer(site, "-tls1_3", "-alpn", "h2", "-enable_pha", "-msg", "-quiet") as peer:
            peer.until("NewSessionTicket")
            for stream in (1, 3):
                peer.seen = peer.seen.replace("the far end", "")
                fields = ((":method", "GET"), (":scheme", "https"), (":authority", site.host), (":path", "/"))
                head = b"".join(literal(name, value) for name, value in fields)
                start = PREFACE + settings() if stream == 1 else b""
                peer.process.stdin.write(start + frame(HEADERS, END_STREAM | END_HEADERS, stream, head))
                peer.until("the far end")
            assert peer.seen.count("CertificateRequest") == 1, "beside that of the handshake"


@named("8446 4.2.10", "tickets allow no early data")
def test_tickets_allow_no_early_data(secure, tmp_path, _rule):
    _, said = ticket(secure, tmp_path / "session")
    assert re.findall(r"Max Early Data: (\d+)", said) == ["0"]


@named("8446 4.2.10", "early data that is sent all the same = skipped, and the handshake goes on")
def test_early_data_is_skipped(secure, tmp_path, _rule):
    forged, early = tmp_path / "forged", tmp_path / "early"
    session, _ = ticket(secure, tmp_path / "session")
    forged.write_text(with_early_data(session))
    request = "GET /plain/{} HTTP/1.1\r\nHost: " + secure.host + "\r\n\r\n"
    early.write_bytes(request.format("early").encode())
    with Peer(secure, "-tls1_3", "-alpn", "http/1.1", "-sess_in", forged, "-early_data", early) as peer:
        peer.until("Early data was rejected")
        peer.say(request.format("late"))
        peer.until("HTTP/1.1 200")
        assert "Reused, TLSv1.3" in peer.seen, "the session was not resumed"
    assert [each.target for each in secure.plain.seen] == ["/plain/late"]
