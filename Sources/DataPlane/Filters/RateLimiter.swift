// A limit on requests, over all loops of the worker: the generic cell rate algorithm (ITU-T I.371), a token bucket whose whole
// state is one number, the time at which the bucket would be full again. One compare-and-swap a request, no lock.

internal import ConfigModel
internal import Synchronization

/// `@unchecked Sendable`: the memory lives as long as the object, and every access to it is atomic.
final class RateLimiter: @unchecked Sendable {
    let config: RateLimit
    /// Nanoseconds between two requests at the limit, and those that a full bucket is ahead.
    private let interval: UInt64
    private let tolerance: UInt64
    /// One cell, or a table of them: tag and time of one client address each.
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int

    /// Addresses of which the table remembers buckets that are not full; beyond, the oldest makes room.
    private static let slots = 16_384
    private static let ways = 4

    init(_ config: RateLimit) {
        self.config = config
        interval = max(1, UInt64(config.period) * 1_000_000 / UInt64(max(1, config.requests)))
        tolerance = interval.multipliedReportingOverflow(by: UInt64(max(1, config.burst))).partialValue
        count = config.perAddress ? Self.slots * 2 : 1
        cells = .allocate(capacity: count)
        for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit { cells.deallocate() }

    /// Whether one more request may pass at `now` (nanoseconds of the monotonic clock).
    func takes(_ address: (UInt64, UInt64), now: UInt64) -> Bool {
        config.perAddress ? take(from: slot(of: address, now), now) : take(from: cells, now)
    }

    private func take(from cell: UnsafeMutablePointer<Atomic<UInt64>>, _ now: UInt64) -> Bool {
        var full = cell.pointee.load(ordering: .relaxed)
        while true {
            let next = max(full, now) &+ interval
            if next &- now > tolerance { return false }
            let (done, seen) = cell.pointee.compareExchange(expected: full, desired: next, ordering: .relaxed)
            if done { return true }
            full = seen
        }
    }

    /// The cell of an address: its own, else one whose bucket is full again, else the one that is full first.
    private func slot(of address: (UInt64, UInt64), _ now: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
        // An IPv6 client has a /64 to itself (RFC 6177): more bits would give it as many buckets as it likes.
        let key = address.0 == 0 ? address.1 : address.0
        let tag = (key ^ key >> 29) &* 0x9e37_79b9_7f4a_7c15 | 1
        let first = Int(tag >> 32) & (Self.slots - 1) & ~(Self.ways - 1)
        var oldest = first
        var oldestTime = UInt64.max
        for way in first..<(first + Self.ways) {
            if cells[way * 2].load(ordering: .relaxed) == tag { return cells + way * 2 + 1 }
            let time = cells[way * 2 + 1].load(ordering: .relaxed)
            if time < oldestTime { (oldest, oldestTime) = (way, time) }
        }
        cells[oldest * 2].store(tag, ordering: .relaxed)
        cells[oldest * 2 + 1].store(now, ordering: .relaxed)
        return cells + oldest * 2 + 1
    }
}
