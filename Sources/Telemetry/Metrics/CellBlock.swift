// Counters and gauges as 64-bit cells in raw memory. A cell has one writer, the loop that owns its block, and any number
// of readers, which sum the blocks of all loops when someone asks. Relaxed loads and stores suffice, so counting on the
// hot path costs what `+=` costs: no locked instruction, no cache line shared between loops, no reference counting.
// (Swift 6.3 never inlines `package` functions across modules: a call stays. A module that minds works on `address`.)

package import Synchronization

/// Zeroed cells on cache lines of their own, freed with the last reference to the block.
///
/// `@unchecked Sendable`: the address never changes, and all access to the cells is atomic.
package final class CellBlock: @unchecked Sendable {
    private static let cacheLine = 64

    package let count: Int
    private let base: UnsafeMutablePointer<Atomic<UInt64>>

    package init(count: Int) {
        precondition(count >= 0, "a block cannot have \(count) cells")
        self.count = count
        let size = (count * MemoryLayout<UInt64>.stride + Self.cacheLine - 1) / Self.cacheLine * Self.cacheLine
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(size, Self.cacheLine), alignment: Self.cacheLine)
        base = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count { (base + index).initialize(to: Atomic(0)) }
    }

    deinit {
        UnsafeMutableRawPointer(base).deallocate()
    }

    /// A counter of this block. It must not outlive the block.
    package func counter(_ index: Int) -> CounterCell {
        precondition(index >= 0 && index < count, "cell \(index) of \(count)")
        return CounterCell(address: base + index)
    }

    /// What a counter holds. For readers: the block lives until it is read.
    package func value(_ index: Int) -> UInt64 {
        withExtendedLifetime(self) { counter(index).value }
    }

    /// A gauge of this block. It must not outlive the block.
    package func gauge(_ index: Int) -> GaugeCell {
        precondition(index >= 0 && index < count, "cell \(index) of \(count)")
        return GaugeCell(address: base + index)
    }

    /// A histogram in the `shape.cellCount` cells from `index` on. It must not outlive the block.
    package func histogram(_ index: Int, shape: HistogramShape) -> Histogram {
        precondition(index >= 0 && index <= count - shape.cellCount, "histogram at cell \(index) of \(count)")
        return Histogram(cells: base + index, shape: shape)
    }
}

/// A number that only grows. `add` is for the one writer, `value` for everyone.
package struct CounterCell {
    package let address: UnsafeMutablePointer<Atomic<UInt64>>

    package func add(_ amount: UInt64 = 1) {
        address.pointee.store(address.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    package var value: UInt64 { address.pointee.load(ordering: .relaxed) }
}

/// A number that goes up and down. `add` and `set` are for the one writer, `value` for everyone.
package struct GaugeCell {
    package let address: UnsafeMutablePointer<Atomic<UInt64>>

    package func add(_ amount: Int64) {
        let sum = address.pointee.load(ordering: .relaxed) &+ UInt64(bitPattern: amount)
        address.pointee.store(sum, ordering: .relaxed)
    }

    package func set(_ value: Int64) {
        address.pointee.store(UInt64(bitPattern: value), ordering: .relaxed)
    }

    package var value: Int64 { Int64(bitPattern: address.pointee.load(ordering: .relaxed)) }
}
