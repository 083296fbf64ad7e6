// Streams of one connection by id: open addressing with linear probing and back-shift deletion, keyed by id / 2. Stream
// ids grow by two, so that neighbours fill the table in order and a probe is nearly always the first.

struct StreamTable {
    private var slots: UnsafeMutablePointer<HalfPointer?>?
    private var mask = -1
    private(set) var count = 0

    @inline(__always)
    func find(_ stream: Int32) -> HalfPointer? {
        guard let slots else { return nil }
        var i = Int(stream >> 1) & mask
        while let half = slots[i] {
            if half.pointee.stream == stream { return half }
            i = (i &+ 1) & mask
        }
        return nil
    }

    @inline(__always)
    mutating func insert(_ half: HalfPointer) {
        if (count &+ 1) &* 2 > mask &+ 1 { grow() }
        let slots = self.slots.unsafelyUnwrapped
        var i = Int(half.pointee.stream >> 1) & mask
        while slots[i] != nil { i = (i &+ 1) & mask }
        slots[i] = half
        count &+= 1
    }

    @inline(__always)
    mutating func remove(_ half: HalfPointer) {
        guard let slots else { return }
        var hole = Int(half.pointee.stream >> 1) & mask
        while let found = slots[hole], found != half { hole = (hole &+ 1) & mask }
        guard slots[hole] != nil else { return }
        count &-= 1
        slots[hole] = nil
        var i = (hole &+ 1) & mask
        while let moved = slots[i] {
            let home = Int(moved.pointee.stream >> 1) & mask
            // Move back unless its home lies between the hole (exclusive) and where it is.
            let stays = hole <= i ? (hole < home && home <= i) : (hole < home || home <= i)
            if !stays {
                slots[hole] = moved
                slots[i] = nil
                hole = i
            }
            i = (i &+ 1) & mask
        }
    }

    /// All streams, in no order. The body must not insert or remove.
    func forEach(_ body: (HalfPointer) -> Void) {
        guard let slots, count > 0 else { return }
        for i in 0...mask {
            if let half = slots[i] { body(half) }
        }
    }

    /// Any stream; for emptying the table.
    func any() -> HalfPointer? {
        guard let slots, count > 0 else { return nil }
        for i in 0...mask {
            if let half = slots[i] { return half }
        }
        return nil
    }

    mutating func release() {
        slots?.deallocate()
        slots = nil
        mask = -1
        count = 0
    }

    @inline(never)
    private mutating func grow() {
        let old = slots
        let oldCapacity = mask + 1
        let capacity = max(8, oldCapacity * 2)
        let grown = UnsafeMutablePointer<HalfPointer?>.allocate(capacity: capacity)
        grown.initialize(repeating: nil, count: capacity)
        slots = grown
        mask = capacity - 1
        count = 0
        guard let old else { return }
        for i in 0..<oldCapacity {
            if let half = old[i] { insert(half) }
        }
        old.deallocate()
    }
}
