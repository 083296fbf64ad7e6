// Findings as tables of tests compare them.

import ConsoleModel

extension Findings {
    /// `field: message` of every error.
    var lines: [String] { errors.map { "\($0.field): \($0.message)" } }
    var fields: [String] { errors.map(\.field) }
}

/// A body decoded into a model, for tests that care about the model only.
func decode<Value: Codable & Sendable>(_ json: String) throws -> Value {
    try ConsoleJSON.decode(Value.self, from: Array(json.utf8)).value
}
