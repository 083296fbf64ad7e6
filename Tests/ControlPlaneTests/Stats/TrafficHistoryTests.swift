// From a worker's metrics page to samples: what is read, and that a worker which restarts, goes away or comes back makes no rate
// that never was.

import ControlPlane
import Testing

struct TrafficHistoryTests {
    private static func page(
        requests: Int, startedAt: Double = 1_000, route: String = "r", ended: [(String, Int)] = [], fast: Int = 0,
        slow: Int = 0
    ) -> WorkerReading {
        var lines = [
            "# HELP causeway_downstream_requests_total Requests.", "causeway_downstream_requests_total \(requests)",
            "causeway_downstream_connections_open 7", "process_start_time_seconds \(startedAt)",
            #"causeway_errors_total{flag="NR"} 3"#, "nonsense", #"causeway_errors_total{flag="UF"} -1"#,
        ]
        for (statusClass, count) in ended {
            lines.append(#"causeway_route_responses_total{route="\#(route)",class="\#(statusClass)"} \#(count)"#)
        }
        lines.append(#"causeway_route_duration_seconds_bucket{route="\#(route)",le="0.1"} \#(fast)"#)
        lines.append(#"causeway_route_duration_seconds_bucket{route="\#(route)",le="0.2"} \#(fast + slow)"#)
        return WorkerReading(page: Array(lines.joined(separator: "\n").utf8))
    }

    @Test func aPageIsReadAndWhatIsNoneIsPassedOver() {
        let reading = Self.page(requests: 12, route: #"a\"b"#, ended: [("2xx", 5), ("5xx", 1)], fast: 4, slow: 2)
        #expect(reading.whole.requests == 12)
        #expect(reading.gauges.connections == 7)
        #expect(reading.startedAt == 1_000)
        #expect(reading.whole.errors == ["NR": 3])
        #expect(reading.routes.keys.sorted() == [#"a"b"#])
        #expect(reading.routes[#"a"b"#]?.classes == ["2xx": 5, "5xx": 1])
    }

    @Test func samplesAreWhatWasCountedInBetween() throws {
        var history = TrafficHistory()
        history.take([1: Self.page(requests: 10, ended: [("2xx", 10)], fast: 10)], at: 2_000_000)
        history.take([1: Self.page(requests: 16, ended: [("2xx", 15)], fast: 10, slow: 5)], at: 2_005_000)
        #expect(history.recent.map(\.whole.requests) == [6])
        #expect(history.recent.first?.seconds == 5)
        #expect(history.recent.first?.routes["r"]?.classes == ["2xx": 5])
        // All five took between 100 and 200 ms.
        let median = try #require(history.recent.first?.whole.durations.quantile(0.5))
        #expect(abs(median - 150) < 0.001)
    }

    @Test func aWorkerThatBeganAnewCountsFromZero() {
        var history = TrafficHistory()
        history.take([1: Self.page(requests: 1_000)], at: 2_000_000)
        // Another process, which began after the last reading.
        history.take([2: Self.page(requests: 4, startedAt: 2_001)], at: 2_005_000)
        #expect(history.recent.map(\.whole.requests) == [4])
        // The same number of a process that began anew: its 1,000 are not 996 more.
        history.take([2: Self.page(requests: 1_000, startedAt: 2_006)], at: 2_010_000)
        #expect(history.recent.map(\.whole.requests) == [4, 1_000])
    }

    @Test func oneThatWasAwayForAReadingMakesNoPeak() {
        var history = TrafficHistory()
        history.take([1: Self.page(requests: 100)], at: 2_000_000)
        history.take([:], at: 2_005_000)
        history.take([1: Self.page(requests: 900)], at: 2_010_000)
        #expect(history.recent.isEmpty)
        history.take([1: Self.page(requests: 901)], at: 2_015_000)
        #expect(history.recent.map(\.whole.requests) == [1])
    }

    @Test func aWallClockThatIsSetLeavesNoGap() {
        var history = TrafficHistory()
        history.take([1: Self.page(requests: 1)], at: 5_000, wallOffset: 2_000_000)
        // A year back, and a year forward.
        history.take([1: Self.page(requests: 3)], at: 10_000, wallOffset: 2_000_000 - 31_536_000_000)
        history.take([1: Self.page(requests: 6)], at: 15_000, wallOffset: 2_000_000 + 31_536_000_000)
        #expect(history.recent.map(\.whole.requests) == [2, 3])
        #expect(history.recent.map(\.seconds) == [5, 5])
        // One that began after the last reading says so by the clock that it had.
        history.take([2: Self.page(requests: 7, startedAt: 31_538_016)], at: 20_000, wallOffset: 31_538_000_000)
        #expect(history.recent.map(\.whole.requests) == [2, 3, 7])
    }

    @Test func fiveMinutesAndAnHourAreKept() {
        var history = TrafficHistory()
        for turn in 0...800 as ClosedRange<Int64> {
            history.take([1: Self.page(requests: Int(turn) * 5)], at: 2_000_000 + turn * 5_000)
        }
        #expect(history.recent.count == 60)
        #expect(history.hour.count == 60)
        #expect(history.hour.allSatisfy { $0.seconds == 60 && $0.whole.requests == 60 })
    }

    @Test func onlyTheBusiestRoutesHaveSeriesOfTheirOwn() {
        func reading(_ factor: Int) -> WorkerReading {
            let lines = (0..<300).map {
                #"causeway_route_responses_total{route="r\#($0)",class="2xx"} \#($0 * factor)"#
            }
            return WorkerReading(page: Array((lines + ["process_start_time_seconds 5"]).joined(separator: "\n").utf8))
        }
        var history = TrafficHistory()
        history.take([1: reading(1)], at: 2_000_000)
        history.take([1: reading(2)], at: 2_005_000)
        #expect(history.recent.first?.routes.count == TrafficHistory.routesKept)
        #expect(history.recent.first?.leavesOutRoutes == true)
        #expect(history.recent.first?.routes["r299"]?.requests == 299)
        #expect(history.recent.first?.routes["r50"] == nil)
    }

    @Test func failuresAreServersFaultsAndNeverMoreThanAll() {
        var counters = TrafficCounters()
        counters.classes = ["2xx": 10, "4xx": 5, "5xx": 2]
        counters.grpc = ["0": 3, "5": 2, "14": 4]
        #expect(counters.failed == 6)
        counters.grpc["2"] = 100
        #expect(counters.failed == 17)
    }
}
