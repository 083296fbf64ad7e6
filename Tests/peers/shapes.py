"""Messages with a field of every type that protocol buffers have, in proto3 and proto2, and what a service does with them. Described in
Python, in several files that import each other, as real ones are."""

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from peers.protos import _message

PACKAGE = "causeway.shapes"
SCALARS = [
    "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32", "sfixed32",
    "sfixed64", "sint32", "sint64",
]  # fmt: skip
WELL_KNOWN = {
    "any": any_pb2.Any,
    "duration": duration_pb2.Duration,
    "empty": empty_pb2.Empty,
    "field_mask": field_mask_pb2.FieldMask,
    "struct": struct_pb2.Struct,
    "value": struct_pb2.Value,
    "list_value": struct_pb2.ListValue,
    "timestamp": timestamp_pb2.Timestamp,
    **{
        f"{name.lower()}_value": getattr(wrappers_pb2, f"{name}Value")
        for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
    },
}
KEYS = [each for each in SCALARS if each not in ("double", "float", "bytes")]


def kind(name):
    return getattr(Field, f"TYPE_{name.upper()}")


def leaf_file():
    """proto2: an enum, a group, required fields, values that are packed and values that are not."""
    file = descriptor_pb2.FileDescriptorProto(name="shapes/leaf.proto", package=PACKAGE)
    color = file.enum_type.add(name="Color")
    for number, name in enumerate(["RED", "GREEN", "BLUE"]):
        color.value.add(name=name, number=number - 1)
    leaf = file.message_type.add(name="Leaf")
    leaf.field.add(name="must_be", number=1, type=kind("int32"), label=2)
    leaf.field.add(name="color", number=2, type=kind("enum"), type_name=f".{PACKAGE}.Color", label=1)
    leaf.field.add(name="loose", number=3, type=kind("sint32"), label=3)
    leaf.field.add(name="tight", number=4, type=kind("sint32"), label=3).options.packed = True
    leaf.nested_type.add(name="Inner").field.add(name="text", number=6, type=kind("string"), label=1)
    leaf.field.add(name="inner", number=5, type=kind("group"), type_name=f".{PACKAGE}.Leaf.Inner", label=3)
    return file


def shapes_file():
    file = descriptor_pb2.FileDescriptorProto(name="shapes/shapes.proto", package=PACKAGE, syntax="proto3")
    file.dependency.append("shapes/leaf.proto")
    everything = file.message_type.add(name="Everything")
    number = iter(range(1, 1000))

    def add(name, type_name, label=1, **more):
        if type_name in SCALARS:
            return everything.field.add(name=name, number=next(number), type=kind(type_name), label=label, **more)
        return everything.field.add(
            name=name, number=next(number), type=kind("message"), type_name=f".{type_name}", label=label, **more
        )

    def add_map(name, key, **value):
        entry = "".join(part.title() for part in name.split("_")) + "Entry"
        made = everything.nested_type.add(name=entry)
        made.field.add(name="key", number=1, type=kind(key), label=1)
        made.field.add(name="value", number=2, label=1, **value)
        made.options.map_entry = True
        add(name, f"{PACKAGE}.Everything.{entry}", 3)

    everything.oneof_decl.add(name="choice")
    for scalar in SCALARS:
        add(f"a_{scalar}", scalar)
        add(f"many_{scalar}", scalar, 3)
        add(f"chosen_{scalar}", scalar, oneof_index=0)
    for key in KEYS:
        add_map(f"by_{key}", key, type=kind("string"))
    for name, made in WELL_KNOWN.items():
        file.dependency.extend({made.DESCRIPTOR.file.name} - set(file.dependency))
        add(f"known_{name}", made.DESCRIPTOR.full_name)
        add(f"many_known_{name}", made.DESCRIPTOR.full_name, 3)
    add("leaf", f"{PACKAGE}.Leaf")
    add("self", f"{PACKAGE}.Everything")
    add("chosen_self", f"{PACKAGE}.Everything", oneof_index=0)
    add_map("leaves", "string", type=kind("message"), type_name=f".{PACKAGE}.Leaf")
    mood = file.enum_type.add(name="Mood")
    for value, name in enumerate(["MOOD_UNKNOWN", "MOOD_GOOD", "MOOD_BAD"]):
        mood.value.add(name=name, number=value)
    enum = {"type": kind("enum"), "type_name": f".{PACKAGE}.Mood"}
    everything.field.add(name="mood", number=next(number), label=1, **enum)
    everything.field.add(name="moods", number=next(number), label=3, **enum)
    add_map("moods_by_name", "string", **enum)
    everything.field.add(
        name="nothing", number=next(number), label=1, type=kind("enum"), type_name=".google.protobuf.NullValue"
    )
    everything.field.add(name="unpacked", number=next(number), type=kind("int32"), label=3).options.packed = False
    add("named_otherwise", "string", json_name="@other")
    for scalar in SCALARS:
        # The oneof that an optional makes comes behind those that people write.
        everything.field.add(
            name=f"maybe_{scalar}", number=next(number), type=kind(scalar), label=1, proto3_optional=True,
            oneof_index=len(everything.oneof_decl),
        )  # fmt: skip
        everything.oneof_decl.add(name=f"_maybe_{scalar}")
    verdict = file.message_type.add(name="Verdict")
    verdict.field.add(name="json", number=1, type=kind("string"), label=1)
    service = file.service.add(name="Shapes")
    name = f".{PACKAGE}.Everything"
    service.method.add(name="Echo", input_type=name, output_type=name, client_streaming=True, server_streaming=True)
    service.method.add(
        name="Judge", input_type=name, output_type=f".{PACKAGE}.Verdict", client_streaming=True, server_streaming=True
    )
    return file


for _made in (leaf_file(), shapes_file()):
    descriptor_pool.Default().AddSerializedFile(_made.SerializeToString())

Everything, Verdict, Leaf = (_message(f"{PACKAGE}.{name}") for name in ("Everything", "Verdict", "Leaf"))


class ShapesService:
    async def Echo(self, requests, context):
        async for each in requests:
            yield each

    async def Judge(self, requests, context):
        """What google's own library takes the message for."""
        async for each in requests:
            yield Verdict(json=json_format.MessageToJson(each))


METHODS = {"Echo": ("ss", Everything, Everything), "Judge": ("ss", Everything, Verdict)}
