// Cells, histograms and the Prometheus text.

import Telemetry
import Testing

@Suite struct CellBlockTests {
    @Test func cellsStartAtZeroAndCountApart() {
        let block = CellBlock(count: 9)
        for index in 0..<9 { #expect(block.value(index) == 0) }
        block.counter(3).add()
        block.counter(3).add(41)
        block.gauge(4).add(2)
        block.gauge(4).add(-5)
        #expect(block.value(3) == 42)
        #expect(block.gauge(4).value == -3)
        block.gauge(4).set(7)
        #expect(block.gauge(4).value == 7)
        #expect(block.value(2) == 0 && block.value(5) == 0)
    }

    @Test func blocksShareNoCacheLine() {
        let blocks = (1..<20).map { CellBlock(count: $0) }
        for block in blocks { #expect(UInt(bitPattern: block.counter(0).address) % 64 == 0) }
    }

    @Test func aReaderOnAnotherThreadSeesOnlyGrowth() async {
        let block = CellBlock(count: 1)
        let reader = Task.detached {
            var last: UInt64 = 0
            while last < 200_000 {
                let value = block.value(0)
                if value < last { return false }
                last = value
            }
            return true
        }
        let counter = block.counter(0)
        for _ in 0..<200_000 { counter.add() }
        #expect(await reader.value)
    }
}

@Suite struct HistogramTests {
    private let shape = HistogramShape.microseconds

    @Test func everyValueLiesInItsBucketAndBucketsAreNarrow() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var values = (0..<64).flatMap { [UInt64(1) << $0, UInt64(1) << $0 - 1, UInt64(1) << $0 + 1] } + [.max]
        for _ in 0..<10_000 { values.append(generator.next() >> generator.next(upperBound: UInt64(64))) }
        for value in values {
            let bucket = shape.bucket(of: value)
            let start = bucket == 0 ? 0 : shape.end(of: bucket - 1)
            let end = shape.end(of: bucket)
            #expect(value >= start && (value < end || end == .max), "\(value), seed \(seed)")
            if value < 1 << 32 { #expect(end - start <= max(1, start / 4), "\(value)") }
        }
        #expect(shape.bucket(of: .max) == shape.bucketCount - 1)
        #expect(shape.bucket(of: 1 << 32 - 1) == shape.bucketCount - 2)
    }

    @Test func valuesOfSeveralLoopsAddUp() {
        let blocks = (0..<3).map { _ in CellBlock(count: shape.cellCount + 1) }
        for (index, block) in blocks.enumerated() {
            block.histogram(1, shape: shape).record(UInt64(index) * 1_000)
            block.histogram(1, shape: shape).record(5)
        }
        var values = HistogramValues(shape: shape)
        for block in blocks { values.add(block.histogram(1, shape: shape)) }
        #expect(values.count == 6)
        #expect(values.sum == 3_015)
        #expect(values.count(below: 7) == 4)
        #expect(values.count(below: 10) == 5)
        #expect(blocks[0].value(0) == 0)
    }

    @Test func quantilesAreRightToWithinABucket() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let block = CellBlock(count: shape.cellCount)
        var recorded: [UInt64] = []
        for _ in 0..<1_000 {
            let value = generator.next(upperBound: UInt64(1_000_000))
            recorded.append(value)
            block.histogram(0, shape: shape).record(value)
        }
        recorded.sort()
        var values = HistogramValues(shape: shape)
        values.add(block.histogram(0, shape: shape))
        for share in [0.001, 0.5, 0.9, 0.99, 1] {
            let exact = recorded[Int((share * 1_000).rounded(.up)) - 1]
            let estimate = try #require(values.quantile(share))
            #expect(shape.bucket(of: estimate) == shape.bucket(of: exact), "seed \(seed), share \(share)")
        }
        #expect(HistogramValues(shape: shape).quantile(0.5) == nil)
    }
}

@Suite struct PrometheusTextTests {
    @Test func familiesAreWrittenAsTheFormatSays() {
        var text = PrometheusText()
        text.begin("causeway_downstream_requests_total", .counter, help: "Requests.\nBy \"route\" \\.")
        text.sample([("route", "a\"b\\c\nd"), ("listener", "http")], UInt64.max)
        text.sample([("route", ""), ("listener", "é")], UInt64(0))
        text.begin("causeway_snapshots_alive", .gauge, help: "")
        text.sample([], Int64(-3))
        text.begin("causeway_ratio", .gauge, help: "x")
        for value in [0.5, 3, .infinity, -.infinity, .nan] { text.sample([], value) }
        #expect(
            String(decoding: text.finish(), as: UTF8.self) == #"""
                # HELP causeway_downstream_requests_total Requests.\nBy "route" \\.
                # TYPE causeway_downstream_requests_total counter
                causeway_downstream_requests_total{route="a\"b\\c\nd",listener="http"} 18446744073709551615
                causeway_downstream_requests_total{route="",listener="é"} 0
                # HELP causeway_snapshots_alive \#("")
                # TYPE causeway_snapshots_alive gauge
                causeway_snapshots_alive -3
                # HELP causeway_ratio x
                # TYPE causeway_ratio gauge
                causeway_ratio 0.5
                causeway_ratio 3.0
                causeway_ratio +Inf
                causeway_ratio -Inf
                causeway_ratio NaN

                """#)
    }

    @Test func histogramsHaveGrowingBucketsSumAndCount() {
        let shape = HistogramShape(subBucketBits: 1, maxExponent: 12, exported: 9...11)
        let block = CellBlock(count: shape.cellCount)
        for value: UInt64 in [0, 511, 512, 1_024, 100_000] { block.histogram(0, shape: shape).record(value) }
        var values = HistogramValues(shape: shape)
        values.add(block.histogram(0, shape: shape))
        var text = PrometheusText()
        text.begin("t_seconds", .histogram, help: "T.")
        text.histogram([("route", "r")], values, divisor: 1_000_000)
        text.begin("u", .histogram, help: "U.")
        text.histogram([], HistogramValues(shape: shape), divisor: 1)
        #expect(
            String(decoding: text.finish(), as: UTF8.self) == """
                # HELP t_seconds T.
                # TYPE t_seconds histogram
                t_seconds_bucket{route="r",le="0.000512"} 2
                t_seconds_bucket{route="r",le="0.001024"} 3
                t_seconds_bucket{route="r",le="0.002048"} 4
                t_seconds_bucket{route="r",le="+Inf"} 5
                t_seconds_sum{route="r"} 0.102047
                t_seconds_count{route="r"} 5
                # HELP u U.
                # TYPE u histogram
                u_bucket{le="512.0"} 0
                u_bucket{le="1024.0"} 0
                u_bucket{le="2048.0"} 0
                u_bucket{le="+Inf"} 0
                u_sum 0.0
                u_count 0

                """)
    }
}
