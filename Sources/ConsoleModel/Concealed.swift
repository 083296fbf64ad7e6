// Secrets in requests: passwords, private keys, credentials. They are plain in JSON, and nowhere else.

/// A value that prints as `[redacted]` wherever a value can be printed.
package struct Concealed<Value: Codable & Hashable & Sendable>: Hashable, Sendable {
    /// Reading it is the one place where it can leak: keep it close to its use.
    package var value: Value

    package init(_ value: Value) {
        self.value = value
    }
}

extension Concealed: Codable {
    package init(from decoder: any Decoder) throws {
        value = try decoder.singleValueContainer().decode(Value.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}

extension Concealed: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "[redacted]" }
    package var debugDescription: String { "[redacted]" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
