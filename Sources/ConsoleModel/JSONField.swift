// How the console's JSON treats absence: a missing member and `null` mean the same on the way in, and every member is
// written on the way out, as `null` when it has no value. Clients written for Higress rely on both.

/// What people edit through the console: the models of the admin API, under their JSON names.
package enum Console {}

/// A value that a JSON document may leave out.
package protocol JSONOmittable: Codable {
    static var whenOmitted: Self { get }
}

extension Optional: JSONOmittable where Wrapped: Codable {
    package static var whenOmitted: Self { nil }
}

extension String: JSONOmittable {
    package static var whenOmitted: String { "" }
}

extension Array: JSONOmittable where Element: Codable {
    package static var whenOmitted: [Element] { [] }
}

extension Dictionary: JSONOmittable where Key == String, Value: Codable {
    package static var whenOmitted: [String: Value] { [:] }
}

/// A member of a JSON object that may be missing or `null`, and is always written.
@propertyWrapper
package struct JSONField<Value: JSONOmittable & Hashable & Sendable>: Codable, Hashable, Sendable {
    package var wrappedValue: Value

    package init(wrappedValue: Value) {
        self.wrappedValue = wrappedValue
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? .whenOmitted : try container.decode(Value.self)
    }

    package func encode(to encoder: any Encoder) throws {
        // `singleValueContainer` writes `null` for a nil optional.
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }
}

extension KeyedDecodingContainer {
    // Chosen by the synthesised `init(from:)` because it is more specialised than the standard library's.
    func decode<Value>(_ type: JSONField<Value>.Type, forKey key: Key) throws -> JSONField<Value> {
        try decodeIfPresent(type, forKey: key) ?? JSONField(wrappedValue: .whenOmitted)
    }
}
