"""The page's rules without elements: merging two people's changes, finding what differs, reading PEM. Run where they live, in the
browser."""

import pytest


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """Calls a function of one of the page's modules: rules("parts/draft.js", "merge", base, mine, theirs)."""
    from browser.page import Page
    from integration.gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("rules"))
    gateway.start_control()
    page = Page(f"http://127.0.0.1:{gateway.admin_port}")
    page.open()

    def call(module, function, *arguments):
        return page.driver.execute_async_script(
            """const [module, name, values, done] = arguments;
               import(module).then((found) => done(found[name](...values)))""",
            f"/{module}",
            function,
            arguments,
        )

    yield call
    page.close()
    gateway.abandon()


BASE = {"name": "r", "path": {"matchType": "PRE", "matchValue": "/"}, "timeouts": None, "services": [{"name": "a", "weight": 1}]}


@pytest.mark.parametrize(
    "mine, theirs, both, taken, path",
    [
        ({}, {"timeouts": {"total": 5}}, [], ["timeouts.total"], "/"),
        ({"path": {"matchType": "PRE", "matchValue": "/m"}}, {"timeouts": {"total": 5}}, [], ["timeouts.total"], "/m"),
        (
            {"path": {"matchType": "PRE", "matchValue": "/m"}},
            {"path": {"matchType": "PRE", "matchValue": "/t"}},
            ["path.matchValue"],
            [],
            "/t",
        ),
        # The same change twice is no conflict.
        ({"path": {"matchType": "PRE", "matchValue": "/x"}}, {"path": {"matchType": "PRE", "matchValue": "/x"}}, [], [], "/x"),
        # Different members of one object do not clash.
        (
            {"path": {"matchType": "EQUAL", "matchValue": "/"}},
            {"path": {"matchType": "PRE", "matchValue": "/t"}},
            [],
            ["path.matchValue"],
            "/t",
        ),
        # A list is one member.
        ({"services": [{"name": "b", "weight": 1}]}, {"services": [{"name": "a", "weight": 2}]}, ["services"], [], "/"),
    ],
)
def test_merge(rules, mine, theirs, both, taken, path):
    merged = rules("parts/draft.js", "merge", BASE, {**BASE, **mine}, {**BASE, **theirs, "version": "9"})
    assert (merged["both"], merged["theirs"]) == (both, taken)
    assert merged["merged"]["path"]["matchValue"] == path
    assert merged["merged"]["version"] == "9"


def test_what_is_taken_away_conflicts_with_a_change_inside(rules):
    base = {**BASE, "timeouts": {"total": 1}}
    merged = rules("parts/draft.js", "merge", base, {**base, "timeouts": None}, {**base, "timeouts": {"total": 2}})
    assert merged["both"] in (["timeouts"], ["timeouts.total"])


def test_a_map_whose_keys_have_dots_is_one_member(rules):
    base = {"customConfigs": {"higress.io/timeout": "1"}}
    mine, theirs = {"customConfigs": {"higress.io/timeout": "2"}}, {"customConfigs": {"higress.io/timeout": "1"}, "timeout": "3s"}
    merged = rules("parts/draft.js", "merge", base, mine, theirs)
    assert merged["merged"] == {"customConfigs": {"higress.io/timeout": "2"}, "timeout": "3s"}
    merged = rules("parts/draft.js", "merge", base, mine, {"customConfigs": None})
    assert merged["both"] == ["customConfigs"]


@pytest.mark.parametrize(
    "start, is_packed",
    [
        ([0x30, 0x82, 0x0A, 0x00, 2, 1, 3, 0x30], True),
        ([0x30, 0x80, 2, 1, 3], True),
        ([0x30, 0x20, 2, 1, 3], True),
        # A certificate, a key (PKCS#8), text, nothing.
        ([0x30, 0x82, 0x03, 0x00, 0x30, 0x82], False),
        ([0x30, 0x82, 0x03, 0x00, 2, 1, 0], False),
        (list(b"-----BEGIN"), False),
        ([], False),
        ([0x30, 0xFF, 2, 1, 3], False),
    ],
)
def test_a_pkcs12_file_is_known_by_its_first_bytes(rules, start, is_packed):
    assert rules("parts/pem.js", "isPKCS12", start) is is_packed


@pytest.mark.parametrize(
    "name, map, key",
    [
        ("affinity", {}, "higress.io/affinity"),
        ("affinity", {"nginx.ingress.kubernetes.io/affinity": "cookie"}, "nginx.ingress.kubernetes.io/affinity"),
        ("affinity", {"higress.io/affinity": "a", "nginx.ingress.kubernetes.io/affinity": "b"}, "nginx.ingress.kubernetes.io/affinity"),
        ("full-path-regex", {"nginx.ingress.kubernetes.io/full-path-regex": "true"}, "higress.io/full-path-regex"),
    ],
)
def test_which_annotation_counts(rules, name, map, key):
    assert rules("parts/annotations.js", "keyOf", map, name) == key
    assert rules("parts/annotations.js", "hasField", {**map, key: "x"}, key) is True


@pytest.mark.parametrize("text, value", [("30", 30000), ("30s", 30000), ("1500ms", 1500), ("5m", 300000), ("2h", 7200000), ("soon", "soon")])
def test_times_of_annotations(rules, text, value):
    assert rules("parts/annotations.js", "milliseconds", text) == value
    assert rules("parts/annotations.js", "milliseconds", rules("parts/annotations.js", "timeText", value)) == value


@pytest.mark.parametrize(
    "one, other, equal",
    [
        ({"a": None, "b": ""}, {}, True),
        ({"a": []}, {"a": None}, True),
        ({"a": {"b": None}}, {"a": None}, True),
        ({"a": False}, {"a": None}, False),
        ({"a": 0}, {"a": None}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
    ],
)
def test_what_counts_as_a_change(rules, one, other, equal):
    assert rules("parts/draft.js", "same", one, other) is equal


def test_pem_blocks(rules, authority):
    identity = authority.issue("pem.test")
    text = f"junk before\r\n{identity.key}{identity.chain}-----BEGIN CERTIFICATE-----\nMIIB\n"
    found = rules("parts/pem.js", "blocks", text)
    assert [(each["kind"], each["problem"]) for each in found] == [("key", None), ("certificate", None), ("certificate", "cut")]
    assert found[1]["text"].strip() == identity.chain.strip()
    encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nQUJD\n-----END RSA PRIVATE KEY-----"
    assert [(each["encrypted"], each["problem"]) for each in rules("parts/pem.js", "blocks", encrypted)] == [(True, None)]
    garbled = "-----BEGIN PRIVATE KEY-----\nnot base64!\n-----END PRIVATE KEY-----"
    assert [each["problem"] for each in rules("parts/pem.js", "blocks", garbled)] == ["garbled"]
    assert rules("parts/pem.js", "blocks", "nothing") == []


def known(failing=(), errors=None, requests=1000, workers=({"id": "w", "state": "serving"},), available=True):
    return {
        "workers": list(workers),
        "certificates": [],
        "shadowed": [],
        "routes": [{"name": "cart", "services": [{"name": "cart.static"}]}],
        "stats": {
            "available": available,
            "workers": 1 if available else 0,
            "recent": [],
            "lastMinute": {"seconds": 60, "requests": requests, "errors": errors or {}, "failed": sum(each["failed"] for each in failing), "failing": list(failing)},
        },
    }


def failing(failed, requests=100, name="cart", **more):
    return {"route": name, "requests": requests, "failed": failed, "statusClasses": {}, "grpcStatuses": {}, **more}


@pytest.mark.parametrize(
    "state, told",
    [
        (known(), []),
        (known([failing(12)], {"UF": 12}), [("bad", "12 % of requests to route cart fail: connection to the service failed (UF)", "#/sources?edit=cart")]),
        # The gateway has no reason of its own for it.
        (known([failing(3)], {"DC": 40}), [("warn", "3 % of requests to route cart fail: the service itself answers 5xx", "#/sources?edit=cart")]),
        (known([failing(3, grpcStatuses={"0": 97, "13": 3})]), [("warn", "3 % of requests to route cart fail: the service itself answers INTERNAL", "#/sources?edit=cart")]),
        # Two routes and two reasons: which belongs to which is not known, and not said.
        (
            known([failing(60), failing(40, name="other")], {"UH": 60, "UT": 40}),
            [
                ("bad", "60 % of requests to route cart fail: no healthy endpoint (UH) or the service did not answer in time (UT)", "#/sources?edit=cart"),
                ("bad", "40 % of requests to route other fail: no healthy endpoint (UH) or the service did not answer in time (UT)", "#/routes?edit=other"),
            ],
        ),
        # The gateway's own doing leads to the route.
        (known([failing(100)], {"UO": 100}), [("bad", "100 % of requests to route cart fail: the gateway is out of a resource (UO)", "#/routes?edit=cart")]),
        (known(errors={"UO": 100}), [("bad", "10 % of requests end in the gateway: the gateway is out of a resource (UO)", "#/workers")]),
        # One in ten thousand is no news, and of almost all "100 %" is never said.
        (known([failing(1, 10_000)], {"UF": 1}), []),
        (known([failing(9_999, 10_000)], {"UF": 9_999}), [("bad", "99.9 % of requests to route cart fail: connection to the service failed (UF)", "#/sources?edit=cart")]),
        (known(errors={"NR": 400}), [("warn", "40 % of requests end in the gateway: no route matches (NR)", "#/tester")]),
        (known(errors={"NR": 4}), []),
        (known(workers=()), [("bad", "The worker carries traffic but is not connected to the control plane: changes do not go live.", "#/workers")]),
        (known(workers=(), available=False), [("bad", "No worker serves: nobody answers on the gateway's ports.", "#/workers")]),
    ],
)
def test_what_is_wrong_is_told_the_worst_first(rules, state, told):
    assert [(each["kind"], each["words"], each["href"]) for each in rules("parts/verdict.js", "verdict", state)] == told


@pytest.mark.parametrize(
    "form, text, base64",
    [
        ("hex", "", ""),
        ("hex", "00 ff 7A", "AP96"),
        ("hex", "0x00,0xff\n0x7a", "AP96"),
        ("hex", "00:ff:7a", "AP96"),
        ("hex", "0", None),
        ("hex", "0g", None),
        ("base64", "AP96", "AP96"),
        ("base64", " AP\n96 ", "AP96"),
        ("base64", "-_8", "+/8="),
        ("base64", "A", None),
        ("base64", "A=B=", None),
        ("base64", "你好", None),
    ],
)
def test_bytes_as_people_write_them(rules, form, text, base64):
    assert rules("parts/binary.js", "toBase64", form, text) == base64
    if base64 is not None:
        assert rules("parts/binary.js", "toBase64", form, rules("parts/binary.js", "shownAs", form, base64)) == base64


def test_a_message_begins_with_every_field(rules):
    schema = {
        "$ref": "#/$defs/Ask",
        "$defs": {
            "Ask": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "count": {"type": "integer"},
                    "big": {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"},
                    "kind": {"$ref": "#/$defs/Kind"},
                    "many": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                    "one": {"type": "boolean", "x-oneof": "either"},
                    "other": {"$ref": "#/$defs/Node", "x-oneof": "either"},
                    "at": {"type": "string", "format": "date-time"},
                    "long": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
                    "value": {"description": "Any value."},
                    "lost": {"$ref": "#/$defs/Nobody"},
                },
            },
            "Kind": {"type": "string", "enum": ["UNKNOWN", "OTHER"]},
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}},
        },
    }
    assert rules("parts/template.js", "template", schema) == {
        "name": "",
        "count": 0,
        "big": "0",
        "kind": "UNKNOWN",
        # A message inside itself is left out.
        "many": [{"next": {}}],
        "one": False,
        "at": "1970-01-01T00:00:00Z",
        "long": "0s",
        "labels": {},
        "any": None,
        "value": None,
        "lost": None,
    }


def wide(depth):
    """Ten to the power of `depth` fields."""
    inner = wide(depth - 1) if depth else {"type": "string"}
    return {"type": "object", "properties": {f"f{each}": inner for each in range(10)}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {},
        {"type": "object", "properties": {"one": None, "two": {"$ref": 5}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}},
        {"$ref": "#/$defs/constructor", "$defs": {}},
        {"$ref": "#/$defs/__proto__", "$defs": {}},
        {"type": "object", "properties": {"__proto__": {"type": "string"}}},
        wide(3),
    ],
)
def test_a_hostile_schema_ends(rules, schema):
    made = rules("parts/template.js", "template", schema)
    assert len(str(made)) < 10_000


@pytest.mark.parametrize(
    "properties, names",
    [
        ({"a": {"type": "string"}, "b": {"$ref": "#/$defs/Kind"}, "c": {"type": "boolean", "x-oneof": "o"}}, ["a", "b", "c"]),
        ({"a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "string"}}, None),
        ({"a": {"$ref": "#/$defs/Deep"}}, None),
        ({"a": {"description": "Any value."}}, None),
        ({f"f{each}": {"type": "string"} for each in range(21)}, None),
        ({}, None),
    ],
)
def test_a_form_is_for_messages_of_scalars(rules, properties, names):
    definitions = {
        "Ask": {"type": "object", "properties": properties},
        "Kind": {"type": "string", "enum": ["ONE"]},
        "Deep": {"type": "object"},
    }
    members = rules("parts/flat.js", "flatMembers", {"$ref": "#/$defs/Ask", "$defs": definitions})
    assert (members and [each["name"] for each in members]) == names


@pytest.mark.parametrize(
    "member, text, value",
    [
        ({"type": "string"}, "", ""),
        ({"type": "string"}, "5", "5"),
        ({"type": "string", "values": ["ONE"]}, "", None),
        ({"type": "integer"}, "", None),
        ({"type": "integer"}, "-5", -5),
        ({"type": "number"}, "1e3", 1000),
        # Whatever it is, the API says what is wrong with it.
        ({"type": "integer"}, "many", "many"),
    ],
)
def test_what_stands_in_a_control_is_a_value(rules, member, text, value):
    assert rules("parts/flat.js", "memberValue", member, text) == value
