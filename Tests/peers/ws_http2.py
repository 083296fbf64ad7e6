"""WebSocket over HTTP/2 (RFC 8441) for both ends: streams of `peers/http2.py`, frames of `wsproto`."""

import threading

import h2.errors
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from peers import http2

OFFER = {h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}


def open_connect(client, authority, path, *fields, end=False, version="13", protocol="websocket"):
    """Sends an extended CONNECT on a connection of `http2.Client`; returns its stream."""
    id = client.h2.get_next_available_stream_id()
    head = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", client.scheme),
        (":authority", authority),
        (":path", path),
        *([("sec-websocket-version", version)] if version else []),
        *fields,
    ]
    client.h2.send_headers(id, head, end_stream=end)
    client.streams[id] = http2.Stream(id)
    client.flush()
    return client.streams[id]


class WebSocket:
    """A client's WebSocket on a stream; `handshake` is the stream with the answer to it."""

    def __init__(self, client, authority, path="/", *fields, extensions=None):
        self.client = client
        self.handshake = open_connect(client, authority, path, *fields)
        client.until(lambda: self.handshake.status is not None or self.handshake.done)
        self.frames = Connection(ConnectionType.CLIENT, extensions)
        self.messages, self.partial, self.close, self.pongs = [], None, None, []

    @property
    def status(self):
        return self.handshake.status

    def send(self, event):
        self.client.data(self.handshake.id, self.frames.send(event))

    def send_raw(self, data, end=False):
        self.client.data(self.handshake.id, data, end)

    def end(self):
        """END_STREAM, unless the stream is over: the far end may have been faster."""
        if not self.handshake.done:
            self.client.h2.end_stream(self.handshake.id)
            self.client.flush()

    def ended_in_order(self):
        return self.client.finish(self.handshake).reset in (None, h2.errors.ErrorCodes.NO_ERROR)

    def pump(self):
        """Takes what has come; reads more where nothing has."""
        if not self.handshake.body:
            assert not self.handshake.done, f"the stream has ended (reset {self.handshake.reset})"
            self.client.pump()
        data, self.handshake.body = self.handshake.body, b""
        if not data:
            return
        self.frames.receive_data(data)
        for event in self.frames.events():
            match event:
                case TextMessage() | BytesMessage():
                    self.partial = event.data if self.partial is None else self.partial + event.data
                    if event.message_finished:
                        self.messages.append(self.partial)
                        self.partial = None
                case CloseConnection():
                    self.close = event
                case Ping():
                    self.send(event.response())
                case _:
                    self.pongs.append(bytes(event.payload))

    def receive(self):
        while not self.messages:
            assert self.close is None, self.close
            self.pump()
        return self.messages.pop(0)

    def until(self, condition):
        while not condition():
            self.pump()


class EchoServer(http2.Server):
    """An h2 back end that offers extended CONNECT and echoes messages. `seen` has the handshakes; `refuse` a status that is
    answered instead of 200."""

    def __init__(self, refuse=None, fields=(), before=None, **more):
        self.refuse, self.more, self.before = refuse, fields, before
        self.seen, self.ended = [], threading.Event()
        super().__init__(script=self._begin, wait_for_end=False, first_settings=OFFER, **more)

    def _begin(self, connection, id, headers):
        self.seen.append(headers)
        if headers.get(":protocol") != "websocket":
            return http2.answer(connection, id, headers)
        if self.before:
            self.before(connection, id)
        if self.refuse:
            connection.respond(id, self.refuse, ("x-reason", "mine"))
            return connection.data(id, b"sorry!", end=True)
        frames = Connection(ConnectionType.SERVER)
        connection.respond(id, 200, *self.more)

        def receive(data, ended):
            if data:
                frames.receive_data(data)
            for event in frames.events():
                if isinstance(event, (TextMessage, BytesMessage)):
                    connection.send_all(id, frames.send(event))
                elif isinstance(event, Ping):
                    connection.send_all(id, frames.send(event.response()))
                elif isinstance(event, CloseConnection):
                    connection.send_all(id, frames.send(event.response()))
                    connection.finish(id)
            if ended:
                self.ended.set()
                connection.finish(id)

        connection.receivers[id] = receive
