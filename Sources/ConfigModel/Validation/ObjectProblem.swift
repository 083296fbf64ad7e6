// What is wrong with an object: the answer of validation, and what a NACK or a degraded ACK carries back.

/// One problem of one object, in words a person can act on.
package struct ObjectProblem: Hashable, Sendable, CustomStringConvertible {
    package var key: ObjectKey
    /// Path of the field, such as `hosts[1]` or `destinations[0].weight`; empty when the object as a whole is meant.
    package var field: String
    package var reason: String

    package init(key: ObjectKey, field: String, reason: String) {
        self.key = key
        self.field = field
        self.reason = reason
    }

    package var description: String {
        field.isEmpty ? "\(key): \(reason)" : "\(key): \(field): \(reason)"
    }
}

/// Collects the problems of one object.
struct Findings {
    let key: ObjectKey
    private(set) var problems: [ObjectProblem] = []

    init(_ key: ObjectKey) {
        self.key = key
    }

    mutating func report(_ field: String, _ reason: String) {
        problems.append(ObjectProblem(key: key, field: field, reason: reason))
    }

    /// Reports the reason that a syntax check gave, if it gave one.
    mutating func check(_ field: String, _ reason: String?) {
        if let reason { report(field, reason) }
    }

    mutating func check(_ field: String, _ value: UInt32, in range: ClosedRange<UInt32>) {
        if !range.contains(value) { report(field, "must be from \(range.lowerBound) to \(range.upperBound)") }
    }
}

/// Bounds that hold for every object.
enum Bounds {
    static let nameBytes = 256
    static let textBytes = 4_096
    /// Seven days in milliseconds. A timeout that is longer is a mistake in the unit; 0 turns most of them off.
    static let timeout: UInt32 = 604_800_000
    static let weight: UInt32 = 1_000_000
    static let listEntries = 1_000
}
