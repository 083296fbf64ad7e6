// Deadlines of one loop: a hierarchical wheel of 6 levels × 64 slots at 1 ms (Varghese and Lauck), so that arming and
// cancelling cost the same with ten timers as with a hundred thousand. Owners that move their deadline later need not
// touch the wheel: when the timer fires they look at the clock and arm again.

package typealias TimerPointer = UnsafeMutablePointer<Timer>

/// An armed deadline. Memory belongs to the wheel.
package struct Timer {
    package var owner: UnsafeMutableRawPointer
    /// Milliseconds on the loop's clock.
    package var deadline: UInt64
    package var kind: TimerKind
    fileprivate var level: UInt8 = 0
    fileprivate var slot: UInt8 = 0
    fileprivate var next: TimerPointer?
    fileprivate var previous: TimerPointer?
}

/// What fires: tells the loop how to read `Timer.owner`.
package enum TimerKind: UInt8 {
    case connection
    case exchange
    /// A listener whose queue could not be taken.
    case accept
    /// Once a second.
    case housekeeping
}

package struct TimerWheel {
    private static let levels = 6
    /// Timers are taken from malloc by so many, about a page: each alone, kept for the next one, would hold the page that its
    /// connection's memory was freed from.
    private static let blockSize = 101
    private var slots: UnsafeMutablePointer<TimerPointer?>
    private var occupied: UnsafeMutablePointer<UInt64>
    private var free: TimerPointer?
    /// The first timer of each block is its link to the one before.
    private var blocks: TimerPointer?
    private var count = 0
    /// Everything with a deadline at or before this has fired.
    private var elapsed: UInt64

    package init(now: UInt64) {
        elapsed = now
        slots = .allocate(capacity: Self.levels * 64)
        slots.initialize(repeating: nil, count: Self.levels * 64)
        occupied = .allocate(capacity: Self.levels)
        occupied.initialize(repeating: 0, count: Self.levels)
    }

    package func deallocate() {
        slots.deallocate()
        occupied.deallocate()
        var block = blocks
        while let current = block {
            block = current.pointee.next
            current.deallocate()
        }
    }

    /// Arms a timer; a deadline in the past fires at the next call of `popExpired`.
    package mutating func arm(_ deadline: UInt64, _ kind: TimerKind, _ owner: UnsafeMutableRawPointer) -> TimerPointer {
        let timer = free ?? newTimers()
        free = timer.pointee.next
        timer.initialize(to: Timer(owner: owner, deadline: deadline, kind: kind))
        insert(timer)
        count &+= 1
        return timer
    }

    /// Takes the timer out; the pointer is dead afterwards.
    package mutating func cancel(_ timer: TimerPointer) {
        unlink(timer)
        recycle(timer)
    }

    /// Milliseconds until the next deadline may fire (0: now), or nil when no timer is armed. Never later than the
    /// deadline; may be earlier, when a far slot has to be spread first.
    package func delay(now: UInt64) -> Int32? {
        guard count > 0 else { return nil }
        for level in 0..<Self.levels where occupied[level] != 0 {
            let due = start(of: nextSlot(level), level)
            return due <= now ? 0 : Int32(clamping: due - now)
        }
        return nil
    }

    /// The next timer whose deadline is at or before `now`, taken out of the wheel: copy of its contents.
    package mutating func popExpired(now: UInt64) -> Timer? {
        while count > 0 {
            var spread = false
            for level in 0..<Self.levels where occupied[level] != 0 {
                let slot = nextSlot(level)
                let due = start(of: slot, level)
                guard due <= now else { break }
                if due > elapsed { elapsed = due }
                let index = level * 64 + slot
                if level == 0 {
                    guard let timer = slots[index] else { break }
                    let fired = timer.pointee
                    unlink(timer)
                    recycle(timer)
                    return fired
                }
                // Spread a coarse slot over the finer levels, now that its span has begun.
                var timer = slots[index]
                slots[index] = nil
                occupied[level] &= ~(1 << UInt64(slot))
                while let current = timer {
                    timer = current.pointee.next
                    insert(current)
                }
                spread = true
                break
            }
            if !spread { break }
        }
        if now > elapsed { elapsed = now }
        return nil
    }

    /// A block of timers that are free; the first of them.
    @inline(never)
    private mutating func newTimers() -> TimerPointer {
        let block = TimerPointer.allocate(capacity: Self.blockSize)
        block.initialize(repeating: Timer(owner: block, deadline: 0, kind: .connection), count: Self.blockSize)
        block.pointee.next = blocks
        blocks = block
        for index in 1..<(Self.blockSize - 1) { block[index].next = block + index + 1 }
        return block + 1
    }

    private mutating func insert(_ timer: TimerPointer) {
        let deadline = max(timer.pointee.deadline, elapsed)
        let differing = deadline ^ elapsed
        let level = differing == 0 ? 0 : min(Self.levels - 1, (63 - differing.leadingZeroBitCount) / 6)
        let slot: Int
        if level == Self.levels - 1, (deadline &- elapsed) >> UInt64(6 * level) >= 63 {
            // Beyond the wheel's span (over two years): parked in the slot that comes last, spread again from there.
            slot = Int(((elapsed >> UInt64(6 * level)) &- 1) & 63)
        } else {
            slot = Int((deadline >> UInt64(6 * level)) & 63)
        }
        let index = level * 64 + slot
        timer.pointee.level = UInt8(level)
        timer.pointee.slot = UInt8(slot)
        timer.pointee.previous = nil
        timer.pointee.next = slots[index]
        slots[index]?.pointee.previous = timer
        slots[index] = timer
        occupied[level] |= 1 << UInt64(slot)
    }

    private mutating func unlink(_ timer: TimerPointer) {
        let index = Int(timer.pointee.level) * 64 + Int(timer.pointee.slot)
        if let previous = timer.pointee.previous {
            previous.pointee.next = timer.pointee.next
        } else {
            slots[index] = timer.pointee.next
            if slots[index] == nil { occupied[Int(timer.pointee.level)] &= ~(1 << UInt64(timer.pointee.slot)) }
        }
        timer.pointee.next?.pointee.previous = timer.pointee.previous
    }

    private mutating func recycle(_ timer: TimerPointer) {
        timer.pointee.next = free
        free = timer
        count &-= 1
    }

    /// The first occupied slot of a level at or after the current one, going round.
    private func nextSlot(_ level: Int) -> Int {
        let current = (elapsed >> UInt64(6 * level)) & 63
        let bits = occupied[level]
        let rotated = (bits >> current) | (bits << ((64 - current) & 63))
        return (Int(current) + rotated.trailingZeroBitCount) & 63
    }

    /// When the span of a slot begins, on the turn of the wheel that `elapsed` is in or the next one.
    private func start(of slot: Int, _ level: Int) -> UInt64 {
        let shift = UInt64(6 * level)
        let turn = (elapsed >> (shift + 6)) << (shift + 6)
        let begin = turn | (UInt64(slot) << shift)
        let current = (elapsed >> shift) << shift
        return begin < current ? begin + (64 << shift) : begin
    }
}
