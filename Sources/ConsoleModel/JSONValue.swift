// JSON of any shape: what a body held before it became a model, and values whose shape belongs to a client.

/// A JSON document.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// The member of an object; `nil` for anything else.
    package subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    /// The kind of value, as an error message names it.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer, .number: "a number"
        case .string: "text"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// Paths of the members that `self` has and `echo` has not: with `echo` the re-encoded form of a model decoded from
    /// `self`, these are fields that the model does not know. Members with the value `null` say nothing: they are left out.
    package func members(missingFrom echo: JSONValue, path: String = "") -> [String] {
        switch (self, echo) {
        case (.object(let own), .object(let known)):
            own.keys.sorted().flatMap { key -> [String] in
                guard let value = own[key], value != .null else { return [] }
                let childPath = path.isEmpty ? key : "\(path).\(key)"
                guard let other = known[key] else { return [childPath] }
                return value.members(missingFrom: other, path: childPath)
            }
        case (.array(let own), .array(let known)):
            zip(own, known).enumerated().flatMap { index, pair in
                pair.0.members(missingFrom: pair.1, path: "\(path)[\(index)]")
            }
        default: []
        }
    }
}

extension JSONValue: Codable {
    package init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        // Each type that a value is not costs a thrown error, and most values are text.
        if value.decodeNil() {
            self = .null
            return
        }
        if let text = try? value.decode(String.self) {
            self = .string(text)
            return
        }
        if let object = try? decoder.container(keyedBy: AnyKey.self) {
            var members: [String: JSONValue] = [:]
            for key in object.allKeys {
                members[key.stringValue] = try object.decode(JSONValue.self, forKey: key)
            }
            self = .object(members)
            return
        }
        if var list = try? decoder.unkeyedContainer() {
            var values: [JSONValue] = []
            while !list.isAtEnd {
                values.append(try list.decode(JSONValue.self))
            }
            self = .array(values)
            return
        }
        if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let integer = try? value.decode(Int64.self) {
            // No integer is -0.0.
            let isNegativeZero = integer == 0 && (try? value.decode(Double.self))?.sign == .minus
            self = isNegativeZero ? .number(-0.0) : .integer(integer)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else {
            self = .string(try value.decode(String.self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .object(let members):
            var container = encoder.container(keyedBy: AnyKey.self)
            for (key, value) in members { try container.encode(value, forKey: AnyKey(key)) }
        case .array(let values):
            var container = encoder.unkeyedContainer()
            for value in values { try container.encode(value) }
        case .null:
            var container = encoder.singleValueContainer()
            try container.encodeNil()
        case .bool(let value):
            var container = encoder.singleValueContainer()
            try container.encode(value)
        case .integer(let value):
            var container = encoder.singleValueContainer()
            try container.encode(value)
        case .number(let value):
            var container = encoder.singleValueContainer()
            try container.encode(value)
        case .string(let value):
            var container = encoder.singleValueContainer()
            try container.encode(value)
        }
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
