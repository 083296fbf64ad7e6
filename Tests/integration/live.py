"""Clients that are there all the time while a test does something to the gateway: what they see is what users would."""

import contextlib
import queue
import threading

from integration.waiting import wait_until
from peers.protos import Ask, Kinds


class Callers:
    """Threads that ask over and over, each time on a new connection, in clear text and with TLS."""

    def __init__(self, site, count=4):
        self.site, self.over = site, threading.Event()
        self.answers, self.failures = 0, []
        self.threads = [threading.Thread(target=self.call, args=(number % 2 == 0,)) for number in range(count)]

    def call(self, tls):
        while not self.over.is_set():
            try:
                status = self.site.get("/caller", tls=tls).status
                assert status == 200, f"status {status}"
                self.answers += 1
            except Exception as error:  # whatever it is, a client has seen it
                self.failures.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.answers > 20, 10, "callers are answered")
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def goes_on(self, more=50):
        enough = self.answers + more
        wait_until(lambda: self.answers >= enough, 20, "callers are answered on")


class Streams(contextlib.ExitStack):
    """A WebSocket and a gRPC call that are open all the time, and say something when asked."""

    def __init__(self, site):
        super().__init__()
        self.websocket = self.enter_context(site.websocket("/ws"))
        self.outgoing = queue.Queue()
        # Its deadline is ten minutes away: an hour's jump would have passed it.
        channel = self.enter_context(site.channel())
        self.call = Kinds(channel).Bidi(iter(self.outgoing.get, None), timeout=600)
        self.push(self.finish)

    def finish(self, kind, *_):
        """The call ends as calls do, unless the test has failed."""
        self.outgoing.put(None)
        if kind is None:
            assert list(self.call) == []

    def speak(self, word):
        self.websocket.send(word)
        assert self.websocket.recv(timeout=10) == word
        self.outgoing.put(Ask(payload=word.encode()))
        assert next(self.call).payload == word.encode()
