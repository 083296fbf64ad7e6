// Choice in turn by weight, as even as it can be: of weights 5, 1, 1 the turns are a a b a c a a, not a a a a a b c (nginx's
// smooth weighted round robin). Every turn adds each weight to its balance; the largest balance wins and pays the sum.

/// Values only but for its memory: whoever makes one deallocates it.
package struct SmoothWeights {
    private let entries: UnsafeMutablePointer<Entry>
    package let count: Int
    private let total: Int

    private struct Entry {
        let weight: Int
        var balance: Int
    }

    /// `balances` go on where those of an earlier choice among the same endpoints stood.
    package init(_ weights: [Int], balances: [Int] = []) {
        count = weights.count
        total = weights.reduce(0, +)
        entries = .allocate(capacity: max(1, weights.count))
        for (index, weight) in weights.enumerated() {
            (entries + index).initialize(
                to: Entry(weight: weight, balance: index < balances.count ? balances[index] : 0))
        }
    }

    /// The position whose turn it is. There must be one at least.
    package func next() -> Int {
        var best = 0
        var most = Int.min
        for index in 0..<count {
            let balance = entries[index].balance &+ entries[index].weight
            entries[index].balance = balance
            if balance > most {
                most = balance
                best = index
            }
        }
        entries[best].balance &-= total
        return best
    }

    /// The position that a ticket below `total` falls on: chance by weight.
    package func position(of ticket: UInt64) -> Int {
        guard total > 0 else { return 0 }
        var rest = Int(ticket % UInt64(total))
        for index in 0..<count {
            if rest < entries[index].weight { return index }
            rest -= entries[index].weight
        }
        return count - 1
    }

    package func balance(at position: Int) -> Int { entries[position].balance }

    package func deallocate() { entries.deallocate() }
}
