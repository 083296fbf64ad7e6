// Mirrors TimerWheel.swift: nothing fires early, nothing is lost, nothing comes late.

import DataPlane
import Testing

struct TimerWheelTests {
    private let owner = UnsafeMutableRawPointer(bitPattern: 8).unsafelyUnwrapped

    @Test func firesAtItsDeadlineAndNotBefore() {
        var wheel = TimerWheel(now: 1_000)
        defer { wheel.deallocate() }
        _ = wheel.arm(1_500, .exchange, owner)
        #expect(wheel.popExpired(now: 1_499) == nil)
        #expect(wheel.popExpired(now: 1_500)?.deadline == 1_500)
        #expect(wheel.popExpired(now: 9_000) == nil)
    }

    @Test func firesAtOnceWhenTheDeadlineHasPassed() {
        var wheel = TimerWheel(now: 1_000)
        defer { wheel.deallocate() }
        _ = wheel.arm(10, .connection, owner)
        #expect(wheel.delay(now: 1_000) == 0)
        #expect(wheel.popExpired(now: 1_000)?.deadline == 10)
    }

    @Test func aCancelledTimerNeverFires() {
        var wheel = TimerWheel(now: 0)
        defer { wheel.deallocate() }
        let first = wheel.arm(70_000, .exchange, owner)
        _ = wheel.arm(70_001, .exchange, owner)
        wheel.cancel(first)
        #expect(wheel.popExpired(now: 80_000)?.deadline == 70_001)
        #expect(wheel.popExpired(now: 80_000) == nil)
        #expect(wheel.delay(now: 80_000) == nil)
    }

    /// Years away, and beyond the span of the wheel.
    @Test func keepsTimersThatAreFarAway() {
        var wheel = TimerWheel(now: 5)
        defer { wheel.deallocate() }
        let far: UInt64 = 1 << 40
        _ = wheel.arm(far, .exchange, owner)
        var now: UInt64 = 5
        var fired: UInt64?
        while fired == nil, now <= far {
            if let timer = wheel.popExpired(now: now) {
                fired = now
                #expect(timer.deadline == far)
            } else {
                now += UInt64(max(1, wheel.delay(now: now) ?? 1))
            }
        }
        #expect(fired == far)
    }

    /// They are kept when a burst of connections is over: then the pages that the connections had must be free of them.
    @Test func liesCloseTogetherWhateverIsAllocatedBetween() {
        var wheel = TimerWheel(now: 0)
        defer { wheel.deallocate() }
        var pages: Set<UInt> = []
        var between: [UnsafeMutableRawPointer] = []
        for deadline in 0..<4_096 {
            pages.insert(UInt(bitPattern: wheel.arm(UInt64(deadline), .connection, owner)) >> 12)
            between.append(.allocate(byteCount: 8_000, alignment: 16))
        }
        for each in between { each.deallocate() }
        #expect(pages.count < 4_096 / 32)
    }

    /// Random timers against a sorted list; `delay` must never sleep past a deadline.
    @Test func agreesWithASortedListOnRandomInput() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        var now: UInt64 = 123_456
        var wheel = TimerWheel(now: now)
        defer { wheel.deallocate() }
        var armed: [(deadline: UInt64, pointer: TimerPointer)] = []
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let reach = UInt64(1) << UInt64.random(in: 0...24, using: &random)
                let deadline = now + UInt64.random(in: 0...reach, using: &random)
                armed.append((deadline, wheel.arm(deadline, .exchange, owner)))
            case 2 where !armed.isEmpty:
                let index = Int.random(in: 0..<armed.count, using: &random)
                wheel.cancel(armed.remove(at: index).pointer)
            default:
                if let delay = wheel.delay(now: now), let next = armed.map(\.deadline).min() {
                    #expect(now + UInt64(delay) <= max(next, now), "seed \(seed)")
                }
                let reach = UInt64(1) << UInt64.random(in: 0...22, using: &random)
                now += UInt64.random(in: 0...reach, using: &random)
                var fired: [UInt64] = []
                while let timer = wheel.popExpired(now: now) { fired.append(timer.deadline) }
                let due = armed.map(\.deadline).filter { $0 <= now }
                armed.removeAll { $0.deadline <= now }
                #expect(fired.sorted() == due.sorted(), "seed \(seed)")
            }
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
