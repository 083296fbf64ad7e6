"""What the worker tells of each exchange: traces, the access log's fields, response flags, counters and gauges."""

import json
import re

import pytest

from peers import http2
from peers.http1 import EchoServer
from peers.protos import Ask, Kinds, Nothing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
MADE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-00")

# ---- traces


@pytest.fixture(params=["http1", "http2"])
def traced(request, site):
    """Asks with fields through HTTP/1.1 or HTTP/2 to a back end of the same; gives the fields that it saw."""
    if request.param == "http1":
        with EchoServer() as server:
            site.serve(server.port)

            def ask(path, *fields):
                answer = json.loads(site.get(path, *fields).body)
                return [tuple(field) for field in answer["headers"]]

            yield ask
    else:
        with http2.Server() as server:
            site.serve(server.port, protocol="HTTP2")
            with site.http2() as client:

                def ask(path, *fields):
                    assert client.request("GET", site.host, path, *fields).status == 200
                    return [tuple(field) for field in server.fields[-1]]

                yield ask


def values(fields, name):
    return [value for key, value in fields if key.lower() == name]


def test_a_trace_and_its_state_pass_as_they_came(traced, gateway):
    seen = traced("/trace-passed", ("traceparent", PARENT), ("tracestate", "a=1,b=2"))
    assert values(seen, "traceparent") == [PARENT]
    assert values(seen, "tracestate") == ["a=1,b=2"]
    assert gateway.wait_log(path="/trace-passed")["trace_id"] == TRACE


@pytest.mark.parametrize(
    "parents",
    [(), (PARENT.upper(),), (PARENT + "-more",), (f"00-{'0' * 32}-00f067aa0ba902b7-01",), ("",), (PARENT, PARENT)],
    ids=["absent", "upper case", "too long", "no id", "empty", "two"],
)
def test_a_trace_is_made_where_there_is_none(traced, gateway, parents, request):
    path = "/trace-made/" + re.sub(r"\W", "-", request.node.name)
    made = []
    for _ in range(2):
        seen = traced(path, *(("traceparent", each) for each in parents), ("tracestate", "a=1"))
        [parent] = values(seen, "traceparent")
        assert MADE.fullmatch(parent), parent
        assert not values(seen, "tracestate"), "the state of another trace"
        made.append(parent)
    ids = [MADE.fullmatch(parent) for parent in made]
    assert len({each[1] for each in ids}) == len({each[2] for each in ids}) == 2
    gateway.wait_log(path=path, trace_id=ids[1][1])
    gateway.wait_log(path=path, trace_id=ids[0][1])


def test_an_answer_without_a_service_has_a_trace_too(gateway, site):
    site.get("/nothing-here", ("traceparent", PARENT))
    assert gateway.wait_log(authority=site.host, path="/nothing-here")["trace_id"] == TRACE
    site.get("/nothing-there")
    assert re.fullmatch("[0-9a-f]{32}", gateway.wait_log(authority=site.host, path="/nothing-there")["trace_id"])


def test_a_route_may_edit_the_trace_that_was_made(gateway, site):
    with http2.Server() as server:
        site.serve(
            server.port,
            protocol="HTTP2",
            headerControl={"enabled": True, "request": {"set": [{"key": "traceparent", "value": PARENT}]}},
        )
        with site.http2() as client:
            assert client.request("GET", site.host, "/").status == 200
        assert values(server.fields[-1], "traceparent") == [PARENT]


def test_grpcio_reads_the_trace_that_was_made(gateway, site, grpc_server):
    """The field stands in the block as it is, behind what HPACK made: a real decoder must take it, again and again."""
    site.serve(grpc_server.port, protocol="GRPC")
    with site.channel() as channel:
        for _ in range(50):
            Kinds(channel).Unary(Ask(), timeout=10)
            seen = dict(json.loads(Kinds(channel).Seen(Nothing(), timeout=10).metadata))
            assert MADE.fullmatch(seen["traceparent"]), seen
