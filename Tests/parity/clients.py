"""The four clients that are known to speak the Higress console's API, each with exactly what it relies on and nothing more.

They were written from a description of those clients (docs/higress-compatibility.md, "Clients"), not from our server: what they
send, when they take an answer for a success, and how they find the object in it.
"""

import base64
import time

import requests


class ClientError(Exception):
    """What the client would show its user: its own words, beside the status it saw."""

    def __init__(self, text, status):
        super().__init__(f"{text} ({status})")
        self.text, self.status = text, status


class LoginRequired(ClientError):
    pass


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def truthy(value):
    """JavaScript's view: an empty list or object counts, an empty text does not."""
    return isinstance(value, (list, dict)) or bool(value)


class Client:
    """A base address and a session without proxies of the environment."""

    timeout = 30

    def __init__(self, base):
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False

    def send(self, method, path, body=None, **more):
        return self.session.request(method, self.base + path, json=body, timeout=self.timeout, **more)

    def close(self):
        self.session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Console(Client):
    """The bundled page: a cookie, `ts` on every GET, the envelope opened where `data` is truthy, words by status and method."""

    timeout = 60

    def login(self, user, password, keep=False):
        return self.call("POST", "/session/login", {"username": user, "password": password, "autoLogin": keep})

    def call(self, method, path, body=None, **query):
        if method == "GET":
            query["ts"] = int(time.time() * 1000)
        answer = self.send(method, path, body, params=query or None)
        if not 200 <= answer.status_code < 300:
            raise self._problem(method, answer.status_code)
        if not answer.content:
            return None
        whole = answer.json()
        return whole["data"] if isinstance(whole, dict) and truthy(whole.get("data")) else whole

    @staticmethod
    def _problem(method, status):
        if status == 401:
            return LoginRequired("/login", status)
        if status == 409:
            return ClientError("already exists" if method == "POST" else "changed by somebody else, refresh", status)
        return ClientError(
            {400: "Bad request", 404: "Resource not found", 500: "Internal server error"}.get(status, "error"), status
        )


class OpsServer(Client):
    """The Python client of an operations server: Basic; raises on non-2xx and on `success` false; `data` if present, else all."""

    def __init__(self, base, user, password):
        super().__init__(base)
        self.session.headers["Authorization"] = basic(user, password)

    def call(self, method, path, body=None):
        answer = self.send(method, path, body)
        if not 200 <= answer.status_code < 300:
            raise ClientError(answer.text, answer.status_code)
        if not answer.content:
            return {}
        whole = answer.json()
        if whole.get("success") is False:
            raise ClientError(whole.get("message"), answer.status_code)
        return whole["data"] if "data" in whole else whole

    def update(self, resource, **changes):
        """Reads, changes what is named and writes everything back."""
        return self.call("PUT", resource, {**self.call("GET", resource), **changes})


class CommandLine(Client):
    """The command-line tool: Basic; looks at the status alone and has words of its own for 409, 400 and 500."""

    def __init__(self, base, user, password):
        super().__init__(base)
        self.session.headers["Authorization"] = basic(user, password)

    def call(self, method, path, body=None):
        status = self.send(method, path, body).status_code
        if 200 <= status < 300:
            return
        words = {409: "exists", 400: "bad definition", 500: "server error"}
        raise ClientError(words.get(status, "failed"), status)

    def apply(self, path, body):
        """Makes an object; one that exists is as good."""
        try:
            self.call("POST", path, body)
            return "made"
        except ClientError as error:
            if error.text != "exists":
                raise
            return "exists"


class ToolServer(Client):
    """The gateway's own tool server: hands its caller's `Authorization` on, merges changes into what it reads and puts it back."""

    def call(self, method, path, body=None, authorization=None):
        answer = self.send(method, path, body, headers={"Authorization": authorization} if authorization else {})
        if not 200 <= answer.status_code < 300:
            raise ClientError(answer.text, answer.status_code)
        return answer.json() if answer.content else None

    def read(self, path, authorization):
        return self.call("GET", path, authorization=authorization)["data"]

    def add_route(self, body, authorization):
        for service in body["services"]:
            # `greeter.static` is of the source `greeter`, which must be there.
            source = service["name"].rsplit(".", 1)[0]
            try:
                self.read(f"/v1/service-sources/{source}", authorization)
            except ClientError as error:
                raise ClientError(f"no service source {source}", error.status) from error
        return self.call("POST", "/v1/routes", body, authorization)

    def merge(self, path, changes, authorization):
        """Every field that was read goes back, nulls too, with the changes over it."""
        current = self.read(path, authorization)
        return self.call("PUT", path, {**current, **changes}, authorization)
