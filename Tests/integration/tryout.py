"""A client of /v1/try."""

import json
import uuid

import requests

from integration.api import Api

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
        # On a connection of its own, which ends with it.
        self.answer = requests.get(
            f"{self.api.base}{self.path}/events", auth=(self.api.user, self.api.password), stream=True, timeout=60
        )
        assert self.answer.status_code == 200, self.answer.text
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.lines = iter(self.answer.raw._fp.readline, b"")
        return self

    def next(self):
        if self.answer is None:
            self.listen()
        fields = {}
        for line in self.lines:
            name, _, value = line.decode().strip().partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                return fields["event"], json.loads(fields["data"])
        return None

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
