// The newest lines of the access log in memory, bounded, with a place for each so that a reader can go on where it was.

/// Whole lines in the chunks in which loops handed them over.
struct RecentLines {
    private var chunks: [[UInt8]] = []
    private var bytes = 0
    /// Of all bytes that ever came.
    private var end: UInt64 = 0

    /// Bytes that are kept.
    static let limit = 512 << 10

    mutating func append(_ chunk: [UInt8]) {
        chunks.append(chunk)
        bytes += chunk.count
        end += UInt64(chunk.count)
        let excess = bytes - Self.limit
        guard excess > 0 else { return }
        var count = 0
        var dropped = 0
        while dropped < excess {
            dropped += chunks[count].count
            count += 1
        }
        chunks.removeFirst(count)
        bytes -= dropped
    }

    mutating func clear() {
        chunks = []
        bytes = 0
    }

    /// What came after a place that was `next` before; all that is kept for `nil` or a place that never was. Not whole: more came than
    /// is kept.
    func lines(after place: UInt64?) -> (lines: [UInt8], next: UInt64, isWhole: Bool) {
        let start = end - UInt64(bytes)
        guard let place, place <= end else { return (Array(chunks.joined()), end, true) }
        var lines: [UInt8] = []
        var position = start
        for chunk in chunks {
            if position >= place { lines += chunk }
            position += UInt64(chunk.count)
        }
        return (lines, end, place >= start)
    }
}
