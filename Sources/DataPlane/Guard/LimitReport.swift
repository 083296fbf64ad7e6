// What limits on clients have stopped, for the log: counters show it only to those who look at them.

/// Decides when there is something to tell: at once after quiet, then once a minute at most, with all that came meanwhile.
package struct LimitReport {
    /// Nanoseconds between two looks.
    package static let interval: UInt64 = 5_000_000_000
    /// Nanoseconds between two lines.
    private static let pause: UInt64 = 60_000_000_000

    private var told: [UInt64]
    private var quietUntil: UInt64 = 0

    /// `kinds`: of limits, each of which has a counter.
    package init(kinds: Int) {
        told = Array(repeating: 0, count: kinds)
    }

    /// `counts`: of each kind, since the start. `now`: nanoseconds. Returns what came since the last line, by kind; nil: this is
    /// no time for a line.
    package mutating func look(_ counts: [UInt64], now: UInt64) -> [UInt64]? {
        guard counts != told, now >= quietUntil else { return nil }
        defer { told = counts }
        quietUntil = now + Self.pause
        return zip(counts, told).map { $0 &- $1 }
    }
}
