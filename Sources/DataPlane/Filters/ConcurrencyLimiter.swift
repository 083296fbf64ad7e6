// Counts the exchanges of a route that run at once, over all loops of the worker: requests, calls and WebSockets alike, from the
// filter to their end. One compare-and-swap at either end, no lock. What is counted stays when the limit changes.

internal import ConfigModel
internal import Synchronization

/// `@unchecked Sendable`: the memory lives as long as the object, and every access to it is atomic.
final class ConcurrencyLimiter: @unchecked Sendable {
    /// In its low bits how many exchanges run, above them whose they are (0: everybody's).
    typealias Cell = UnsafeMutablePointer<Atomic<UInt64>>

    let perAddress: Bool
    private let cells: Cell

    /// Client addresses that are counted at once; where a place has no room, an address more is let in uncounted.
    private static let slots = 16_384
    private static let ways = 4
    private static let countMask: UInt64 = 0xff_ffff

    /// The largest limit.
    static let most: UInt32 = 10_000_000

    init(perAddress: Bool) {
        self.perAddress = perAddress
        let count = perAddress ? Self.slots : 1
        cells = .allocate(capacity: count)
        for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit { cells.deallocate() }

    enum Verdict {
        /// `giveBack` when the exchange is over; nil: it is not counted.
        case taken(Cell?)
        case full
    }

    /// One exchange more of `address`, while fewer than `limit` run.
    func take(_ address: (UInt64, UInt64), limit: UInt32) -> Verdict {
        guard perAddress else { return Self.add(to: cells, tag: 0, limit) ?? .full }
        // As in RateLimiter: an IPv6 client by its /64.
        let key = address.0 == 0 ? address.1 : address.0
        let hash = (key ^ key >> 29) &* 0x9e37_79b9_7f4a_7c15
        let tag = (hash | 1 << 24) & ~Self.countMask
        let first = cells + (Int(hash >> 40) & (Self.slots - 1) & ~(Self.ways - 1))
        // Its own place may be behind one that has become free.
        for way in 0..<Self.ways {
            if let verdict = Self.add(to: first + way, tag: tag, limit) { return verdict }
        }
        for way in 0..<Self.ways {
            let cell = first + way
            let seen = cell.pointee.load(ordering: .relaxed)
            if seen & Self.countMask == 0,
                cell.pointee.compareExchange(expected: seen, desired: tag | 1, ordering: .relaxed).exchanged
            {
                return .taken(cell)
            }
            // Another loop may have found the same place for the same client.
            if let verdict = Self.add(to: cell, tag: tag, limit) { return verdict }
        }
        return .taken(nil)
    }

    static func giveBack(_ cell: Cell) { cell.pointee.wrappingSubtract(1, ordering: .relaxed) }

    /// nil: the cell has become another's.
    private static func add(to cell: Cell, tag: UInt64, _ limit: UInt32) -> Verdict? {
        var seen = cell.pointee.load(ordering: .relaxed)
        while true {
            guard seen & ~countMask == tag else { return nil }
            if seen & countMask >= UInt64(limit) { return .full }
            let (done, now) = cell.pointee.compareExchange(expected: seen, desired: seen &+ 1, ordering: .relaxed)
            if done { return .taken(cell) }
            seen = now
        }
    }
}
