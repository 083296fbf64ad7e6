// Something that somebody has to be told of, because it takes traffic away now, or will, unless they act.

import Seal

/// One alert. It stays the same one while its name and subject do.
package struct Alert: Hashable, Sendable {
    package enum Severity: String, Encodable, Sendable {
        case warning, critical
    }

    package struct Key: Hashable, Sendable {
        package var name: String
        /// What it is about: a label, `certificate` or `worker`, and its value.
        package var subject: [String: String]
    }

    package var key: Key
    package var severity: Severity
    /// What is wrong, and what to do.
    package var description: String
    /// How urgent it has become: when this changes it is told again.
    package var stage = 0
    /// Whether it must have held for a while first: a worker that starts anew is away for a moment.
    var mayPass = true
    /// While this changes it has not held: somebody gets on.
    var progress: UInt64 = 0

    init(_ name: String, of subject: [String: String] = [:], _ severity: Severity, _ description: String) {
        key = Key(name: name, subject: subject)
        self.severity = severity
        self.description = description
    }
}

extension Alert.Key {
    /// 16 hexadecimal digits, the same as long as it is the same alert.
    var fingerprint: String {
        let parts = [name] + subject.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        return String(SHA256.hash(parts.joined(separator: "\u{0}")).hex.prefix(16))
    }

    /// In log lines.
    var text: String {
        ([name] + subject.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }).joined(separator: ", ")
    }
}

/// An alert that people are told of.
struct FiringAlert: Sendable {
    var alert: Alert
    /// Unix milliseconds at which it was seen first.
    var since: Int64
}
