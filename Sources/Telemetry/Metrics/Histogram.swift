// Distributions in log-linear buckets: each power of two is cut into equal parts, so that the relative error is bounded
// over the whole range and recording is a shift and an increment. One writer, any number of readers, like counters.

package import Synchronization

/// How values fall into buckets.
package struct HistogramShape: Hashable, Sendable {
    /// Parts of each power of two, as a power of two: 2 cuts it in 4, and a value is known to within a quarter.
    package let subBucketBits: UInt8
    /// Values from 2 to this power share the last bucket.
    package let maxExponent: UInt8
    /// Powers of two that Prometheus gets as bucket boundaries; the rest is for quantiles made here.
    package let exported: ClosedRange<UInt8>

    package init(subBucketBits: UInt8, maxExponent: UInt8, exported: ClosedRange<UInt8>) {
        precondition(subBucketBits < 8 && maxExponent < 64 && subBucketBits < maxExponent, "no such histogram")
        precondition(
            exported.lowerBound >= subBucketBits && exported.upperBound <= maxExponent, "no such bucket boundaries")
        self.subBucketBits = subBucketBits
        self.maxExponent = maxExponent
        self.exported = exported
    }

    /// Times in microseconds: to 71 minutes; Prometheus sees 128 µs to 67 s.
    package static let microseconds = HistogramShape(subBucketBits: 2, maxExponent: 32, exported: 7...26)

    package var bucketCount: Int {
        Int(maxExponent - subBucketBits + 1) << Int(subBucketBits) + 1
    }

    /// The buckets, and one cell for the sum of all values.
    package var cellCount: Int { bucketCount + 1 }

    package func bucket(of value: UInt64) -> Int {
        let bits = Int(subBucketBits)
        guard value >> UInt64(bits) != 0 else { return Int(truncatingIfNeeded: value) }
        let exponent = 63 - value.leadingZeroBitCount
        guard exponent < Int(maxExponent) else { return bucketCount - 1 }
        let part = Int(truncatingIfNeeded: value >> UInt64(exponent - bits)) & (1 << bits - 1)
        return (exponent - bits + 1) << bits | part
    }

    /// The smallest value above the bucket. Values are whole units rounded down, so the bucket ends right before it.
    package func end(of bucket: Int) -> UInt64 {
        let bits = Int(subBucketBits)
        guard bucket < bucketCount - 1 else { return .max }
        guard bucket >= 1 << bits else { return UInt64(bucket) + 1 }
        let exponent = bucket >> bits + bits - 1
        return 1 << UInt64(exponent) + UInt64(bucket & (1 << bits - 1) + 1) << UInt64(exponent - bits)
    }
}

/// A histogram in cells of a `CellBlock`. `record` is for the one writer.
package struct Histogram {
    package let cells: UnsafeMutablePointer<Atomic<UInt64>>
    package let shape: HistogramShape

    package func record(_ value: UInt64) {
        CounterCell(address: cells + shape.bucket(of: value)).add()
        CounterCell(address: cells + shape.bucketCount).add(value)
    }
}

/// What histograms of one shape held when they were read, added up.
package struct HistogramValues: Sendable {
    package let shape: HistogramShape
    package private(set) var counts: [UInt64]
    package private(set) var sum: UInt64 = 0

    package init(shape: HistogramShape) {
        self.shape = shape
        counts = Array(repeating: 0, count: shape.bucketCount)
    }

    package mutating func add(_ histogram: Histogram) {
        precondition(histogram.shape == shape, "histograms of different shapes cannot be added")
        for index in counts.indices { counts[index] &+= CounterCell(address: histogram.cells + index).value }
        sum &+= CounterCell(address: histogram.cells + shape.bucketCount).value
    }

    /// Made of the buckets, so that it agrees with them while the writer goes on.
    package var count: UInt64 { counts.reduce(0, &+) }

    /// How many values were below that power of two.
    package func count(below exponent: UInt8) -> UInt64 {
        counts[..<shape.bucket(of: 1 << UInt64(exponent))].reduce(0, &+)
    }

    /// A value that no more than that share of all values lies above, to the precision of the buckets. `nil` when empty.
    package func quantile(_ share: Double) -> UInt64? {
        let total = count
        guard total > 0 else { return nil }
        let rank = UInt64((min(max(share, 0), 1) * Double(total)).rounded(.up))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen &+= count
            if seen >= max(rank, 1) { return shape.end(of: bucket) - 1 }
        }
        return nil
    }
}
