// The types of google.protobuf that have a JSON form of their own, and those of google.rpc that tell of an error. Their shapes
// stand here because a server's reflection need not tell them.

/// Shapes of types that are known without descriptors.
enum WellKnownTypes {
    static let messages: [String: MessageType] = {
        var all = [
            message("Any", field(1, "type_url", .string), field(2, "value", .bytes)),
            message("Duration", field(1, "seconds", .int64), field(2, "nanos", .int32)),
            message("Empty"),
            message("FieldMask", repeated(1, "paths", .string)),
            message("ListValue", repeated(1, "values", .message("google.protobuf.Value"))),
            message("Struct", repeated(1, "fields", .message("google.protobuf.Struct.FieldsEntry"))),
            entry("google.protobuf.Struct.FieldsEntry", .message("google.protobuf.Value")),
            message("Timestamp", field(1, "seconds", .int64), field(2, "nanos", .int32)),
            MessageType(
                "google.protobuf.Value",
                [
                    oneof(1, "null_value", .enumeration("google.protobuf.NullValue")),
                    oneof(2, "number_value", .double), oneof(3, "string_value", .string), oneof(4, "bool_value", .bool),
                    oneof(5, "struct_value", .message("google.protobuf.Struct")),
                    oneof(6, "list_value", .message("google.protobuf.ListValue")),
                ], oneofs: ["kind"]),
        ]
        all += wrappers.map { message($0, field(1, "value", $1)) }
        all += errors
        return Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
    }()

    static let enums = [
        "google.protobuf.NullValue": EnumType("google.protobuf.NullValue", [("NULL_VALUE", 0)])
    ]

    static let wrappers: [String: FieldKind] = [
        "BoolValue": .bool, "BytesValue": .bytes, "DoubleValue": .double, "FloatValue": .float, "Int32Value": .int32,
        "Int64Value": .int64, "StringValue": .string, "UInt32Value": .uint32, "UInt64Value": .uint64,
    ]

    /// google/rpc/status.proto and google/rpc/error_details.proto.
    private static let errors = [
        rpc("Status", field(1, "code", .int32), field(2, "message", .string), messages(3, "details", "protobuf.Any")),
        rpc(
            "ErrorInfo", field(1, "reason", .string), field(2, "domain", .string),
            messages(3, "metadata", "rpc.ErrorInfo.MetadataEntry")),
        entry("google.rpc.ErrorInfo.MetadataEntry", .string),
        rpc("RetryInfo", field(1, "retry_delay", .message("google.protobuf.Duration"))),
        rpc("DebugInfo", repeated(1, "stack_entries", .string), field(2, "detail", .string)),
        rpc("QuotaFailure", messages(1, "violations", "rpc.QuotaFailure.Violation")),
        rpc("QuotaFailure.Violation", field(1, "subject", .string), field(2, "description", .string)),
        rpc("PreconditionFailure", messages(1, "violations", "rpc.PreconditionFailure.Violation")),
        rpc(
            "PreconditionFailure.Violation", field(1, "type", .string), field(2, "subject", .string),
            field(3, "description", .string)),
        rpc("BadRequest", messages(1, "field_violations", "rpc.BadRequest.FieldViolation")),
        rpc(
            "BadRequest.FieldViolation", field(1, "field", .string), field(2, "description", .string),
            field(3, "reason", .string), field(4, "localized_message", .message("google.rpc.LocalizedMessage"))),
        rpc("RequestInfo", field(1, "request_id", .string), field(2, "serving_data", .string)),
        rpc(
            "ResourceInfo", field(1, "resource_type", .string), field(2, "resource_name", .string),
            field(3, "owner", .string), field(4, "description", .string)),
        rpc("Help", messages(1, "links", "rpc.Help.Link")),
        rpc("Help.Link", field(1, "description", .string), field(2, "url", .string)),
        rpc("LocalizedMessage", field(1, "locale", .string), field(2, "message", .string)),
    ]

    private static func message(_ name: String, _ fields: FieldType...) -> MessageType {
        MessageType("google.protobuf.\(name)", fields)
    }

    private static func rpc(_ name: String, _ fields: FieldType...) -> MessageType {
        MessageType("google.rpc.\(name)", fields)
    }

    private static func entry(_ name: String, _ value: FieldKind) -> MessageType {
        MessageType(name, [field(1, "key", .string), field(2, "value", value)], isMapEntry: true)
    }

    private static func field(_ number: Int, _ name: String, _ kind: FieldKind) -> FieldType {
        FieldType(
            name: name, jsonName: FileDescriptor.camelCase(name), number: number, kind: kind,
            hasPresence: kind.isMessage)
    }

    private static func repeated(_ number: Int, _ name: String, _ kind: FieldKind) -> FieldType {
        var made = field(number, name, kind)
        made.isRepeated = true
        made.hasPresence = false
        return made
    }

    private static func messages(_ number: Int, _ name: String, _ type: String) -> FieldType {
        repeated(number, name, .message("google.\(type)"))
    }

    private static func oneof(_ number: Int, _ name: String, _ kind: FieldKind) -> FieldType {
        var made = field(number, name, kind)
        made.hasPresence = true
        made.oneof = 0
        return made
    }
}
