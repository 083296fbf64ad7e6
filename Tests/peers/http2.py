"""HTTP/2 at frame level through the `h2` package: a client for the gateway's front, a scripted server for its back."""

import contextlib
import dataclasses
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from peers.http1 import RawServer
from peers.wire import Closed, Wire


# The library takes GOAWAY for the end of a connection; streams up to the last one go on (RFC 9113 §6.8).
_machine = h2.connection.H2ConnectionStateMachine
for _state in (h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionState.SERVER_OPEN):
    _machine._transitions[_state, h2.connection.ConnectionInputs.RECV_GOAWAY] = (None, _state)
    _machine._transitions[_state, h2.connection.ConnectionInputs.SEND_GOAWAY] = (None, _state)


@dataclasses.dataclass
class Stream:
    """What has come on one stream so far."""

    id: int
    status: int | None = None
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b""
    trailers: dict = dataclasses.field(default_factory=dict)
    interim: list = dataclasses.field(default_factory=list)
    ended: bool = False
    reset: int | None = None  # error code

    @property
    def done(self):
        return self.ended or self.reset is not None

    @property
    def grpc_status(self):
        value = self.trailers.get("grpc-status", self.headers.get("grpc-status"))
        return None if value is None else int(value)

    @property
    def grpc_message(self):
        return self.trailers.get("grpc-message", self.headers.get("grpc-message"))


class Client:
    """A client connection; `pump` reads one batch of events, `finish` reads until a stream is over. `wrapped`: over this TLS."""

    def __init__(
        self, port, tls=True, sni="h2.test", credit=True, timeout=10, validate=True, source=None, wrapped=None
    ):
        if wrapped:
            self.wire = Wire(wrapped, timeout)
        else:
            self.wire = Wire.connect(port, tls=tls, sni=sni, alpn=("h2",), timeout=timeout, source=source)
        if tls:
            assert self.wire.sock.selected_alpn_protocol() == "h2", "the server did not choose h2"
        self.scheme = "https" if tls else "http"
        self.credit = credit  # give window back for what was read
        # Without validation a test may send what the library would refuse to send.
        self.h2 = h2.connection.H2Connection(
            config=h2.config.H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=validate,
                normalize_outbound_headers=validate,
                validate_inbound_headers=True,
            )
        )
        self.streams, self.pings, self.settings = {}, [], 0
        self.fields = []  # of each answer and its trailers, as the library gives them: it marks those that must not be indexed
        self.goaway, self.goaways = None, []  # the last, and all in their order
        self.closed = False
        self.h2.initiate_connection()
        self.h2.decoder.max_header_list_size = 1 << 20  # what is too large is for the test to say
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.wire.send(data)

    def open(self, method, authority, path, *fields, body=None, end=True):
        """Begins a request; with `end=False` more body may follow through `data`."""
        id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(
            id,
            [(":method", method), (":scheme", self.scheme), (":authority", authority), (":path", path), *fields],
            end_stream=end and not body,
        )
        self.streams[id] = Stream(id)
        self.flush()
        if body:
            self.data(id, body, end)
        return self.streams[id]

    def data(self, id, body, end=False):
        """Sends within the windows, reading while they are shut."""
        while body:
            room = min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size)
            if room == 0:
                self.pump()
                continue
            self.h2.send_data(id, body[:room], end_stream=end and len(body) <= room)
            body = body[room:]
            self.flush()
        return self.streams[id]

    def pump(self):
        try:
            self.wire.receive()
        except Closed:
            self.closed = True
            raise
        self.take()

    def take(self):
        """What the wire has received, and the answers to it."""
        data, self.wire.input = self.wire.input, b""
        for event in self.h2.receive_data(data):
            self._take(event)
        self.flush()

    def _take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        match event:
            case h2.events.InformationalResponseReceived():
                stream.interim.append(int(dict(event.headers)[":status"]))
            case h2.events.ResponseReceived():
                self.fields.append(event.headers)
                stream.headers = dict(event.headers)
                stream.status = int(stream.headers[":status"])
            case h2.events.DataReceived():
                stream.body += event.data
                if self.credit and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.TrailersReceived():
                self.fields.append(event.headers)
                stream.trailers = dict(event.headers)
            case h2.events.StreamEnded():
                stream.ended = True
            case h2.events.StreamReset():
                if stream:
                    stream.reset = int(event.error_code)
            case h2.events.ConnectionTerminated():
                self.goaway = event
                self.goaways.append(event)
            case h2.events.PingAckReceived():
                self.pings.append(event.ping_data)
            case h2.events.RemoteSettingsChanged():
                self.settings += 1

    def until(self, condition):
        while not condition():
            self.pump()

    def finish(self, stream):
        self.until(lambda: stream.done)
        return stream

    def request(self, method, authority, path, *fields, body=None):
        return self.finish(self.open(method, authority, path, *fields, body=body))

    def grpc(self, authority, path, message=b"", *fields):
        """A unary gRPC call with bytes for a message."""
        body = b"\0" + len(message).to_bytes(4, "big") + message
        return self.request(
            "POST", authority, path, ("content-type", "application/grpc"), ("te", "trailers"), *fields, body=body
        )

    def read_to_end(self):
        """Reads until the server closes; what it said stays in the fields."""
        try:
            while True:
                self.pump()
        except Closed:
            return self
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"the gateway broke HTTP/2: {error}") from error


class Server(RawServer):
    """An h2c back end. `script(server_connection, stream_id, headers)` runs when a request's headers have come; with
    `wait_for_end` when the whole request has. By default it answers 200 with what it saw as grpc-status 0."""

    def __init__(self, script=None, name="b1", wait_for_end=True, settings=None, first_settings=None, **more):
        self.script = script or answer
        self.first_settings = first_settings  # of the connection's first SETTINGS frame
        self.name, self.wait_for_end, self.settings = name, wait_for_end, settings or {}
        self.requests, self.resets, self.bodies = [], [], {}
        self.fields = []  # of each request, as the library gives them: it marks those that must not be indexed
        super().__init__(self._connection, **more)

    def _connection(self, wire):
        try:
            ServerConnection(self, wire).run()
        except h2.exceptions.ProtocolError as error:
            # A client that tries HTTP/1.1 is sent away, as any server of HTTP/2 would do; other mistakes are a test's.
            if "preamble" not in str(error):
                raise


class ServerConnection:
    def __init__(self, server, wire):
        self.server, self.wire = server, wire
        self.lock = threading.RLock()
        self.h2 = h2.connection.H2Connection(
            config=h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        if server.first_settings:
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=server.first_settings)
        self.headers, self.body, self.trailers = {}, {}, {}
        self.receivers, self.unsent, self.ending = {}, {}, {}
        self.credit = True

    def run(self):
        self.h2.initiate_connection()
        self.h2.decoder.max_header_list_size = 1 << 20
        if self.server.settings:
            self.h2.update_settings(self.server.settings)
        self.flush()
        while True:
            self.wire.receive()
            data, self.wire.input = self.wire.input, b""
            for event in self.h2.receive_data(data):
                self._take(event)
            self.flush()

    def flush(self):
        with self.lock:
            data = self.h2.data_to_send()
            if data:
                self.wire.send(data)

    def _take(self, event):
        match event:
            case h2.events.RequestReceived():
                self.headers[event.stream_id] = dict(event.headers)
                self.server.fields.append(event.headers)
                self.body[event.stream_id] = b""
                if not self.server.wait_for_end:
                    self._begin(event.stream_id)
            case h2.events.DataReceived():
                if self.credit and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.stream_id in self.receivers:
                    self.receivers[event.stream_id](event.data, False)
                else:
                    self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
            case h2.events.WindowUpdated():
                for id in [event.stream_id] if event.stream_id else list(self.unsent):
                    # The reset of the stream may have come in the same read.
                    with contextlib.suppress(h2.exceptions.StreamClosedError):
                        self.send_all(id, b"")
            case h2.events.TrailersReceived():
                self.trailers[event.stream_id] = dict(event.headers)
            case h2.events.StreamEnded():
                if event.stream_id in self.receivers:
                    self.receivers[event.stream_id](b"", True)
                if self.server.wait_for_end:
                    self._begin(event.stream_id)
            case h2.events.StreamReset():
                self.server.resets.append((event.stream_id, int(event.error_code)))

    def _begin(self, id):
        self.server.requests.append(self.headers[id])
        self.server.bodies[id] = self.body.get(id, b"")
        self.server.script(self, id, self.headers[id])

    # ---- what scripts use

    def respond(self, id, status=200, *fields, end=False):
        self.h2.send_headers(id, [(":status", str(status)), *fields], end_stream=end)
        self.flush()

    def data(self, id, data, end=False):
        """At most what the windows allow; tests that send more do it in steps."""
        self.h2.send_data(id, data, end_stream=end)
        self.flush()

    def send_all(self, id, data):
        """As much as the windows allow now, the rest as they open."""
        data = self.unsent.pop(id, b"") + data
        while data and (room := min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size)) > 0:
            self.h2.send_data(id, data[:room])
            data = data[room:]
        if data:
            self.unsent[id] = data
        elif self.ending.get(id):
            self.ending[id] = False
            self.h2.end_stream(id)
        self.flush()

    def finish(self, id):
        """END_STREAM behind what `send_all` has left."""
        self.ending.setdefault(id, True)
        self.send_all(id, b"")

    def trail(self, id, *fields):
        self.h2.send_headers(id, list(fields), end_stream=True)
        self.flush()

    def reset(self, id, code=h2.errors.ErrorCodes.CANCEL):
        self.h2.reset_stream(id, code)
        self.flush()

    def go_away(self, last=None, code=0):
        self.h2.close_connection(error_code=code, last_stream_id=last)
        self.flush()


def answer(connection, id, headers):
    """An empty gRPC message and grpc-status 0, or a plain 200 with the backend's name."""
    name = connection.server.name
    if headers.get("content-type", "").startswith("application/grpc"):
        connection.respond(id, 200, ("content-type", "application/grpc"), ("x-backend", name))
        connection.data(id, b"\0\0\0\0\0")
        connection.trail(id, ("grpc-status", "0"))
    else:
        connection.respond(id, 200, ("x-backend", name))
        connection.data(id, name.encode(), end=True)
