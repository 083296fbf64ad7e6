// Failed logins slow down the next ones, per account and per address, whether the account exists or not. The rules are a
// struct without a clock: seconds are arguments.

import Synchronization

/// Counts failures and tells when the next attempt may be made.
package struct LoginThrottle: Sendable {
    /// What failures are counted for.
    package enum Key: Hashable, Sendable {
        case account(String)
        case address(String)

        /// Failures without a delay. People behind one address may all mistype once.
        var free: Int {
            switch self {
            case .account: 5
            case .address: 20
            }
        }
    }

    /// An account cannot be locked for longer by somebody who knows its name only.
    package static let longestDelay = 60
    /// After this long without a failure everything is forgotten.
    package static let memory = 900
    /// Names come from strangers: the table is bounded.
    package static let capacity = 10_000

    private struct Entry {
        var failures: Int
        var last: Int
    }

    private var entries: [Key: Entry] = [:]

    package init() {}

    /// What is remembered of strangers.
    package var count: Int { entries.count }

    /// Seconds until an attempt with these keys is allowed; `nil`: now.
    package func delay(for keys: [Key], at now: Int) -> Int? {
        let waits = keys.compactMap { key -> Int? in
            guard let entry = entries[key], now - entry.last < Self.memory, entry.failures >= key.free else {
                return nil
            }
            let exponent = min(entry.failures - key.free, 6)
            let wait = entry.last + min(1 << exponent, Self.longestDelay) - now
            return wait > 0 ? wait : nil
        }
        return waits.max()
    }

    package mutating func failed(_ keys: [Key], at now: Int) {
        for key in keys {
            var entry = entries[key] ?? Entry(failures: 0, last: now)
            if now - entry.last >= Self.memory { entry.failures = 0 }
            entry.failures += 1
            entry.last = now
            entries[key] = entry
        }
        if entries.count > Self.capacity { forget(at: now) }
    }

    /// Only the account's failures: an attacker's own account must not clear the address.
    package mutating func succeeded(_ account: String) {
        entries[.account(account)] = nil
    }

    private mutating func forget(at now: Int) {
        entries = entries.filter { now - $0.value.last < Self.memory }
        guard entries.count > Self.capacity else { return }
        // The oldest half goes; those under attack right now are the youngest.
        let sorted = entries.values.map(\.last).sorted()
        let median = sorted[sorted.count / 2]
        entries = entries.filter { $0.value.last > median }
    }
}
