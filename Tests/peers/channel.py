"""The config channel in Python: its frames, a worker that answers as a test says, and a pipe that damages what passes.

A frame is the payload's length (4 bytes, big endian), a type, the payload; see Sources/ConfigChannel.
"""

import os
import socket
import struct
import threading

HELLO, REFUSED, PUBLISH_BEGIN, OBJECTS, PUBLISH_END, ACK, NACK, STATUS, STATISTICS = range(1, 10)
LISTENER, TLS_IDENTITY, VIRTUAL_HOST, CLUSTER, ROUTE = range(1, 6)
SERVING = 3
PROTOCOL = 2
REMOVED = object()


def frame(kind, payload):
    return struct.pack(">IB", len(payload), kind) + payload


def text(value):
    data = value.encode()
    return struct.pack(">I", len(data)) + data


class Reader:
    def __init__(self, payload):
        self.payload, self.at = payload, 0

    def take(self, count):
        data = self.payload[self.at : self.at + count]
        assert len(data) == count, "payload ends too early"
        self.at += count
        return data

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def counted(self):
        return self.take(self.number(4))

    @property
    def more(self):
        return self.at < len(self.payload)


def read_frame(sock):
    head = _exactly(sock, 5)
    length, kind = struct.unpack(">IB", head)
    return kind, _exactly(sock, length)


def _exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_objects(payload):
    """[(kind, name, canonical bytes or None: as it is served, or REMOVED)]"""
    reader, entries = Reader(payload), []
    while reader.more:
        kind, name, form = reader.number(1), reader.counted().decode(), reader.number(1)
        entries.append((kind, name, reader.counted() if form == 1 else REMOVED if form == 2 else None))
    return entries


def write_objects(entries):
    return b"".join(bytes([kind]) + text(name) + _form(data) for kind, name, data in entries)


def _form(data):
    if data is None or data is REMOVED:
        return b"\2" if data is REMOVED else b"\0"
    return b"\1" + struct.pack(">I", len(data)) + data


class FakeWorker:
    """Connects to a control plane as a worker; `publishes` fills with (version, {(kind, name)}), each answered by `answer`.

    `answer(version, objects)` gives a list of (kind, name, field, reason) to NACK with, or None to ACK. `objects` is what the
    newest publish makes of what was ACKed before, as (kind, name, canonical bytes); `carried` is what it brought.
    """

    def __init__(self, path, name="fake", answer=lambda version, objects: None):
        self.answer = answer
        self.publishes, self.objects, self.carried, self.refused = [], [], [], None
        self.served = {}
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.sock.sendall(
            frame(
                HELLO,
                struct.pack(">H", PROTOCOL)
                + text(name)
                + os.urandom(8)
                + text("test")
                + struct.pack(">IBB", os.getpid(), SERVING, 0),
            )
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        head, entries, is_delta = b"", [], False
        try:
            while True:
                kind, payload = read_frame(self.sock)
                if kind == PUBLISH_BEGIN:
                    head, entries = payload[:32], []  # nonce, history, version
                    base = 64 + (33 if payload[64] else 1)
                    is_delta = payload[base] == 1
                elif kind == OBJECTS:
                    entries += read_objects(payload)
                elif kind == PUBLISH_END:
                    self.carried = entries
                    self._answer(head, self._apply(entries, is_delta))
                elif kind == REFUSED:
                    self.refused = Reader(payload[1:]).counted().decode()
        except (EOFError, OSError):
            pass

    def _apply(self, entries, is_delta):
        result = dict(self.served) if is_delta else {}
        for kind, name, data in entries:
            key = (kind, name)
            if data is REMOVED:
                del result[key]
            else:
                result[key] = self.served.get(key) if data is None else data
        return result

    def _answer(self, head, objects):
        version = int.from_bytes(head[24:32], "big")
        self.objects = [(*key, data) for key, data in objects.items()]
        reasons = self.answer(version, set(objects))
        if reasons is None:
            self.served = objects
        self.publishes.append((version, set(objects)))
        reports = b"".join(
            bytes([kind]) + text(name) + text(field) + text(reason) for kind, name, field, reason in reasons or []
        )
        self.sock.sendall(
            frame(ACK if reasons is None else NACK, head + struct.pack(">I", len(reasons or [])) + reports)
        )

    def close(self):
        self.sock.close()
        self.thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class FakeControl:
    """Listens as a control plane and publishes one version, `objects`, to every worker; `answers` fills with (type, payload).

    The worker gets no root to compare with (it may be left out), so that any number of objects can be made up.
    """

    CHUNK = 2_000  # objects in a frame

    def __init__(self, path, objects, version=1):
        self.objects, self.version, self.history = objects, version, os.urandom(16)
        self.answers, self.open = [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                worker, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(worker)
            threading.Thread(target=self._serve, args=(worker,), daemon=True).start()

    def _serve(self, worker):
        try:
            if read_frame(worker)[0] == HELLO:
                self._publish(worker)
            while True:
                kind, payload = read_frame(worker)
                if kind in (ACK, NACK):
                    self.answers.append((kind, payload))
        except (EOFError, OSError):
            pass

    def _publish(self, worker):
        nonce = struct.pack(">Q", 1)
        version_root, no_root, no_base = os.urandom(32), b"\0", b"\0"
        begin = nonce + self.history + struct.pack(">Q", self.version) + version_root + no_root + no_base
        worker.sendall(frame(PUBLISH_BEGIN, begin + struct.pack(">I", len(self.objects))))
        for at in range(0, len(self.objects), self.CHUNK):
            worker.sendall(frame(OBJECTS, write_objects(self.objects[at : at + self.CHUNK])))
        worker.sendall(frame(PUBLISH_END, nonce))

    def close(self):
        self.listener.close()
        for each in self.open:
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Tamper:
    """Stands between worker and control plane; `change(kind, name, data)` gives what the worker shall get instead."""

    def __init__(self, listen, target, change):
        self.target, self.change = str(target), change
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(listen))
        self.listener.listen(8)
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                worker, _ = self.listener.accept()
            except OSError:
                return
            control = socket.socket(socket.AF_UNIX)
            try:
                control.connect(self.target)
            except OSError:
                worker.close()
                continue
            self.open += [worker, control]
            threading.Thread(target=self._pass, args=(worker, control, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(control, worker, True), daemon=True).start()

    def _pass(self, source, target, changing):
        try:
            while True:
                kind, payload = read_frame(source)
                if changing and kind == OBJECTS:
                    payload = write_objects([(k, n, self.change(k, n, data)) for k, n, data in read_objects(payload)])
                target.sendall(frame(kind, payload))
        except (EOFError, OSError):
            pass
        finally:
            for each in (source, target):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.listener.close()
        for each in self.open:
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
