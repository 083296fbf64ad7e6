// Time that only goes forward, for how long something lasted or still has to last. What people read, and what is kept over a
// restart, is of the wall clock.

package enum SteadyClock {
    private static let start = ContinuousClock.now

    /// Milliseconds since the first call.
    package static func milliseconds() -> Int64 {
        let (seconds, attoseconds) = start.duration(to: .now).components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
