"""Many clients that write at once, what they were told, and whether that agrees: with the history, with what is read, with what the
worker does. `Writers` runs them; `History` judges. Short in `test_concurrency.py`, a minute in `Tests/soak`."""

import collections
import dataclasses
import hashlib
import random
import ssl
import threading
import time

import pytest

from integration.api import Api, route
from integration.waiting import wait_until
from peers.http1 import EchoServer
from peers.wire import Wire

ZONE = "concurrent.test"
PATHS = {
    "domain": "/v1/domains",
    "tls-certificate": "/v1/tls-certificates",
    "service-source": "/v1/service-sources",
    "consumer": "/v1/consumers",
    "route": "/v1/routes",
}
# A write names something that another client has just removed: the field says which reference it was.
REFERENCES = ("domains", "services", "certIdentifier", "authConfig")


@dataclasses.dataclass
class Write:
    """One success."""

    author: str
    action: str
    kind: str
    name: str
    given: str | None  # the version that the client had read
    body: dict | None  # what it sent
    answer: dict | None
    live: bool


class World:
    """What all clients share: two identities to choose from, two back ends, and a seed."""

    def __init__(self, gateway, authority, echoes, seed):
        self.gateway, self.echoes, self.seed = gateway, echoes, seed
        self.identities = [authority.issue(f"*.{ZONE}") for _ in echoes]
        self.user, self.password = gateway.api.user, gateway.api.password


class Client:
    """One who creates, changes and deletes at random, things of its own and things that all others want as well."""

    def __init__(self, world, number):
        self.world, self.number, self.count = world, number, 0
        self.chance = random.Random(world.seed * 1000 + number)
        self.name = f"writer{number}"
        self.api = Api(world.gateway.admin_port, self.name, world.password)
        self.writes, self.refusals, self.wrong = {}, [], []

    def run(self, stop):
        while not stop.is_set():
            try:
                self.turn()
            except Exception as error:  # one is enough to fail the test; the others go on
                self.wrong.append(f"{self.name}: {error!r}"[:1000])
                return

    def turn(self):
        kind = self.chance.choices(list(PATHS), (2, 1, 2, 2, 5))[0]
        name = self.pick(kind)
        action = self.chance.choices(("create", "update", "delete"), (4, 4, 2))[0]
        if action == "create":
            self.write("POST", kind, name, None, self.body(kind, name, None))
        elif action == "delete":
            self.write("DELETE", kind, name, None, None)
        else:
            old = self.api.call("GET", f"{PATHS[kind]}/{name}")
            if old.status_code == 404:
                return
            assert old.status_code == 200, (old.status_code, old.text)
            old = old.json()["data"]
            # What has a value that no other write has may be written over whatever is there.
            given = old["version"] if kind not in ("route", "consumer") or self.chance.random() < 0.6 else None
            self.write("PUT", kind, name, given, self.body(kind, name, old))

    def pick(self, kind):
        own = self.chance.random() < 0.6
        base = f"own{self.number}-{self.chance.randrange(3)}" if own else f"all-{self.chance.randrange(5)}"
        return f"{base}.{ZONE}" if kind == "domain" else base

    def body(self, kind, name, old):
        """A body that says something else than `old`."""
        self.count += 1
        mark = f"{self.number}-{self.count}"
        turn = self.chance.randrange(2)
        match kind:
            case "domain":
                plain = old["enableHttps"] == "on" if old else turn
                certificate = None if plain else self.pick("tls-certificate")
                return {"name": name, "enableHttps": "off" if plain else "on", "certIdentifier": certificate}
            case "tls-certificate":
                identities = self.world.identities
                if old:
                    turn = int(old["fingerprint"] == fingerprint(identities[0]))
                return {"name": name, "cert": identities[turn].cert, "key": identities[turn].key}
            case "service-source":
                addresses = [f"127.0.0.1:{each.port}" for each in self.world.echoes]
                if old:
                    turn = int(old["domain"] == addresses[0])
                return {"name": name, "type": "static", "domain": addresses[turn], "port": 80}
            case "consumer":
                credential = {"type": "key-auth", "source": "HEADER", "key": "x-key", "values": [f"{name}:{mark}"]}
                return {"name": name, "credentials": [credential]}
            case "route":
                consumers = [self.pick("consumer")] if self.chance.random() < 0.3 else []
                service = f"{self.pick('service-source')}.static" if self.chance.random() < 0.5 else "base.static"
                return route(
                    name,
                    [self.pick("domain")],
                    service,
                    f"/{name}/{mark}",
                    headerControl={"enabled": True, "response": {"set": [{"key": "x-mark", "value": mark}]}},
                    authConfig={"enabled": bool(consumers), "allowedCredentialTypes": ["key-auth"], "allowedConsumers": consumers},
                )

    def write(self, method, kind, name, given, body):
        path = PATHS[kind] + ("" if method == "POST" else f"/{name}")
        live = self.chance.random() < 0.1
        if body is not None and given is not None:
            body = {**body, "version": given}
        answer = self.api.call(method, path + ("?wait=live&timeout=30s" if live else ""), body)
        status = answer.status_code
        if status in (200, 201, 204):
            action = {"POST": "create", "PUT": "update", "DELETE": "delete"}[method]
            assert status == {"POST": 201, "PUT": 200, "DELETE": 204}[method]
            if live:
                assert answer.headers["Causeway-Live"] == "true", dict(answer.headers)
            number = int(answer.headers["Causeway-Version"])
            assert number not in self.writes, f"version {number} was told twice"
            told = answer.json() if answer.content else None
            self.writes[number] = Write(self.name, action, kind, name, given, body, told, live)
            return
        told = answer.json()
        if status == 409:
            allowed = {
                "POST": {"duplicate"},
                "PUT": {"stale_version", "in_use"} if kind == "service-source" else {"stale_version"},
                "DELETE": {"in_use"},
            }
            assert told["code"] in allowed[method], told
        elif status == 404:
            assert method != "POST" and told["code"] == "not_found", told
        else:
            assert status == 400 and kind in ("domain", "route"), (method, path, status, told)
            fields = {each["field"].split("[")[0].split(".")[0] for each in told["errors"]}
            assert fields and fields <= set(REFERENCES), told
        self.refusals.append((status, told["code"], kind, name, given))


def fingerprint(identity):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(identity.cert)).hexdigest()


class Run:
    """Everybody for some seconds, then every check."""

    def __init__(self, gateway, authority, echoes, clients=16, seed=1):
        self.gateway, self.world = gateway, World(gateway, authority, echoes, seed)
        for number in range(clients):
            user = {"name": f"writer{number}", "password": self.world.password, "role": "editor"}
            gateway.api.expect(201, "POST", "/v1/users", user)
        gateway.api.create_static("base", echoes[0].port)
        self.before = int(gateway.api.get("/v1/versions?pageSize=1")[0]["version"])
        self.clients = [Client(self.world, number) for number in range(clients)]
        for client in self.clients:
            client.api.get("/user/info")  # the password is judged once, and remembered

    def write(self, seconds):
        stop, begun = threading.Event(), time.monotonic()
        threads = [threading.Thread(target=client.run, args=(stop,)) for client in self.clients]
        for thread in threads:
            thread.start()
        stop.wait(seconds)
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads), "a client got no answer"
        self.seconds = time.monotonic() - begun
        for client in self.clients:
            client.api.close()
        assert [each for client in self.clients for each in client.wrong] == []
        self.writes = {}
        for client in self.clients:
            for number, write in client.writes.items():
                assert number not in self.writes, f"{write} and {self.writes[number]} were both told version {number}"
                self.writes[number] = write
        self.refusals = [each for client in self.clients for each in client.refusals]

    @property
    def figures(self):
        codes = collections.Counter(code for _, code, *_ in self.refusals)
        kinds = collections.Counter(f"{write.action} {write.kind}" for write in self.writes.values())
        return {
            "writes": len(self.writes),
            "writes/s": round(len(self.writes) / self.seconds, 1),
            "refused": dict(codes),
            "made": dict(kinds),
        }

    # ---- what must be so at the end

    def check(self):
        state = self.replay()
        self.check_history()
        self.check_refusals()
        self.check_reading(state)
        self.check_worker(state)
        before = self.everything()
        self.gateway.control.stop()
        self.gateway.start_control()
        after = self.everything()
        assert after == before, "what was stored is not what was served"
        # A worker whose version has other contents (another root hash) than the database would start a new history.
        self.wait_worker()
        assert self.gateway.api.get("/v1/audit?action=mint-history") == []
        self.check_worker(state)

    def replay(self):
        """The state that the successes make in the order of their versions; each must have been possible when it was made."""
        state = {("service-source", "base"): None}
        for number, write in sorted(self.writes.items()):
            key = (write.kind, write.name)
            told = (number, write)
            if write.action == "create":
                assert key not in state, told
            else:
                assert key in state, told
            if write.given is not None:
                assert write.given == str(state[key][0]), (told, "the version before it was", state[key][0])
            if write.action == "delete":
                del state[key]
                used = [k for k, v in state.items() if v and key in references(v[1])]
                assert not used, (told, "is used by", used)
            else:
                assert write.answer["version"] == str(number), told
                state[key] = told
                missing = references(write) - set(state)
                assert not missing, (told, "refers to", missing)
        del state["service-source", "base"]
        return state

    def check_history(self):
        found = {}
        newest = int(self.gateway.api.get("/v1/versions?pageSize=1")[0]["version"])
        for page in range(1, newest // 1000 + 2):
            for version in self.gateway.api.get(f"/v1/versions?pageSize=1000&pageNum={page}"):
                number = int(version["version"])
                assert number not in found
                found[number] = (
                    version["author"],
                    [(each["action"], each["kind"], each["name"]) for each in version["changes"]],
                )
        assert sorted(found) == list(range(1, newest + 1)), "a version is missing"
        made = {number: each for number, each in found.items() if number > self.before}
        told = {
            number: (write.author, [(write.action, write.kind, write.name)]) for number, write in self.writes.items()
        }
        assert made == told, "the history is not what the clients were told"

    def check_refusals(self):
        """A version that was refused as stale was not the last one, and what exists already was made by somebody."""
        changes = collections.defaultdict(list)
        for number, write in self.writes.items():
            changes[write.kind, write.name].append((number, write.action))
        for _, code, kind, name, given in self.refusals:
            if code == "stale_version":
                assert any(number > int(given) for number, _ in changes[kind, name]), (kind, name, given)
            elif code == "duplicate":
                assert any(action == "create" for _, action in changes[kind, name]), (kind, name)

    def check_reading(self, state):
        for kind, path in PATHS.items():
            listed = {each["name"]: each for each in self.gateway.api.get(path)}
            listed.pop("base", None)
            expected = {name: told for (of, name), told in state.items() if of == kind}
            assert sorted(listed) == sorted(expected)
            for name, (_, write) in expected.items():
                # What others made of it since is told by reads alone.
                assert without_remarks(listed[name]) == without_remarks(write.answer), "not what the last write was told"

    def check_worker(self, state):
        """By requests through it: each route answers as its last form says, and no former form of any answers at all."""
        self.wait_worker()
        objects = {(kind, name): write for (kind, name), (_, write) in state.items()}
        names = {f"127.0.0.1:{echo.port}": echo.name for echo in self.world.echoes}
        for (kind, name), write in objects.items():
            if kind != "route":
                continue
            body = write.body
            source = objects.get(("service-source", body["services"][0]["name"].removesuffix(".static")))
            wanted = names[source.body["domain"]] if source else self.world.echoes[0].name
            mark, fields = body["headerControl"]["response"]["set"][0]["value"], []
            for consumer in body["authConfig"]["allowedConsumers"]:
                assert self.ask(body).status == 401, write
                [key] = objects["consumer", consumer].body["credentials"][0]["values"]
                fields.append(("X-Key", key))
            answer = self.ask(body, *fields)
            assert (answer.status, answer.get("x-mark"), answer.get("x-backend")) == (200, mark, wanted), write
        former = [write for write in self.writes.values() if write.kind == "route" and write.body]
        former = [write for write in former if objects.get(("route", write.name)) is not write]
        for write in former[-300:]:
            assert self.ask(write.body).status == 404, write
        for (kind, name), write in objects.items():
            if kind == "domain" and write.body["enableHttps"] == "on":
                certificate = objects["tls-certificate", write.body["certIdentifier"]].answer
                with Wire.connect(self.gateway.https_port, tls=True, sni=name) as wire:
                    leaf = wire.sock.getpeercert(binary_form=True)
                assert hashlib.sha256(leaf).hexdigest() == certificate["fingerprint"], (name, certificate)

    def ask(self, body, *fields):
        """A request that fits a route's body. What the gateway answers itself ends the connection."""
        with Wire.connect(self.gateway.http_port) as wire:
            return wire.request("GET", body["path"]["matchValue"], body["domains"][0], *fields)

    def wait_worker(self):
        def same():
            newest = self.gateway.api.get("/v1/versions?pageSize=1")[0]
            return [(str(each["version"]), each["servedHistory"]) for each in self.gateway.workers()] == [
                (newest["version"], newest["history"])
            ]

        wait_until(same, 20, "the worker serves the newest version")

    def everything(self):
        api = self.gateway.api
        return {
            **{kind: api.get(path) for kind, path in PATHS.items()},
            "export": api.expect(200, "GET", "/v1/export").json(),
            "versions": api.get("/v1/versions?pageSize=1000"),
        }


def without_remarks(answer):
    return {key: value for key, value in answer.items() if key not in ("warnings", "authConfig", "usedBy", "usedByTotal")}


def references(write):
    """What an object needs."""
    body = write.body
    if write.kind == "domain" and body["certIdentifier"]:
        return {("tls-certificate", body["certIdentifier"])}
    if write.kind == "route":
        return {
            *(("domain", each) for each in body["domains"]),
            *(("service-source", each["name"].removesuffix(".static")) for each in body["services"]),
            *(("consumer", each) for each in body["authConfig"]["allowedConsumers"]),
        }
    return set()


@pytest.fixture
def echoes():
    with EchoServer("first") as first, EchoServer("second") as second:
        yield first, second
