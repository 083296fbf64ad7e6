"""The protobuf messages and services of the test peers, described in Python: no protoc, no generated code.

`helloworld.Greeter` is gRPC's own example. `causeway.test.Kinds` has a method of each kind, and `Seen`, which tells what the
server noticed of the calls before.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = {"string": 9, "bytes": 12, "int32": 5, "int64": 3, "bool": 8}


def _file(name, package, messages, services):
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message, fields in messages.items():
        entry = file.message_type.add(name=message)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            entry.field.add(name=field, number=number, type=_TYPES[kind], label=1)
    for service, methods in services.items():
        entry = file.service.add(name=service)
        for method, (request, response, client_streams, server_streams) in methods.items():
            entry.method.add(
                name=method,
                input_type=f".{package}.{request}",
                output_type=f".{package}.{response}",
                client_streaming=client_streams,
                server_streaming=server_streams,
            )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


def _message(name):
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


_file(
    "helloworld.proto",
    "helloworld",
    {"HelloRequest": {"name": "string"}, "HelloReply": {"message": "string"}},
    {"Greeter": {"SayHello": ("HelloRequest", "HelloReply", False, False)}},
)

_file(
    "kinds.proto",
    "causeway.test",
    {
        # `size` asks for so many bytes back instead of `payload`; `count` for so many messages; `fail_code` for an error.
        "Ask": {
            "payload": "bytes",
            "count": "int32",
            "size": "int32",
            "delay_ms": "int32",
            "fail_code": "int32",
            "fail_message": "string",
        },
        "Tell": {"payload": "bytes", "index": "int32", "total": "int64"},
        "Nothing": {},
        "Notes": {
            "active": "int32",
            "started": "int32",
            "cancelled": "int32",
            "deadline_ms": "int64",
            "metadata": "string",
        },
    },
    {
        "Kinds": {
            "Unary": ("Ask", "Tell", False, False),
            "ServerStream": ("Ask", "Tell", False, True),
            "ClientStream": ("Ask", "Tell", True, False),
            "Bidi": ("Ask", "Tell", True, True),
            "Seen": ("Nothing", "Notes", False, False),
        },
    },
)

HelloRequest, HelloReply = _message("helloworld.HelloRequest"), _message("helloworld.HelloReply")
Ask, Tell = _message("causeway.test.Ask"), _message("causeway.test.Tell")
Nothing, Notes = _message("causeway.test.Nothing"), _message("causeway.test.Notes")


class Greeter:
    """Calls of helloworld.Greeter over a channel."""

    def __init__(self, channel):
        self.SayHello = channel.unary_unary(
            "/helloworld.Greeter/SayHello",
            request_serializer=HelloRequest.SerializeToString,
            response_deserializer=HelloReply.FromString,
        )


class Kinds:
    """Calls of causeway.test.Kinds over a channel."""

    def __init__(self, channel):
        def method(kind, name, request=Ask, response=Tell):
            return getattr(channel, kind)(
                f"/causeway.test.Kinds/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )

        self.Unary = method("unary_unary", "Unary")
        self.ServerStream = method("unary_stream", "ServerStream")
        self.ClientStream = method("stream_unary", "ClientStream")
        self.Bidi = method("stream_stream", "Bidi")
        self.Seen = method("unary_unary", "Seen", Nothing, Notes)
