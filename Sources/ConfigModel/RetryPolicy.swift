// When an exchange is tried again although its upstream may have seen it. What provably was not processed is tried again
// without being asked for.

package struct RetryPolicy: Hashable, Sendable {
    /// Tries after the first; 0: none at all.
    package var attempts: UInt32
    /// Milliseconds from the start of a try to its response head; 0: no bound of its own.
    package var tryTimeout: UInt32
    package var conditions: RetryConditions

    package init(attempts: UInt32 = 3, tryTimeout: UInt32 = 0, conditions: RetryConditions = [.error, .timeout]) {
        self.attempts = attempts
        self.tryTimeout = tryTimeout
        self.conditions = conditions
    }
}

/// What is tried again before anything of a response has gone to the client. A number, once used, keeps its meaning.
package struct RetryConditions: OptionSet, Hashable, Sendable {
    package var rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The stream or connection broke.
    package static let error = RetryConditions(rawValue: 1 << 0)
    /// No response head in time.
    package static let timeout = RetryConditions(rawValue: 1 << 1)
    /// A response that breaks its protocol.
    package static let invalidHeader = RetryConditions(rawValue: 1 << 2)
    /// The others act for methods that are not idempotent, too; gRPC calls are such.
    package static let nonIdempotent = RetryConditions(rawValue: 1 << 3)
    package static let http403 = RetryConditions(rawValue: 1 << 4)
    package static let http404 = RetryConditions(rawValue: 1 << 5)
    package static let http429 = RetryConditions(rawValue: 1 << 6)
    package static let http500 = RetryConditions(rawValue: 1 << 7)
    package static let http502 = RetryConditions(rawValue: 1 << 8)
    package static let http503 = RetryConditions(rawValue: 1 << 9)
    package static let http504 = RetryConditions(rawValue: 1 << 10)

    package static let all = RetryConditions(rawValue: 1 << 11 - 1)

    /// The condition for a status of a response; empty: none.
    package static func status(_ status: Int) -> RetryConditions {
        switch status {
        case 403: .http403
        case 404: .http404
        case 429: .http429
        case 500: .http500
        case 502: .http502
        case 503: .http503
        case 504: .http504
        default: []
        }
    }
}
