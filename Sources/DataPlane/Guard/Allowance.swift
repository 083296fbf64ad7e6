// How much of something a peer may do: refilled by time, and by honest work. What is used counts upwards from zero, so that
// a fresh one needs no setting up. No clock: the time is an argument.

package struct Allowance {
    package init() {}

    /// In thousandths, so that a low rate loses nothing between two looks at the clock.
    private var used: Int32 = 0
    /// The lower bits of the loop's clock.
    private var since: UInt32 = 0

    /// Takes `cost`; `rate` is what a second gives back, `burst` (if not said: twice as much) what may be used at once. False:
    /// it is used up. Without a rate there is no bound.
    package mutating func spend(_ cost: Int, rate: Int, burst: Int? = nil, now milliseconds: UInt64) -> Bool {
        guard rate > 0 else { return true }
        let now = UInt32(truncatingIfNeeded: milliseconds)
        let back = Int(now &- since) * rate
        since = now
        let total = max(0, Int(used) - back) + cost * 1_000
        used = Int32(clamping: total)
        return total <= 1_000 * (burst ?? 2 * rate)
    }

    /// Gives back what honest work has earned.
    package mutating func earn(_ amount: Int32) {
        used = Int32(clamping: max(0, Int(used) - Int(max(0, amount)) * 1_000))
    }
}
