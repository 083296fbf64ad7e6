#!/usr/bin/env python3
"""A gRPC server from grpcio: helloworld.Greeter with reflection (v1alpha, as grpcio-reflection has it), and, when asked, Kinds and Shapes.

usage: grpc_server.py PORT [--kinds] [--shapes] [--name NAME]     prints "listening PORT" when it does; PORT 0 chooses one
"""

import argparse
import asyncio
import json
import pathlib
import signal
import sys

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_status import rpc_status

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from peers import protos, shapes  # noqa: E402

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class GreeterService:
    def __init__(self, name):
        self.name = name

    async def SayHello(self, request, context):
        return protos.HelloReply(message=f"Hello, {request.name}!")


class KindsService:
    def __init__(self, name):
        self.name = name
        self.notes = protos.Notes()

    async def begin(self, context):
        """Notes the call and echoes metadata: `x-…` comes back as `echo-…` in front and as `trail-…` behind."""
        self.notes.started += 1
        self.notes.active += 1
        remaining = context.time_remaining()
        self.notes.deadline_ms = int(remaining * 1000) if remaining is not None else -1
        metadata = [(key, value) for key, value in context.invocation_metadata()]
        self.notes.metadata = json.dumps([[k, v if isinstance(v, str) else v.hex()] for k, v in metadata])
        ours = [(key[2:], value) for key, value in metadata if key.startswith("x-")]
        await context.send_initial_metadata([("backend", self.name)] + [(f"echo-{key}", value) for key, value in ours])
        context.set_trailing_metadata([(f"trail-{key}", value) for key, value in ours])

    async def fail_if_asked(self, request, context):
        if not request.fail_code:
            return
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason="TESTED", domain="causeway.test", metadata={"who": self.name}))
        await context.abort_with_status(
            rpc_status.to_status(
                status_pb2.Status(
                    code=request.fail_code,
                    message=request.fail_message or code_pb2.Code.Name(request.fail_code),
                    details=[detail],
                )
            )
        )

    def answer(self, request, index=0, total=0):
        payload = b"z" * request.size if request.size else request.payload
        return protos.Tell(payload=payload, index=index, total=total)

    async def call(self, context, body):
        await self.begin(context)
        try:
            async for each in body:
                yield each
        except asyncio.CancelledError:
            self.notes.cancelled += 1
            raise
        finally:
            self.notes.active -= 1

    async def Unary(self, request, context):
        async def body():
            await asyncio.sleep(request.delay_ms / 1000)
            await self.fail_if_asked(request, context)
            yield self.answer(request)

        return [each async for each in self.call(context, body())][0]

    async def ServerStream(self, request, context):
        async def body():
            for index in range(request.count):
                await asyncio.sleep(request.delay_ms / 1000)
                yield self.answer(request, index)
            await self.fail_if_asked(request, context)

        async for each in self.call(context, body()):
            yield each

    async def ClientStream(self, requests, context):
        async def body():
            count = total = 0
            async for request in requests:
                count, total = count + 1, total + len(request.payload)
                await self.fail_if_asked(request, context)
            yield protos.Tell(index=count, total=total)

        return [each async for each in self.call(context, body())][0]

    async def Bidi(self, requests, context):
        async def body():
            index = 0
            async for request in requests:
                await asyncio.sleep(request.delay_ms / 1000)
                await self.fail_if_asked(request, context)
                yield self.answer(request, index)
                index += 1

        async for each in self.call(context, body()):
            yield each

    async def Seen(self, request, context):
        return self.notes


def handlers(service, kinds):
    shapes = {
        "uu": grpc.unary_unary_rpc_method_handler,
        "us": grpc.unary_stream_rpc_method_handler,
        "su": grpc.stream_unary_rpc_method_handler,
        "ss": grpc.stream_stream_rpc_method_handler,
    }
    return {
        name: shapes[shape](
            getattr(service, name),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
        for name, (shape, request, response) in kinds.items()
    }


def reflection_handler(version, names):
    """The versions have the same messages: v1 is v1alpha under another name."""
    asked, told = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    servicer = reflection.aio.ReflectionServicer(names)
    return grpc.method_handlers_generic_handler(
        f"grpc.reflection.{version}.ServerReflection",
        handlers(servicer, {"ServerReflectionInfo": ("ss", asked, told)}),
    )


async def serve(options):
    compression = grpc.Compression.Gzip if options.gzip else None
    server = grpc.aio.server(options=UNLIMITED, compression=compression)
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "helloworld.Greeter",
                handlers(GreeterService(options.name), {"SayHello": ("uu", protos.HelloRequest, protos.HelloReply)}),
            )
        ]
    )
    if options.kinds:
        ask, tell = protos.Ask, protos.Tell
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    "causeway.test.Kinds",
                    handlers(
                        KindsService(options.name),
                        {
                            "Unary": ("uu", ask, tell),
                            "ServerStream": ("us", ask, tell),
                            "ClientStream": ("su", ask, tell),
                            "Bidi": ("ss", ask, tell),
                            "Seen": ("uu", protos.Nothing, protos.Notes),
                        },
                    ),
                )
            ]
        )
    names = ["helloworld.Greeter", reflection.SERVICE_NAME]
    if options.kinds:
        names += ["causeway.test.Kinds"]
    if options.shapes:
        names += ["causeway.shapes.Shapes"]
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    "causeway.shapes.Shapes", handlers(shapes.ShapesService(), shapes.METHODS)
                )
            ]
        )
    server.add_generic_rpc_handlers([reflection_handler(each, names) for each in options.reflection.split()])
    address = f"127.0.0.1:{options.port}"
    if options.certificate:
        files = [pathlib.Path(each).read_bytes() for each in (options.key, options.certificate)]
        port = server.add_secure_port(address, grpc.ssl_server_credentials([tuple(files)]))
    else:
        port = server.add_insecure_port(address)
    if port == 0:
        sys.exit(f"cannot listen on 127.0.0.1:{options.port}")
    await server.start()
    print(f"listening {port}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--reflection", default="v1alpha", help="versions, with blanks between")
    parser.add_argument("--gzip", action="store_true", help="compress what is sent")
    parser.add_argument("--name", default="b1")
    parser.add_argument("--certificate", help="PEM file; with --key: TLS")
    parser.add_argument("--key")
    asyncio.run(serve(parser.parse_args()))
