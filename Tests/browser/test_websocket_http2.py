"""WebSocket as Chromium does it over HTTP/2 (RFC 8441): a page of the gateway opens one on the connection that it came by."""

import base64
import hashlib

import pytest

from browser.page import Page
from integration.certificates import openssl
from integration.site import Site
from peers.http1 import RawServer

PAGE = b"<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>WebSocket</title><p>ready"

# Sends each message after the answer to the one before, then closes where `code` is given; ends with what the page saw.
TALK = """
const [path, messages, code, reason] = arguments, done = arguments[arguments.length - 1];
const socket = new WebSocket(`wss://${location.host}${path}`), seen = {messages: []};
socket.binaryType = 'arraybuffer';
const left = messages.map((each) => typeof each === 'string' ? each : Uint8Array.from({length: each}, (_, i) => i % 251));
const next = () => {
  if (left.length) socket.send(left[0]);
  else if (code) socket.close(code, reason);
};
socket.onopen = () => { seen.opened = true; next(); };
socket.onmessage = ({data}) => {
  const sent = left.shift();
  const same = typeof sent === 'string' ? data === sent
    : data instanceof ArrayBuffer && data.byteLength === sent.length && new Uint8Array(data).every((byte, i) => byte === sent[i]);
  seen.messages.push(same);
  next();
};
socket.onclose = ({code, reason, wasClean}) => done({...seen, code, reason, clean: wasClean});
"""


def serve_page(wire):
    while True:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE))


def spki(identity):
    """The hash of a certificate's public key, by which Chromium can be told to take it."""
    public = openssl("x509", "-in", identity.path, "-noout", "-pubkey")
    der = base64.b64decode("".join(public.splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture
def site(gateway, authority, ws_server):
    """A page at / and a WebSocket echo below /ws."""
    made = Site(gateway, authority)
    with RawServer(serve_page) as server:
        made.serve(server.port)
        made.serve(ws_server.port, path="/close")
        made.serve(ws_server.port, path="/ws")
        yield made


@pytest.fixture
def browser(site):
    page = Page(
        f"https://{site.host}:{site.gateway.https_port}",
        arguments=[
            f"--host-resolver-rules=MAP {site.host} 127.0.0.1",
            f"--ignore-certificate-errors-spki-list={spki(site.identity)}",
        ],
    )
    page.open()
    page.see("ready")
    yield page
    problems = page.problems()
    page.close()
    assert not problems, problems


def opened(gateway):
    return gateway.metric("causeway_downstream_connections_opened_total")


def test_chromium_opens_it_on_the_page_s_own_connection(browser, site, gateway):
    loaded = gateway.wait_log(authority=f"{site.host}:{gateway.https_port}", path="/")
    assert (loaded["protocol"], loaded["status"]) == ("h2", 200)
    before = opened(gateway)
    messages = ["hello", "Grüße, 世界", "x" * 300_000, 5, 300_000]
    saw = browser.driver.execute_async_script(TALK, "/ws", messages, 3001, "done")
    assert saw == {"opened": True, "messages": [True] * 5, "code": 3001, "reason": "done", "clean": True}
    record = gateway.wait_log(path="/ws", authority=loaded["authority"])
    # 200 is the answer to an extended CONNECT; to a handshake of HTTP/1.1 it is 101.
    assert (record["protocol"], record["status"], record["close_code"]) == ("websocket", 200, 3001)
    assert (record["messages_in"], record["messages_out"]) == (5, 5)
    assert record["peer"] == loaded["peer"] and opened(gateway) == before


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "bye"), (4321, "the service's own")])
def test_close_codes_of_the_service_reach_the_page(browser, site, gateway, code, reason):
    saw = browser.driver.execute_async_script(TALK, f"/close/{code}/{reason.replace(' ', '%20')}", [], None, None)
    assert (saw["opened"], saw["code"], saw["reason"], saw["clean"]) == (True, code, reason, True)
    record = gateway.wait_log(close_code=code, authority=f"{site.host}:{gateway.https_port}")
    assert (record["protocol"], record["status"]) == ("websocket", 200)
