"""gRPC calls tried out through the gateway's own listeners: what reflection tells, messages as JSON and back, how calls end."""

import base64
import concurrent.futures
import contextlib
import json

import grpc
import pytest
from google.protobuf import descriptor_pb2, json_format
from google.rpc import status_pb2
from grpc_reflection.v1alpha import reflection_pb2

from integration.ports import free_port
from integration.site import Site
from integration.tryout import Try, account
from integration.waiting import wait_until
from peers import http2, protos, shapes
from peers.running import RunningPeer

ECHO = "/causeway.shapes.Shapes/Echo"
JUDGE = "/causeway.shapes.Shapes/Judge"
KINDS = "/causeway.test.Kinds"
MIB = 1 << 20


@pytest.fixture(params=["https", "http"])
def listener(request):
    return request.param


def serving(gateway, authority, port, host=None):
    made = Site(gateway, authority, host)
    made.serve(port, protocol="GRPC")
    return made


@pytest.fixture(scope="module")
def calls(gateway, authority):
    """A back end with everything, and reflection v1."""
    with RunningPeer("grpc_server.py", "--kinds", "--shapes", "--reflection", "v1 v1alpha") as peer:
        yield serving(gateway, authority, peer.port, "calls.test")


class Call(Try):
    def __init__(self, site, path=None, listener="https", api=None, **more):
        more |= {"path": path} if path else {}
        super().__init__(api or site.gateway.api, site.host, "grpc", listener, **more)

    def begun(self):
        event, data = self.next()
        assert event == "open", (event, data)
        return data

    def until(self, *names):
        """The next event of one of these names."""
        for event, data in iter(self.next, None):
            if event in names:
                return data
            assert event not in ("error", "closed"), data
        raise AssertionError(f"none of {names} came")

    def rest(self):
        """Events by name, all there are; messages that came in apart."""
        found = self.all()
        assert found[-1][0] in ("closed", "error")
        return [data["json"] for event, data in found if event == "message" and data["direction"] == "in"], dict(found)


@contextlib.contextmanager
def byte_server(**methods):
    """A back end that takes and gives bytes: functions of (requests, context) by `service/method`."""
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads)
        by_service = {}
        for path, function in methods.items():
            service, _, name = path.partition("/")
            by_service.setdefault(service, {})[name] = grpc.stream_stream_rpc_method_handler(function)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, handlers) for service, handlers in by_service.items()]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait(5)


def reflecting(*files, answer=None):
    """Reflection that has these files and lists their services, or answers whatever `answer` makes of a request."""

    def respond(requests, context):
        for raw in requests:
            request = reflection_pb2.ServerReflectionRequest.FromString(raw)
            if answer:
                yield answer(request)
                continue
            response = reflection_pb2.ServerReflectionResponse()
            if request.WhichOneof("message_request") == "list_services":
                for file in files:
                    for service in file.service:
                        response.list_services_response.service.add(name=f"{file.package}.{service.name}")
            else:
                wanted = request.file_by_filename or files[0].name
                found = [each.SerializeToString() for each in files if each.name == wanted]
                if found:
                    response.file_descriptor_response.file_descriptor_proto.extend(found)
                else:
                    response.error_response.error_code, response.error_response.error_message = 5, f"no {wanted} here"
            yield response.SerializeToString()

    return respond


# ---- what reflection tells


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_the_services_are_told(gateway, authority, listener, version):
    with RunningPeer("grpc_server.py", "--kinds", "--shapes", "--reflection", version) as peer:
        site = serving(gateway, authority, peer.port)
        found = dict(Call(site, listener=listener).all())
    assert list(found) == ["open", "services", "closed"], found
    assert found["services"]["reflection"] == version
    services = {each["name"]: each["methods"] for each in found["services"]["services"]}
    (hello,) = services["helloworld.Greeter"]
    assert hello == {
        "name": "SayHello",
        "path": "/helloworld.Greeter/SayHello",
        "input": "helloworld.HelloRequest",
        "output": "helloworld.HelloReply",
        "clientStreaming": False,
        "serverStreaming": False,
        "inputSchema": {
            "$ref": "#/$defs/helloworld.HelloRequest",
            "$defs": {
                "helloworld.HelloRequest": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "additionalProperties": False,
                }
            },
        },
    }
    kinds = {each["name"]: (each["clientStreaming"], each["serverStreaming"]) for each in services["causeway.test.Kinds"]}
    assert kinds["ServerStream"] == (False, True) and kinds["ClientStream"] == (True, False)
    assert kinds["Bidi"] == (True, True) and kinds["Unary"] == (False, False)


def test_the_schema_holds_what_may_be_sent(calls):
    found = dict(Call(calls).all())["services"]["services"]
    methods = {each["path"]: each for service in found for each in service["methods"]}
    schema = methods[ECHO]["inputSchema"]
    everything = schema["$defs"]["causeway.shapes.Everything"]["properties"]
    assert everything["self"] == {"$ref": "#/$defs/causeway.shapes.Everything"}
    assert everything["chosenSelf"]["x-oneof"] == "choice" and "x-oneof" not in everything["maybeInt32"]
    assert everything["leaves"]["additionalProperties"] == {"$ref": "#/$defs/causeway.shapes.Leaf"}
    assert schema["$defs"]["causeway.shapes.Leaf"]["required"] == ["mustBe"]
    assert schema["$defs"]["causeway.shapes.Mood"]["enum"] == ["MOOD_UNKNOWN", "MOOD_GOOD", "MOOD_BAD"]
    assert set(everything) == {field.json_name for field in shapes.Everything.DESCRIPTOR.fields}


def test_no_reflection_is_told_with_its_status(gateway, authority, listener):
    with RunningPeer("grpc_server.py", "--reflection", "") as peer:
        site = serving(gateway, authority, peer.port)
        found = Call(site, listener=listener).all()
        assert [event for event, _ in found] == ["open", "status", "error"], found
        assert found[1][1]["code"] == 12 and found[1][1]["name"] == "UNIMPLEMENTED"
        assert "reflection" in found[2][1]["reason"] and "UNIMPLEMENTED" in found[2][1]["reason"]
        # A call goes on in bytes.
        call = Call(site, "/helloworld.Greeter/SayHello", listener)
        opened = call.begun()
        assert "reflection" not in opened and "UNIMPLEMENTED" in opened["reason"]
        refused = call.send(400, json={"name": "x"}).json()
        assert [each["field"] for each in refused["errors"]] == ["json"] and "UNIMPLEMENTED" in refused["message"]
        request = protos.HelloRequest(name="bytes").SerializeToString()
        call.send(base64=base64.b64encode(request).decode(), end=True)
        told = call.all()
        back = next(data for event, data in told if event == "message" and data["direction"] == "in")
        assert protos.HelloReply.FromString(base64.b64decode(back["base64"])).message == "Hello, bytes!"
        assert dict(told)["status"] == {"code": 0, "name": "OK", "message": ""}


def test_a_host_that_nobody_serves_is_told_by_the_gateway(gateway):
    found = Try(gateway.api, "nobody.test", "grpc", "http").all()
    assert [event for event, _ in found] == ["open", "status", "error"] and found[1][1]["code"] == 12, found


# ---- calls of the four kinds


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_unary_call(gateway, authority, listener, encoding):
    with RunningPeer("grpc_server.py", *(["--gzip"] if encoding == "gzip" else [])) as peer:
        call = Call(serving(gateway, authority, peer.port), "/helloworld.Greeter/SayHello", listener)
        call.send(json={"name": "Ada"}, end=True)
        found = call.all()
    assert [event for event, _ in found] == [
        "open", "message", "headers", "message", "trailers", "status", "closed",
    ], found  # fmt: skip
    opened, sent, head, came, trailers, status, closed = [data for _, data in found]
    assert opened["tls"] is (listener == "https") and opened["reflection"] == "v1alpha"
    assert sent["direction"] == "out" and sent["json"] == {"name": "Ada"} and sent["time"].endswith("Z")
    assert head["status"] == 200 and {"name": "content-type", "value": "application/grpc"} in head["headers"]
    assert {"name": "grpc-encoding", "value": encoding} in head["headers"] or encoding == "identity"
    assert came["direction"] == "in" and came["json"] == {"message": "Hello, Ada!"} and "base64" not in came
    assert {"name": "grpc-status", "value": "0"} in trailers["headers"]
    assert status == {"code": 0, "name": "OK", "message": ""} and closed["reason"] == "The call is complete."


def test_a_server_stream(calls, listener):
    call = Call(calls, f"{KINDS}/ServerStream", listener)
    call.send(json={"count": 5, "payload": base64.b64encode(b"abc").decode()}, end=True)
    messages, found = call.rest()
    assert [each.get("index", 0) for each in messages] == [0, 1, 2, 3, 4] and found["status"]["code"] == 0
    assert messages[0]["payload"] == "YWJj"


def test_a_client_stream(calls, listener):
    call = Call(calls, f"{KINDS}/ClientStream", listener)
    for size in (1, 2, 3):
        call.send(json={"payload": base64.b64encode(b"x" * size).decode()})
    call.send(end=True)
    messages, found = call.rest()
    assert messages == [{"index": 3, "total": "6"}] and found["status"]["name"] == "OK"
    call = Call(calls, f"{KINDS}/ClientStream", listener)
    call.send(end=True)
    call.send(409, json={})
    call.end()


def test_a_bidi_stream(calls, listener):
    call = Call(calls, f"{KINDS}/Bidi", listener)
    for turn in range(3):
        call.send(json={"payload": base64.b64encode(b"%d" % turn).decode()})
        while (came := call.until("message"))["direction"] != "in":
            pass
        assert base64.b64decode(came["json"]["payload"]) == b"%d" % turn
    call.send(end=True)
    _, found = call.rest()
    assert found["status"]["code"] == 0


def test_metadata_and_a_deadline_travel(calls):
    call = Call(calls, f"{KINDS}/Unary", headers={"X-Colour": "blue", "x-raw-bin": "AAEC", "grpc-timeout": "300m"})
    call.send(json={"delayMs": 20_000}, end=True)
    _, found = call.rest()
    assert found["status"]["code"] == 4 and found["status"]["name"] == "DEADLINE_EXCEEDED"
    call = Call(calls, f"{KINDS}/Unary", headers={"X-Colour": "blue", "x-raw-bin": "AAEC"})
    call.send(json={}, end=True)
    _, found = call.rest()
    assert {"name": "echo-colour", "value": "blue"} in found["headers"]["headers"]
    assert {"name": "trail-raw-bin", "value": "AAEC"} in found["trailers"]["headers"]


def test_an_error_is_told_with_its_details(calls):
    call = Call(calls, f"{KINDS}/Unary")
    call.send(json={"failCode": 9, "failMessage": "not näw: 100%"}, end=True)
    _, found = call.rest()
    assert found["status"] == {
        "code": 9,
        "name": "FAILED_PRECONDITION",
        "message": "not näw: 100%",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "TESTED",
                "domain": "causeway.test",
                "metadata": {"who": "b1"},
            }
        ],
    }


def test_details_of_a_type_that_nobody_knows_stay_bytes(gateway, authority):
    status = status_pb2.Status(code=3, message="no")
    status.details.add(type_url="type.googleapis.com/acme.Secret", value=b"\x01\x02")

    def fail(requests, context):
        list(requests)  # the call lasts until its end is sent
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        yield

    def garble(requests, context):
        list(requests)  # the call lasts until its end is sent
        context.set_trailing_metadata([("grpc-status-details-bin", b"\xff\xff")])
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        yield

    with byte_server(**{"acme.Api/Fail": fail, "acme.Api/Garble": garble}) as port:
        site = serving(gateway, authority, port)
        call = Call(site, "/acme.Api/Fail")
        call.send(end=True)
        assert call.until("status")["details"] == [{"@type": "type.googleapis.com/acme.Secret", "base64": "AQI="}]
        call = Call(site, "/acme.Api/Garble")
        call.send(end=True)
        assert base64.b64decode(call.until("status")["details"] + "==") == b"\xff\xff"


# ---- messages, with google's own library as the judge

INTEGERS = {
    "int64": [-(2**63), 2**63 - 1, 0],
    "uint64": [2**64 - 1, 0],
    "int32": [-(2**31), 2**31 - 1, 0],
    "fixed64": [2**64 - 1],
    "fixed32": [2**32 - 1],
    "uint32": [2**32 - 1, 0],
    "sfixed32": [-(2**31), 2**31 - 1],
    "sfixed64": [-(2**63), 2**63 - 1],
    "sint32": [-(2**31), 2**31 - 1],
    "sint64": [-(2**63), 2**63 - 1],
}
VALUES = {
    **{kind: [str(each) if "64" in kind else each for each in values] for kind, values in INTEGERS.items()},
    "double": [1.5, -0.0, 0, 1e300, 5e-324, "NaN", "Infinity", "-Infinity", 123456789.123],
    "float": [1.5, -0.0, 0.1, 3.4e38, "NaN", "Infinity", "-Infinity"],
    "bool": [True, False],
    "string": ["grüezi \U0001f600 \u2028 \"quoted\" \\ \x00", ""],
    "bytes": [base64.b64encode(bytes(range(256))).decode(), ""],
}


def each_scalar():
    for kind, values in VALUES.items():
        for value in values:
            for prefix in ("a", "maybe", "chosen"):
                yield {f"{prefix}{kind.title()}": value}
        yield {f"many{kind.title()}": values}
    for kind in shapes.KEYS:
        keys = {"bool": ["true", "false"], "string": ["a", "", "ü"]}.get(kind) or [str(each) for each in INTEGERS[kind]]
        yield {f"by{kind.title()}": {key: f"at {key}" for key in keys}}


WELL_KNOWN = [
    {"knownTimestamp": each}
    for each in (
        "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2024-02-29T12:00:00.5Z",
        "1969-12-31T23:59:59.000000001Z", "2026-01-31T12:00:00.123456+05:30", "1900-03-01T00:00:00-23:59",
    )
] + [
    {"knownDuration": each} for each in ("0s", "1.5s", "-0.000000001s", "315576000000s", "-315576000000.999999999s", "3.000001s")
] + [
    {"knownFieldMask": each} for each in ("", "user.displayName,photo", "a")
] + [
    {"knownValue": each} for each in (None, True, 1.5, "text", [1, None, {"a": []}], {"b": {"c": None}})
] + [
    {"knownStruct": {}}, {"knownStruct": {"a": 1, "b": [None, "x"], "c": {"d": False}}},
    {"knownListValue": []}, {"knownListValue": [1, "2", [None], {}]}, {"knownEmpty": {}},
    {"knownBoolValue": False}, {"knownBoolValue": True}, {"knownBytesValue": "AQI="}, {"knownDoubleValue": "NaN"},
    {"knownFloatValue": 0.1}, {"knownInt32Value": -1}, {"knownInt64Value": "-9007199254740993"}, {"knownStringValue": ""},
    {"knownUint32Value": 0}, {"knownUint64Value": "18446744073709551615"}, {"knownInt32Value": 0},
    {"manyKnownTimestamp": ["1970-01-01T00:00:01Z"], "manyKnownInt32Value": [0, 7], "manyKnownValue": [None, 1]},
    {"knownAny": {"@type": "type.googleapis.com/causeway.shapes.Leaf", "mustBe": 7}},
    {"knownAny": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}},
    {"knownAny": {"@type": "type.googleapis.com/google.protobuf.Any", "value": {
        "@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": 1}}}},
]  # fmt: skip

OTHERS = [
    {"leaf": {"mustBe": 0, "color": "RED", "loose": [-1, 2], "tight": [-1, 2], "inner": [{"text": "in"}, {}]}},
    {"leaf": {"mustBe": 1, "color": "BLUE"}, "self": {"self": {"aInt32": 1}}},
    {"leaves": {"a": {"mustBe": 1}, "": {"mustBe": 2}}},
    {"chosenSelf": {"chosenString": ""}},
    {"mood": "MOOD_BAD", "moods": ["MOOD_GOOD", "MOOD_UNKNOWN", 77], "moodsByName": {"x": "MOOD_BAD", "y": 0}},
    {"mood": 12, "unpacked": [1, 2, 3], "@other": "named"},
    {"a_int32": 5, "named_otherwise": "by the name in the file"},
    {"aInt64": 5, "aUint64": 7, "aInt32": "12", "aDouble": "1.25e2", "aInt32": 1e3, "aBytes": "_-8"},
    {"nothing": None, "maybeString": None, "aInt32": None, "manyInt32": None, "self": None},
]


def plain(value):
    """Numbers as one kind, and NaN, which is text here, equal to itself; the sign of a zero is lost by some readers of JSON."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return float(value) + 0.0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def same(one, other):
    return plain(one) == plain(other)


def expected(message):
    return json_format.MessageToDict(json_format.ParseDict(message, shapes.Everything()))


def test_every_type_is_written_and_read_as_googles_library_does(calls):
    messages = [*each_scalar(), *WELL_KNOWN, *OTHERS]
    judged, echoed = Call(calls, JUDGE), Call(calls, ECHO)
    for message in messages:
        judged.send(json=message)
        echoed.send(json=message)
    judged.send(end=True)
    echoed.send(end=True)
    verdicts = [json.loads(each["json"]) for each in judged.rest()[0]]
    echoes = echoed.rest()[0]
    assert len(verdicts) == len(echoes) == len(messages)
    for message, verdict, echo in zip(messages, verdicts, echoes):
        assert same(verdict, expected(message)), message
        assert same(echo, expected(message)), message


def test_a_message_of_all_of_them_at_once(calls):
    message = {}
    for each in [*each_scalar(), *WELL_KNOWN, *OTHERS[:6]]:
        if not next(iter(each)).startswith("chosen"):
            message |= each
    call = Call(calls, ECHO)
    call.send(json=message, end=True)
    assert same(call.rest()[0], [expected(message)])


@pytest.mark.parametrize(
    "message, field, words",
    [
        ({"nope": 1}, "json.nope", "causeway.shapes.Everything has no field of this name"),
        ({"self": {"self": {"typo": 1}}}, "json.self.self.typo", "causeway.shapes.Everything"),
        ({"leaves": {"k": {"mustBe": 1, "colour": "RED"}}}, "json.leaves[k].colour", "it has mustBe, color"),
        ({"leaf": {"mustBe": 1, "inner": [{}, {"texts": ""}]}}, "json.leaf.inner[1].texts", "causeway.shapes.Leaf.Inner"),
        ({"aInt32": 2**31}, "json.aInt32", "from -2147483648 to 2147483647"),
        ({"aInt32": 1.5}, "json.aInt32", "a whole number"),
        ({"aInt32": "x"}, "json.aInt32", "not text"),
        ({"aUint64": -1}, "json.aUint64", "uint64"),
        ({"aUint64": 2**64 - 1}, "json.aUint64", "as text"),
        ({"aFloat": 1e300}, "json.aFloat", "float"),
        ({"aDouble": "0x10"}, "json.aDouble", "a number"),
        ({"aBool": "true"}, "json.aBool", "true or false"),
        ({"aString": 1}, "json.aString", "Must be text, not a number"),
        ({"aBytes": "!"}, "json.aBytes", "base64"),
        ({"manyInt32": 1}, "json.manyInt32", "Must be a list (repeated int32)"),
        ({"manyInt32": [1, None]}, "json.manyInt32[1]", "not null"),
        ({"byInt32": {"x": ""}}, "json.byInt32[x]", "int32"),
        ({"byBool": {"yes": ""}}, "json.byBool[yes]", "true or false"),
        ({"mood": "MOOD_ODD"}, "json.mood", "MOOD_UNKNOWN, MOOD_GOOD, MOOD_BAD"),
        ({"chosenInt32": 1, "chosenString": ""}, "json.chosenString", "oneof choice"),
        ({"aInt32": 1, "a_int32": 2}, "json.a_int32", "same field"),
        ({"leaf": {}}, "json.leaf", "mustBe of causeway.shapes.Leaf is required"),
        ({"leaf": []}, "json.leaf", "an object (causeway.shapes.Leaf), not a list"),
        ({"knownTimestamp": "2026-02-30T00:00:00Z"}, "json.knownTimestamp", "RFC 3339"),
        ({"knownTimestamp": 5}, "json.knownTimestamp", "RFC 3339"),
        ({"knownDuration": "1.5"}, "json.knownDuration", "1.5s"),
        ({"knownFieldMask": "a_b"}, "json.knownFieldMask", "camelCase"),
        ({"knownInt32Value": "x"}, "json.knownInt32Value", "int32"),
        ({"knownAny": {"mustBe": 1}}, "json.knownAny", "@type"),
        ({"knownAny": {"@type": "t/acme.Unknown", "a": 1}}, "json.knownAny", "acme.Unknown is not known"),
        ({"knownAny": {"@type": "t/causeway.shapes.Leaf", "b": 1}}, "json.knownAny.b", "causeway.shapes.Leaf"),
    ],
)
def test_what_does_not_fit_its_type_is_refused_at_its_place(calls, message, field, words):
    call = Call(calls, ECHO)
    answer = call.send(400, json=message).json()
    assert [each["field"] for each in answer["errors"]] == [field], answer
    assert words in answer["message"]
    # The call is none the worse.
    call.send(json={"aInt32": 1}, end=True)
    assert call.rest()[0] == [{"aInt32": 1}]


def test_depth_has_a_bound(calls):
    def nested(depth):
        return {"self": nested(depth - 1)} if depth else {}

    call = Call(calls, ECHO)
    call.send(json=nested(90))
    # Deeper than that JSON itself is refused as a body, or the message is.
    assert "deep" in call.send(400, json=nested(110)).json()["message"]
    call.send(end=True)
    assert call.rest()[0] == [nested(90)]


# ---- bounds, ends and bad peers


def test_four_mebibytes_are_the_most(calls):
    call = Call(calls, f"{KINDS}/ServerStream")
    call.send(json={"count": 5, "size": MIB}, end=True)
    found = call.all()
    assert found[-1][0] == "error" and str(4 * MIB) in found[-1][1]["reason"]
    call = Call(calls, f"{KINDS}/Unary")
    call.send(json={"size": 5 * MIB}, end=True)
    found = call.all()
    assert found[-1][0] == "error" and str(4 * MIB) in found[-1][1]["reason"]
    call = Call(calls, f"{KINDS}/ClientStream")
    call.send(json={"payload": base64.b64encode(bytes(3 * MIB)).decode()})
    assert call.send(413, json={"payload": base64.b64encode(bytes(2 * MIB)).decode()}).json()["code"] == "too_large"
    call.end()


def notes(site):
    with site.channel() as channel:
        return protos.Kinds(channel).Seen(protos.Nothing(), timeout=10)


def test_what_is_ended_here_is_cancelled_there(calls, listener):
    before = notes(calls)
    call = Call(calls, f"{KINDS}/Bidi", listener)
    call.begun()
    call.send(json={"delayMs": 60_000})
    wait_until(lambda: notes(calls).active > before.active, 10, "the call has begun")
    call.end()
    assert call.all()[-1][0] == "closed"
    wait_until(lambda: notes(calls).cancelled > before.cancelled, 10, "the back end was told")
    wait_until(lambda: notes(calls).active == before.active, 10, "the back end has ended it")


def test_a_worker_that_is_killed_is_told(new_gateway, authority):
    gateway = new_gateway().start()
    with RunningPeer("grpc_server.py", "--kinds") as peer:
        site = serving(gateway, authority, peer.port)
        call = Call(site, f"{KINDS}/Bidi")
        call.send(json={"count": 1})
        call.until("headers")
        gateway.worker.kill9()
        event, data = call.all()[-1]
        assert event == "error" and "ended before" in data["reason"], data
        event, data = Call(site, f"{KINDS}/Bidi").all()[-1]
        assert event == "error" and "Does the worker run?" in data["reason"]


def test_a_back_end_that_is_gone_is_told_with_the_gateways_status(gateway, authority):
    site = serving(gateway, authority, free_port())
    call = Call(site, "/a.B/C")
    assert "UNAVAILABLE" in call.begun()["reason"]
    _, found = call.rest()
    assert found["status"]["code"] == 14 and found["closed"]


def test_an_answer_that_is_no_grpc_is_told_as_the_gateway_tells_it(gateway, authority):
    def page(connection, id, headers):
        connection.respond(id, 502, ("content-type", "text/html"))
        connection.data(id, b"<h1>Not here</h1>", end=True)

    with http2.Server(page, wait_for_end=False) as server:
        _, found = Call(serving(gateway, authority, server.port), "/a.B/C").rest()
    assert found["status"]["name"] == "UNAVAILABLE" and found["status"]["code"] == 14, found


def file(name="hostile.proto", package="hostile", **more):
    made = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3", **more)
    made.service.add(name="Api").method.add(name="Call", input_type=f".{package}.M", output_type=f".{package}.M")
    return made


def recursive():
    made = file()
    made.message_type.add(name="M").field.add(name="m", number=1, type=11, label=1, type_name=".hostile.M")
    return made


def importing(*names):
    made = recursive()
    made.dependency.extend(names)
    return made


def missing():
    made = file(dependency=["nowhere.proto"])
    made.message_type.add(name="M").field.add(name="m", number=1, type=11, label=1, type_name=".nowhere.Gone")
    return made


def nested(levels):
    """By hand: no library writes messages as deep as that."""

    def field(number, payload):
        size, length = len(payload), b""
        while size >= 0x80:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + payload

    made = field(1, b"M")
    for _ in range(levels):
        made = field(1, b"M") + field(3, made)
    return field(1, b"deep.proto") + field(4, made)


def descriptors(*raw):
    def answer(request):
        response = reflection_pb2.ServerReflectionResponse()
        if request.WhichOneof("message_request") == "list_services":
            response.list_services_response.service.add(name="hostile.Api")
        else:
            response.file_descriptor_response.file_descriptor_proto.extend(raw)
        return response.SerializeToString()

    return reflecting(answer=answer)


def endless():
    """Each file imports another one."""
    count = iter(range(1, 1 << 30))

    def answer(request):
        response = reflection_pb2.ServerReflectionResponse()
        if request.WhichOneof("message_request") == "list_services":
            response.list_services_response.service.add(name="hostile.Api")
        else:
            at = next(count)
            response.file_descriptor_response.file_descriptor_proto.append(
                importing(f"{at + 1}.proto").SerializeToString()
                if at == 1
                else descriptor_pb2.FileDescriptorProto(name=f"{at}.proto", dependency=[f"{at + 1}.proto"]).SerializeToString()
            )
        return response.SerializeToString()

    return reflecting(answer=answer)


def many_fields():
    made = file()
    message = made.message_type.add(name="M")
    for number in range(1, 110_000):
        message.field.add(number=number, type=5)
    return made.SerializeToString()


@pytest.mark.parametrize(
    "reflection, words",
    [
        (lambda: reflecting(answer=lambda _: b"\xff\xff\xff"), "cannot be read"),
        (lambda: reflecting(answer=lambda _: b""), "something else"),
        (lambda: descriptors(b"\x22\x7f"), "longer than what holds it"),
        (lambda: descriptors(b"\x0a\x02\xff\xfe"), "UTF-8"),
        (lambda: descriptors(nested(200)), "nested more than 100 deep"),
        (lambda: descriptors(many_fields()), "100000 elements"),
        (lambda: descriptors(file(package="p" * 600).SerializeToString()), "512 bytes"),
        (lambda: descriptors(b"\x0a\x01a" + b"\x1a\x00" * (3 * MIB)), "bytes"),
        (endless, "1000 files"),
    ],
    ids=["garbage", "empty", "cut", "text", "deep", "wide", "long", "large", "endless"],
)
def test_hostile_descriptors_are_an_error_and_nothing_else(gateway, authority, reflection, words):
    path = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    with byte_server(**{path: reflection(), "hostile.Api/Call": lambda requests, context: requests}) as port:
        site = serving(gateway, authority, port)
        event, data = Call(site).all()[-1]
        assert event == "error" and words in data["reason"], data
        call = Call(site, "/hostile.Api/Call")
        assert words in call.begun()["reason"]
        call.send(base64="AQID", end=True)
        found = call.all()
        assert [data["base64"] for event, data in found if event == "message"] == ["AQID", "AQID"]


def test_types_that_hold_themselves_and_imports_that_nobody_has(gateway, authority):
    path = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    loops = reflecting(importing("hostile.proto", "loop.proto"), file("loop.proto", "loop", dependency=["hostile.proto"]))
    back = {"hostile.Api/Call": lambda requests, context: requests}
    with byte_server(**{path: loops}, **back) as port:
        site = serving(gateway, authority, port)
        services = {each["name"]: each for each in dict(Call(site).all())["services"]["services"]}
        schema = services["hostile.Api"]["methods"][0]["inputSchema"]
        assert schema["$defs"]["hostile.M"]["properties"]["m"] == {"$ref": "#/$defs/hostile.M"}
        call = Call(site, "/hostile.Api/Call")
        call.send(json={"m": {"m": {}}})
        # 99 levels are told, 101 are not; bytes that are no message are bytes.
        for levels in (98, 101):
            raw = b""
            for _ in range(levels):
                raw = b"\x0a" + (bytes([len(raw)]) if len(raw) < 128 else bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7])) + raw
            call.send(base64=base64.b64encode(raw).decode())
        call.send(base64="/////w==", end=True)
        came = [data for event, data in call.all() if event == "message" and data["direction"] == "in"]
        assert ["json" in each for each in came] == [True, True, False, False] and came[0]["json"] == {"m": {"m": {}}}
    with byte_server(**{path: reflecting(missing())}, **back) as port:
        site = serving(gateway, authority, port)
        (service,) = dict(Call(site).all())["services"]["services"]
        schema = service["methods"][0]["inputSchema"]
        assert "nowhere.Gone is not known" in schema["$defs"]["hostile.M"]["properties"]["m"]["description"]
        call = Call(site, "/hostile.Api/Call")
        refused = call.send(400, json={"m": {}}).json()
        assert refused["errors"][0]["field"] == "json.m" and "nowhere.Gone is not known" in refused["message"]
        call.send(json={})
        call.send(base64="CgA=", end=True)
        came = [data for event, data in call.all() if event == "message" and data["direction"] == "in"]
        assert came[0]["json"] == {} and came[1]["base64"] == "CgA="


def test_reflection_that_says_nothing_does_not_hold_up_the_call(gateway, authority):
    def silent(requests, context):
        for _ in requests:
            pass
        yield from ()

    with byte_server(
        **{
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": silent,
            "hostile.Api/Call": lambda requests, context: requests,
        }
    ) as port:
        call = Call(serving(gateway, authority, port), "/hostile.Api/Call")
        assert "not within 10 s" in call.begun()["reason"]
        call.send(base64="AQID", end=True)
        assert [data["base64"] for event, data in call.all() if event == "message"] == ["AQID", "AQID"]


# ---- rights and bad input


def test_it_is_for_editors_and_audited_without_content(gateway, calls):
    body = {"kind": "grpc", "listener": "https", "authority": calls.host}
    account(gateway, "viewer").expect(403, "POST", "/v1/try", body)
    editor = account(gateway, "editor")
    call = Call(calls, "/helloworld.Greeter/SayHello", api=editor, headers={"x-secret": "of mine"})
    call.send(json={"name": "a secret of mine"}, end=True)
    assert call.rest()[1]["status"]["code"] == 0
    entry = next(each for each in gateway.api.get("/v1/audit") if each["action"] == "try")
    assert entry["detail"] == f"grpc {calls.host}/helloworld.Greeter/SayHello" and "of mine" not in json.dumps(entry)


@pytest.mark.parametrize(
    "field, change",
    [
        ("path", {"path": "/only"}),
        ("path", {"path": "/a.B/C?x=1"}),
        ("path", {"path": "/a/b/c"}),
        ("method", {"method": "GET"}),
        ("body", {"body": "x"}),
        ("headers[Content-Type]", {"headers": {"Content-Type": "text/plain"}}),
        ("headers[grpc-encoding]", {"headers": {"grpc-encoding": "gzip"}}),
        ("headers[te]", {"headers": {"te": "trailers"}}),
    ],
)
def test_bad_input_names_its_field(gateway, field, change):
    body = {"kind": "grpc", "listener": "https", "authority": "a.test", **change}
    answer = gateway.api.expect(400, "POST", "/v1/try", body).json()
    assert {each["field"] for each in answer["errors"]} == {field}


def test_bad_messages_are_refused(calls):
    call = Call(calls, ECHO)
    for message in ({}, {"text": "a"}, {"json": {}, "base64": ""}, {"base64": "?"}, {"json": {}, "code": 1000}):
        call.send(400, **message)
    call.end()
    services = Call(calls)
    services.listen()
    assert services.api.call("POST", f"{services.path}/messages", {"end": True}).status_code in (404, 409)
