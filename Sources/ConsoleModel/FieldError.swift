// What is wrong with a field, in words for the person who sent it, and the collection that rules write into.

/// One refused field of a request. `field` is a path as in `services[0].port`; empty: the body as a whole.
package struct FieldError: Codable, Hashable, Sendable {
    package var field: String
    package var message: String

    package init(_ field: String, _ message: String) {
        self.field = field
        self.message = message
    }
}

/// What the rules of a model found: errors refuse the save, warnings travel in the answer.
package struct Findings: Hashable, Sendable {
    package private(set) var errors: [FieldError] = []
    package private(set) var warnings: [String] = []

    package init() {}

    package mutating func refuse(_ field: String, _ message: String) {
        errors.append(FieldError(field, message))
    }

    /// Refuses a number out of its range; one that is absent is right.
    mutating func check(_ field: String, _ value: Int?, in range: ClosedRange<Int>) {
        guard let value, !range.contains(value) else { return }
        refuse(field, "Must be between \(range.lowerBound) and \(range.upperBound).")
    }

    package mutating func warn(_ message: String) {
        if !warnings.contains(message) { warnings.append(message) }
    }

    package mutating func add(_ other: Findings) {
        errors += other.errors
        for warning in other.warnings { warn(warning) }
    }
}

/// A body that is not the JSON that the model wants.
package enum BodyError: Error, Hashable {
    /// Not JSON at all; the text says where.
    case malformed(String)
    case wrongType(FieldError)
}
