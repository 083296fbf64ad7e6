// An array whose copies share what they have in common: changing one element copies one chunk.

/// Elements by number, in chunks. Inlinable: other modules, too, get code for their elements.
package struct SlotVector<Element> {
    @usableFromInline var chunks: ContiguousArray<ContiguousArray<Element?>> = []

    @usableFromInline static var chunkSize: Int { 256 }

    @inlinable package init() {}

    /// Numbers that were ever used are below it.
    @inlinable package var capacity: Int { chunks.count * Self.chunkSize }

    /// nil: nothing has this number.
    package subscript(slot: Int) -> Element? {
        @inlinable @inline(__always) get {
            let chunk = slot / Self.chunkSize
            return slot >= 0 && chunk < chunks.count ? chunks[chunk][slot % Self.chunkSize] : nil
        }
        @inlinable @inline(__always) set {
            let chunk = slot / Self.chunkSize
            while chunks.count <= chunk { chunks.append(ContiguousArray(repeating: nil, count: Self.chunkSize)) }
            chunks[chunk][slot % Self.chunkSize] = newValue
        }
    }

    /// What is there, in the order of numbers.
    package func forEach(_ body: (Int, Element) throws -> Void) rethrows {
        for (index, chunk) in chunks.enumerated() {
            for (offset, element) in chunk.enumerated() {
                if let element { try body(index * Self.chunkSize + offset, element) }
            }
        }
    }
}

extension SlotVector: Sendable where Element: Sendable {}

/// Numbers that are given out and come back.
package struct SlotNumbers: Sendable {
    private var next = 0
    private var free: [Int] = []

    package init() {}

    package mutating func take() -> Int {
        if let slot = free.popLast() { return slot }
        defer { next += 1 }
        return next
    }

    package mutating func giveBack(_ slot: Int) { free.append(slot) }
}

/// Numbers in the order in which they came, each once.
struct SlotList {
    private(set) var slots: [Int] = []
    /// A bit for each that is there.
    private var marks: [UInt64] = []

    mutating func add(_ slot: Int) {
        let (word, bit) = (slot / 64, 1 &<< UInt64(slot % 64) as UInt64)
        if word >= marks.count { marks += Array(repeating: 0, count: max(word + 1, 2 * marks.count) - marks.count) }
        guard marks[word] & bit == 0 else { return }
        marks[word] |= bit
        slots.append(slot)
    }
}
