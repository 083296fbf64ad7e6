// How long something takes, as a histogram that is written in one place and read in another.

import Telemetry

/// Times with microsecond buckets. `record` is for one writer at a time.
package final class Latencies: Sendable {
    private static let shape = HistogramShape.microseconds
    private let cells = CellBlock(count: shape.cellCount)

    func record(_ time: Duration) {
        withExtendedLifetime(cells) {
            cells.histogram(0, shape: Self.shape).record(UInt64(max(0, time / .microseconds(1))))
        }
    }

    func read() -> HistogramValues {
        var values = HistogramValues(shape: Self.shape)
        withExtendedLifetime(cells) { values.add(cells.histogram(0, shape: Self.shape)) }
        return values
    }
}
