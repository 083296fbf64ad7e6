"""Server-sent events as they come."""

import json

import requests


class EventStream:
    """Reads on as asked: `next` gives the name and data of the next event, or None at the end."""

    def __init__(self, api, path, timeout=60):
        # On a connection of its own, which ends with it.
        self.answer = requests.get(api.base + path, auth=(api.user, api.password), stream=True, timeout=timeout)
        assert self.answer.status_code == 200, self.answer.text
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.lines = iter(self.answer.raw._fp.readline, b"")

    def next(self):
        fields = {}
        for line in self.lines:
            name, _, value = line.decode().strip().partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                return fields["event"], json.loads(fields["data"])
        return None

    def close(self):
        self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
