"""A client of /v1/try."""

import uuid

from integration.api import Api
from integration.sse import EventStream

PASSWORD = "try: a pass:word"


def account(gateway, role):
    name = f"try-{role}-{uuid.uuid4().hex[:6]}"
    gateway.api.post(
        "/v1/users", {"name": name, "displayName": name, "role": role, "password": PASSWORD}, live=False
    )
    return Api(gateway.admin_port, name, PASSWORD)


class Try:
    """One try-out. `events` reads on as they come, `next` gives the next one."""

    def __init__(self, api, host, kind="websocket", listener="https", **more):
        self.api = api
        self.made = api.post(
            "/v1/try", {"kind": kind, "listener": listener, "authority": host, **more}, live=False
        )
        assert self.made["kind"] == kind
        self.path = f"/v1/try/{self.made['id']}"
        self.answer = None

    def listen(self):
        self.stream = EventStream(self.api, f"{self.path}/events")
        self.answer = self.stream.answer
        return self

    def next(self):
        if self.answer is None:
            self.listen()
        return self.stream.next()

    def all(self):
        """Until the stream ends."""
        return list(iter(self.next, None))

    def opened(self):
        event, data = self.next()
        assert event == "open" and data["address"]
        event, data = self.next()
        assert event == "headers" and data["status"] == 101, data
        return self

    def send(self, status=204, **message):
        return self.api.expect(status, "POST", f"{self.path}/messages", message)

    def end(self):
        self.api.expect(204, "DELETE", self.path)
