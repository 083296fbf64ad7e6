"""How a rule of RFC 9113 or RFC 7541 is written down and judged.

A rule has its section, its words and what is done: bytes to send, or `act(client)`, which may return the stream that the outcome
is about (else it is the next new one). It is done beside a witness: a request that is half sent and must be answered, unless the
rule ends the connection.
"""

import dataclasses
from collections.abc import Callable

import pytest

from peers import frames
from peers.frames import FrameClient

CODES = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM "
    "CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()


@dataclasses.dataclass(frozen=True)
class Outcome:
    ends: str  # "connection", "stream" or "nothing"
    codes: tuple = ()

    def __str__(self):
        """As `docs/conformance.md` has it."""
        if self.ends == "nothing":
            return "accepted"
        return f"{self.ends} error {' or '.join(CODES[code] for code in self.codes)}"


def connection_error(*codes):
    return Outcome("connection", codes)


def stream_error(*codes):
    return Outcome("stream", codes)


FINE = Outcome("nothing")


@dataclasses.dataclass(frozen=True)
class Rule:
    section: str
    words: str
    act: bytes | Callable
    outcome: Outcome = FINE

    @property
    def id(self):
        return f"{self.section} {self.words} = {self.outcome}"


def each(*rules):
    """A test for each rule, named by section and words."""
    return pytest.mark.parametrize("rule", rules, ids=[rule.id for rule in rules])


RESET = stream_error(frames.PROTOCOL_ERROR)


def expecting(outcome, names):
    """Ids for cases that all end alike."""
    return [f"{name} = {outcome}" for name in names]


def named(section, words):
    """Names the one case of a test that is a rule of its own."""
    return pytest.mark.parametrize("_rule", [None], ids=[f"{section} {words}"])


def judge(front, rule):
    with front.connect() as client:
        witness = client.request(method="POST", path="/witness", end=False)
        client.settle()
        stream = client.next
        act = rule.act
        if callable(act):
            given = act(client)
            stream = given if given is not None else stream
        else:
            client.send(act)
        expect(client, rule.outcome, stream, witness)


def expect(client: FrameClient, outcome, stream, witness=None):
    """Looks at how it ended; `stream` is the one that must be reset or answered."""
    match outcome.ends:
        case "connection":
            client.read_to_end()
            assert client.goaway is not None, "the connection was closed without GOAWAY"
            assert client.goaway.code in outcome.codes, f"GOAWAY with {client.goaway.code}, not {outcome.codes}"
            assert client.goaway.stream == 0
        case "stream":
            client.settle()
            assert client.goaway is None, f"the whole connection was ended with code {client.goaway.code}"
            assert (
                client.resets.get(stream) in outcome.codes
            ), f"stream: {client.resets.get(stream)}, not {outcome.codes}"
        case "nothing":
            client.settle()
            assert client.goaway is None, f"GOAWAY with {client.goaway.code}"
            assert not client.resets, f"reset: {client.resets}"
    if witness is not None and outcome.ends != "connection":
        goes_on(client, witness)


def goes_on(client, witness):
    """The request that was under way is answered, and new ones are."""
    client.data(witness, b"rest", end=True)
    client.finish(witness)
    assert client.status(witness) == 200, "the other stream did not go on"
    another = client.request()
    client.finish(another)
    assert client.status(another) == 200, "the connection takes no new streams"
