"""grpc.testing.TestService, as gRPC's interoperability tests have it, described in Python and served by grpcio.

usage: interop.py PORT     prints "listening PORT" when it does; PORT 0 chooses one
"""

import asyncio
import pathlib
import signal
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "grpc.testing"
# Fields by message: (name, number, type), where a type that is no scalar names a message; `*` in front: repeated.
SCALARS = {"string": 9, "bytes": 12, "int32": 5, "int64": 3, "bool": 8}
MESSAGES = {
    "Empty": [],
    "BoolValue": [("value", 1, "bool")],
    "Payload": [("type", 1, "int32"), ("body", 2, "bytes")],
    "EchoStatus": [("code", 1, "int32"), ("message", 2, "string")],
    "SimpleRequest": [
        ("response_type", 1, "int32"),
        ("response_size", 2, "int32"),
        ("payload", 3, "Payload"),
        ("response_compressed", 6, "BoolValue"),
        ("response_status", 7, "EchoStatus"),
        ("expect_compressed", 8, "BoolValue"),
    ],
    "SimpleResponse": [("payload", 1, "Payload")],
    "StreamingInputCallRequest": [("payload", 1, "Payload"), ("expect_compressed", 2, "BoolValue")],
    "StreamingInputCallResponse": [("aggregated_payload_size", 1, "int32")],
    "ResponseParameters": [("size", 1, "int32"), ("interval_us", 2, "int32"), ("compressed", 3, "BoolValue")],
    "StreamingOutputCallRequest": [
        ("response_type", 1, "int32"),
        ("response_parameters", 2, "*ResponseParameters"),
        ("payload", 3, "Payload"),
        ("response_status", 7, "EchoStatus"),
    ],
    "StreamingOutputCallResponse": [("payload", 1, "Payload")],
}
METHODS = {
    "EmptyCall": ("unary_unary", "Empty", "Empty"),
    "UnaryCall": ("unary_unary", "SimpleRequest", "SimpleResponse"),
    "StreamingOutputCall": ("unary_stream", "StreamingOutputCallRequest", "StreamingOutputCallResponse"),
    "StreamingInputCall": ("stream_unary", "StreamingInputCallRequest", "StreamingInputCallResponse"),
    "FullDuplexCall": ("stream_stream", "StreamingOutputCallRequest", "StreamingOutputCallResponse"),
    # Declared and never served.
    "UnimplementedCall": ("unary_unary", "Empty", "Empty"),
}
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def _describe():
    file = descriptor_pb2.FileDescriptorProto(name="grpc/testing/interop.proto", package=PACKAGE, syntax="proto3")
    for message, fields in MESSAGES.items():
        entry = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = entry.field.add(name=name, number=number, label=3 if kind.startswith("*") else 1)
            if kind in SCALARS:
                field.type = SCALARS[kind]
            else:
                field.type, field.type_name = 11, f".{PACKAGE}.{kind.strip('*')}"
    service = file.service.add(name="TestService")
    for name, (shape, request, response) in METHODS.items():
        service.method.add(
            name=name,
            input_type=f".{PACKAGE}.{request}",
            output_type=f".{PACKAGE}.{response}",
            client_streaming=shape.startswith("stream"),
            server_streaming=shape.endswith("stream"),
        )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in MESSAGES
    }


messages = _describe()


class TestService:
    """Calls over a channel; `service` may be one that nobody serves."""

    __test__ = False  # the name is gRPC's, not pytest's

    def __init__(self, channel, service="TestService"):
        for name, (shape, request, response) in METHODS.items():
            call = getattr(channel, shape)(
                f"/{PACKAGE}.{service}/{name}",
                request_serializer=messages[request].SerializeToString,
                response_deserializer=messages[response].FromString,
            )
            setattr(self, name, call)


# ---- the server


async def _begin(context):
    """custom_metadata: what comes in front goes back in front, what is for behind goes back behind."""
    sent = dict(context.invocation_metadata())
    # Always by ourselves: grpcio forgets a call's compression when it sends the metadata of a unary call.
    await context.send_initial_metadata([(INITIAL, sent[INITIAL])] if INITIAL in sent else [])
    if TRAILING in sent:
        context.set_trailing_metadata([(TRAILING, sent[TRAILING])])


async def _end_as_asked(request, context):
    if request.HasField("response_status") and request.response_status.code:
        code = next(each for each in grpc.StatusCode if each.value[0] == request.response_status.code)
        await context.abort(code, request.response_status.message)


def _payload(size):
    return messages["Payload"](body=b"\0" * size)


def _compress_if_asked(context, wish):
    if wish:
        context.set_compression(grpc.Compression.Gzip)


class _Service:
    async def EmptyCall(self, request, context):
        await _begin(context)
        return messages["Empty"]()

    async def UnaryCall(self, request, context):
        _compress_if_asked(context, request.response_compressed.value)
        await _begin(context)
        await _end_as_asked(request, context)
        return messages["SimpleResponse"](payload=_payload(request.response_size))

    async def StreamingInputCall(self, requests, context):
        total = 0
        async for request in requests:
            total += len(request.payload.body)
        return messages["StreamingInputCallResponse"](aggregated_payload_size=total)

    async def _output(self, request, context):
        for wanted in request.response_parameters:
            await asyncio.sleep(wanted.interval_us / 1_000_000)
            if request.response_parameters[0].HasField("compressed") and not wanted.compressed.value:
                context.disable_next_message_compression()
            await context.write(messages["StreamingOutputCallResponse"](payload=_payload(wanted.size)))
        await _end_as_asked(request, context)

    async def StreamingOutputCall(self, request, context):
        _compress_if_asked(context, any(each.compressed.value for each in request.response_parameters))
        await _begin(context)
        await self._output(request, context)

    async def FullDuplexCall(self, requests, context):
        await _begin(context)
        async for request in requests:
            await self._output(request, context)


async def serve(port):
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    service = _Service()
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                f"{PACKAGE}.TestService",
                {
                    name: getattr(grpc, f"{shape}_rpc_method_handler")(
                        getattr(service, name),
                        request_deserializer=messages[request].FromString,
                        response_serializer=messages[response].SerializeToString,
                    )
                    for name, (shape, request, response) in METHODS.items()
                    if name != "UnimplementedCall"
                },
            )
        ]
    )
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"listening {bound}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(0.1)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    asyncio.run(serve(int(sys.argv[1])))
