"""A client of the admin API, as a script with curl would use it: Basic authentication, plain JSON, one method a resource."""

import requests


class Api:
    """`call` gives the response as it is; the methods below it expect success and return the object."""

    def __init__(self, port, user="admin", password="tests: a pass:word"):
        self.base = f"http://127.0.0.1:{port}"
        self.user, self.password = user, password
        self.session = requests.Session()
        self.session.trust_env = False

    def close(self):
        self.session.close()

    def call(self, method, path, body=None, auth=True, **more):
        credentials = (self.user, self.password) if auth is True else auth or None
        return self.session.request(
            method, self.base + path, json=body, auth=credentials, timeout=more.pop("timeout", 60), **more
        )

    def expect(self, status, method, path, body=None, **more):
        response = self.call(method, path, body, **more)
        allowed = status if isinstance(status, tuple) else (status,)
        assert (
            response.status_code in allowed
        ), f"{method} {path}: {response.status_code}, expected {status}: {response.text[:2000]}"
        return response

    def get(self, path, **more):
        return self.expect(200, "GET", path, **more).json()["data"]

    def post(self, path, body, live=True):
        return self.expect(201, "POST", path + self._live(path, live), body).json()

    def put(self, path, body, live=True):
        return self.expect(200, "PUT", path + self._live(path, live), body).json()

    def delete(self, path, live=True):
        self.expect(204, "DELETE", path + self._live(path, live))

    @staticmethod
    def _live(path, live):
        return ("&" if "?" in path else "?") + "wait=live&timeout=20s" if live else ""

    # ---- set-up

    def initialize(self):
        self.expect(
            200,
            "POST",
            "/system/init",
            {"adminUser": {"name": self.user, "displayName": self.user, "password": self.password}},
            auth=False,
        )

    # ---- resources; more fields by keyword

    def create_certificate(self, name, cert, key, **more):
        return self.post("/v1/tls-certificates", {"name": name, "cert": cert, "key": key, **more})

    def create_domain(self, name, https="off", certificate=None, **more):
        return self.post("/v1/domains", {"name": name, "enableHttps": https, "certIdentifier": certificate, **more})

    def create_static(self, name, *ports, protocol=None, **more):
        """Ports of this machine, or addresses with a port."""
        addresses = ",".join(f"127.0.0.1:{port}" if isinstance(port, int) else port for port in ports)
        return self.post(
            "/v1/service-sources",
            {"name": name, "type": "static", "domain": addresses, "port": 80, "protocol": protocol, **more},
        )

    def create_route(self, name, domains, service, path="/", match="PRE", live=True, **more):
        return self.post("/v1/routes", route(name, domains, service, path, match, **more), live=live)


def route(name, domains, service, path="/", match="PRE", **more):
    """The JSON of a route. `service`: a name, or a list of (name, weight)."""
    services = [(service, 100)] if isinstance(service, str) else service
    return {
        "name": name,
        "domains": domains,
        "path": {
            "matchType": match,
            "matchValue": path,
            **({"caseSensitive": more.pop("case_sensitive")} if "case_sensitive" in more else {}),
        },
        "services": [{"name": each, "port": 80, "weight": weight} for each, weight in services],
        **more,
    }
