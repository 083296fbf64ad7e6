// Mirrors ByteQueue.swift.

import DataPlane
import Testing

struct ByteQueueTests {
    private func contents(_ queue: ByteQueue) -> [UInt8] {
        queue.isEmpty ? [] : Array(UnsafeBufferPointer(start: queue.start, count: queue.count))
    }

    @Test func agreesWithAnArrayOnRandomInput() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        var queue = ByteQueue()
        defer { queue.release() }
        var expected: [UInt8] = []
        for _ in 0..<5_000 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                let bytes = (0..<Int.random(in: 0...5_000, using: &random)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                queue.append(bytes, bytes.count)
                expected += bytes
            case 2:
                queue.append(UInt8(ascii: "x"))
                expected.append(UInt8(ascii: "x"))
            case 3:
                queue.append(decimal: expected.count)
                expected += Array("\(expected.count)".utf8)
            default:
                let count = Int.random(in: 0...expected.count, using: &random)
                queue.consume(count)
                expected.removeFirst(count)
            }
            #expect(queue.count == expected.count, "seed \(seed)")
        }
        #expect(contents(queue) == expected, "seed \(seed)")
    }

    @Test func givesLargeMemoryBackWhenEmpty() {
        var queue = ByteQueue()
        defer { queue.release() }
        let bytes = [UInt8](repeating: 1, count: 100_000)
        queue.append(bytes, bytes.count)
        queue.consume(100_000)
        #expect(queue.isEmpty)
        queue.append("again")
        #expect(contents(queue) == Array("again".utf8))
    }

    @Test func fitsItsBytesAndGrowsAgain() {
        var queue = ByteQueue()
        defer { queue.release() }
        queue.fit()
        queue.append("head")
        queue.fit()
        #expect(contents(queue) == Array("head".utf8))
        queue.append(" and more")
        #expect(contents(queue) == Array("head and more".utf8))
        queue.consume(5)
        queue.fit()
        #expect(contents(queue) == Array("and more".utf8))
    }

    @Test func writesDecimals() {
        var queue = ByteQueue()
        defer { queue.release() }
        queue.append(decimal: 0)
        queue.append(UInt8(ascii: " "))
        queue.append(decimal: Int.max)
        #expect(String(decoding: contents(queue), as: UTF8.self) == "0 9223372036854775807")
    }
}
