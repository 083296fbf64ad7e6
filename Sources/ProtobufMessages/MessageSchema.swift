// The JSON Schema of a message: what a form is built from, and what an editor checks a message by.

package import ConsoleModel

/// Makes schemas (draft 2020-12), in which types refer to each other by `$defs`.
package struct MessageSchema {
    private let types: MessageTypes
    private var definitions: [String: JSONValue] = [:]
    private var waiting: [String] = []
    /// Names and what stands around them.
    private var size = 0

    /// `nil`: it would have more than about that many bytes.
    package static func json(of type: String, by types: MessageTypes, most: Int) -> (schema: JSONValue, size: Int)? {
        var schema = MessageSchema(types: types)
        var root = schema.reference(type)
        while let next = schema.waiting.popLast() {
            guard schema.size <= most, let message = types.message(next) else { return nil }
            schema.definitions[next] = schema.definition(message)
        }
        guard schema.size <= most else { return nil }
        if case .object(var members) = root, !schema.definitions.isEmpty {
            members["$defs"] = .object(schema.definitions)
            root = .object(members)
        }
        return (root, schema.size)
    }

    private init(types: MessageTypes) {
        self.types = types
    }

    private static func type(_ name: String, _ more: [String: JSONValue] = [:]) -> JSONValue {
        .object(more.merging(["type": .string(name)]) { first, _ in first })
    }

    /// The schema of a message where it is used.
    private mutating func reference(_ name: String) -> JSONValue {
        size += 32
        if let form = SpecialForm(name) { return special(form) }
        if name == SpecialForm.any {
            return Self.type(
                "object",
                ["properties": .object(["@type": Self.type("string")]), "required": .array([.string("@type")])])
        }
        guard types.message(name) != nil else {
            size += name.utf8.count
            return .object(["description": .string("The type \(name) is not known.")])
        }
        return refer(name)
    }

    private mutating func refer(_ name: String) -> JSONValue {
        size += name.utf8.count + 24
        if definitions[name] == nil {
            // Held, so that it is made once.
            definitions[name] = .null
            size += name.utf8.count
            waiting.append(name)
        }
        // Of RFC 6901, which a `$ref` is made of, a full name has no character to escape.
        return .object(["$ref": .string("#/$defs/\(name)")])
    }

    private func special(_ form: SpecialForm) -> JSONValue {
        switch form {
        case .duration: Self.type("string", ["pattern": .string(#"^-?[0-9]+(\.[0-9]{1,9})?s$"#)])
        case .timestamp: Self.type("string", ["format": .string("date-time")])
        case .fieldMask: Self.type("string", ["description": .string("Names in camelCase with commas between.")])
        case .structure: Self.type("object")
        case .list: Self.type("array")
        case .value: .object(["description": .string("Any value.")])
        case .wrapper(let kind): scalar(kind)
        }
    }

    private mutating func definition(_ message: MessageType) -> JSONValue {
        var properties: [String: JSONValue] = [:]
        var required: [JSONValue] = []
        for field in message.fields {
            size += field.jsonName.utf8.count + 16
            properties[field.jsonName] = property(field, of: message)
            if field.isRequired { required.append(.string(field.jsonName)) }
        }
        var made: [String: JSONValue] = [
            "type": .string("object"), "properties": .object(properties), "additionalProperties": .bool(false),
        ]
        if !required.isEmpty { made["required"] = .array(required) }
        return .object(made)
    }

    private mutating func property(_ field: FieldType, of message: MessageType) -> JSONValue {
        var made: JSONValue
        if let entry = types.mapEntry(field) {
            made = Self.type("object", ["additionalProperties": value(entry.value.kind)])
        } else {
            made = value(field.kind)
            if field.isRepeated { made = Self.type("array", ["items": made]) }
        }
        // Only one of those that name the same one may be given.
        if let oneof = field.oneof, message.oneofs.indices.contains(oneof), case .object(var members) = made {
            size += message.oneofs[oneof].utf8.count
            members["x-oneof"] = .string(message.oneofs[oneof])
            made = .object(members)
        }
        return made
    }

    private mutating func value(_ kind: FieldKind) -> JSONValue {
        switch kind {
        case .message(let name), .group(let name): return reference(name)
        case .enumeration(let name):
            guard let type = types.enumeration(name), name != "google.protobuf.NullValue" else {
                return name == "google.protobuf.NullValue" ? Self.type("null") : Self.type("integer")
            }
            size += name.utf8.count + 24
            if definitions[name] == nil {
                size += type.values.reduce(name.utf8.count) { $0 + $1.utf8.count + 4 }
                definitions[name] = Self.type("string", ["enum": .array(type.values.map { .string($0) })])
            }
            return .object(["$ref": .string("#/$defs/\(name)")])
        default:
            size += 64
            return scalar(kind)
        }
    }

    private func scalar(_ kind: FieldKind) -> JSONValue {
        switch kind {
        case .double, .float: Self.type("number", ["format": .string(kind.words)])
        case .int32, .sint32, .sfixed32:
            Self.type(
                "integer",
                ["format": .string("int32"), "minimum": .integer(-2_147_483_648), "maximum": .integer(2_147_483_647)])
        case .uint32, .fixed32:
            Self.type(
                "integer", ["format": .string("uint32"), "minimum": .integer(0), "maximum": .integer(4_294_967_295)])
        case .int64, .sint64, .sfixed64:
            Self.type("string", ["format": .string("int64"), "pattern": .string("^-?[0-9]+$")])
        case .uint64, .fixed64: Self.type("string", ["format": .string("uint64"), "pattern": .string("^[0-9]+$")])
        case .bool: Self.type("boolean")
        case .bytes: Self.type("string", ["contentEncoding": .string("base64")])
        case .string, .enumeration, .message, .group: Self.type("string")
        }
    }
}
