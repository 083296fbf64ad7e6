// The tables that endpoints are chosen from: shares by weight, turns as even as they can be, and how few keys move.

import DataPlane
import Testing

struct BalancingTests {
    private func identities(_ count: Int) -> [UInt64] {
        (0..<count).map { index in Array("10.0.0.\(index):80".utf8).withUnsafeBytes { stableHash($0) } }
    }

    private func keys(_ count: Int) -> [UInt64] { (0..<UInt64(count)).map(mixed) }

    @Test(arguments: [[1, 1, 1], [1, 2, 3], [1, 1, 1, 1, 10], [7], [1_000, 1]])
    func sharesOfATableFollowWeights(weights: [Int]) throws {
        let table = try #require(MaglevTable(identities: identities(weights.count), weights: weights))
        defer { table.deallocate() }
        var counts = weights.map { _ in 0.0 }
        for slot in 0..<table.count { counts[table.lookUp(UInt64(slot))] += 1 }
        let total = Double(weights.reduce(0, +))
        for (index, weight) in weights.enumerated() {
            let wanted = Double(weight) / total
            #expect(abs(counts[index] / Double(table.count) - wanted) < max(0.01 * wanted, 0.002), "\(index)")
        }
    }

    @Test(arguments: [3, 5, 10, 50])
    func fewKeysMoveWhenAnEndpointGoes(count: Int) throws {
        let all = identities(count)
        let table = try #require(MaglevTable(identities: all, weights: all.map { _ in 1 }))
        let fewer = try #require(MaglevTable(identities: Array(all.dropLast()), weights: all.dropLast().map { _ in 1 }))
        defer {
            table.deallocate()
            fewer.deallocate()
        }
        let keys = keys(20_000)
        let moved = keys.count { table.lookUp($0) != fewer.lookUp($0) }
        #expect(Double(moved) / Double(keys.count) <= 1.5 / Double(count))
        #expect(moved > 0)
    }

    @Test func anEmptyTableIsNone() {
        #expect(MaglevTable(identities: [], weights: []) == nil)
    }

    @Test func equalIdentitiesStillFillATable() throws {
        let table = try #require(MaglevTable(identities: [7, 7], weights: [1, 1]))
        defer { table.deallocate() }
        #expect(Set((0..<UInt64(table.count)).map { table.lookUp($0) }) == [0, 1])
    }

    @Test func turnsAreSpreadEvenly() {
        let weights = SmoothWeights([5, 1, 1])
        defer { weights.deallocate() }
        #expect((0..<7).map { _ in weights.next() } == [0, 0, 1, 0, 2, 0, 0])
    }

    @Test func turnsGoOnWhereTheyStood() {
        let whole = SmoothWeights([3, 2])
        let first = SmoothWeights([3, 2])
        defer { whole.deallocate() }
        let turns = (0..<10).map { _ in whole.next() }
        var split = (0..<3).map { _ in first.next() }
        let second = SmoothWeights([3, 2], balances: [first.balance(at: 0), first.balance(at: 1)])
        defer { second.deallocate() }
        first.deallocate()
        split += (0..<7).map { _ in second.next() }
        #expect(split == turns)
    }

    @Test func ticketsFallByWeight() {
        let weights = SmoothWeights([1, 0, 3])
        defer { weights.deallocate() }
        #expect((0..<8).map { weights.position(of: $0) } == [0, 2, 2, 2, 0, 2, 2, 2])
    }
}
