// What is told of a table that grows while it is read.

import ControlPlane
import Testing

struct BacklogTests {
    /// The rows of what was read; `nil`: some are missing.
    private static func rows(_ read: Backlog<UInt64>.OnRead<UInt64>) -> [UInt64]? {
        guard case .rows(let rows) = read else { return nil }
        return rows
    }

    private static func read(_ backlog: inout Backlog<UInt64>, _ newest: [UInt64]) -> [UInt64]? {
        rows(backlog.read(newest) { $0 })
    }

    @Test func whatIsNewIsToldOldestFirstAndOnce() {
        var backlog = Backlog<UInt64>(last: 7)
        #expect(Self.read(&backlog, []) == [])
        #expect(Self.read(&backlog, [10, 9, 8]) == [8, 9, 10])
        #expect(Self.read(&backlog, [10, 9, 8]) == [])
        #expect(Self.read(&backlog, [11, 10, 9]) == [11])
        #expect(backlog.last == 11)
    }

    @Test func readsThatEndInAnotherOrderTellEachOnce() {
        var backlog = Backlog<UInt64>(last: 0)
        #expect(Self.read(&backlog, [3, 2, 1]) == [1, 2, 3])
        // Begun before, and ended after.
        #expect(Self.read(&backlog, [2, 1]) == [])
        #expect(backlog.last == 3)
    }

    @Test func rowsThatAreMissingAreAGapThatIsToldOnce() {
        var backlog = Backlog<UInt64>(last: 1)
        #expect(Self.read(&backlog, [9, 8, 7]) == nil)
        #expect(Self.read(&backlog, [9, 8, 7]) == [])
        #expect(Self.read(&backlog, [10, 9]) == [10])
    }

    @Test func theGreatestNumbersAreNoOverflow() {
        var backlog = Backlog<UInt64>(last: .max - 1)
        #expect(Self.read(&backlog, [.max]) == [.max])
        #expect(Self.read(&backlog, [.max]) == [])
    }
}
