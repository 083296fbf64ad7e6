// How many exchanges of a cluster may be second tries at once: a fifth of those that are active, three at least. An outage
// then adds a fifth to the load, and never multiplies it. Rules only.

package struct RetryBudget {
    /// Exchanges that are being tried again.
    package private(set) var active = 0

    package static let percent = 20
    package static let minimum = 3

    package init() {}

    /// Whether one more may be tried again, of so many that are active; `giveBack` when it is over.
    package mutating func take(ofActive exchanges: Int) -> Bool {
        guard active < max(Self.minimum, exchanges * Self.percent / 100) else { return false }
        active += 1
        return true
    }

    package mutating func giveBack() { active = max(0, active - 1) }
}
