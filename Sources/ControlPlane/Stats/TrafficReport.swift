// The answer of `GET /v1/stats`: rates, quantiles and totals of the samples.

import ConsoleModel

/// Traffic as charts need it.
struct TrafficReport: Encodable, Sendable {
    /// Rates are per second.
    struct Point: Encodable, Sendable {
        var at: String
        var seconds: Double
        var requests: Double
        /// Of one route they are not known.
        @JSONField var errors: [String: Double]?
        var statusClasses: [String: Double]
        var grpcStatuses: [String: Double]
        var bytesIn: Double
        var bytesOut: Double
        @JSONField var connections: UInt64?
        @JSONField var streams: UInt64?
        @JSONField var webSockets: UInt64?
        @JSONField var p50: Double?
        @JSONField var p90: Double?
        @JSONField var p99: Double?

        init(_ sample: TrafficSample, _ counters: TrafficCounters, ofRoute: Bool, wallOffset: Int64) {
            func rate(_ count: UInt64) -> Double { TrafficReport.rounded(Double(count) / sample.seconds) }
            at = Timestamp.text(sample.at + wallOffset)
            seconds = TrafficReport.rounded(sample.seconds)
            requests = rate(counters.requests)
            statusClasses = counters.classes.mapValues(rate)
            grpcStatuses = counters.grpc.mapValues(rate)
            bytesIn = rate(counters.bytesIn)
            bytesOut = rate(counters.bytesOut)
            errors = ofRoute ? nil : counters.errors.filter { $0.value > 0 }.mapValues(rate)
            connections = ofRoute ? nil : sample.gauges.connections
            streams = ofRoute ? nil : sample.gauges.streams
            webSockets = ofRoute ? nil : sample.gauges.webSockets
            p50 = counters.durations.quantile(0.5).map(TrafficReport.rounded)
            p90 = counters.durations.quantile(0.9).map(TrafficReport.rounded)
            p99 = counters.durations.quantile(0.99).map(TrafficReport.rounded)
        }
    }

    struct Totals: Encodable, Sendable {
        var requests: UInt64
        @JSONField var errors: [String: UInt64]?
        var statusClasses: [String: UInt64]
        var grpcStatuses: [String: UInt64]
        var bytesIn: UInt64
        var bytesOut: UInt64

        init(_ counters: TrafficCounters, ofRoute: Bool) {
            requests = counters.requests
            errors = ofRoute ? nil : counters.errors.filter { $0.value > 0 }
            statusClasses = counters.classes
            grpcStatuses = counters.grpc
            bytesIn = counters.bytesIn
            bytesOut = counters.bytesOut
        }
    }

    /// What went wrong of late, for whoever looks at an outage.
    struct LastMinute: Codable, Hashable, Sendable {
        struct Failing: Codable, Hashable, Sendable {
            var route: String
            var requests: UInt64
            var failed: UInt64
            var statusClasses: [String: UInt64]
            var grpcStatuses: [String: UInt64]
        }

        /// What a list of routes tells of each.
        struct Share: Codable, Hashable, Sendable {
            var requests: UInt64
            var failed: UInt64
        }

        private static let milliseconds: Int64 = 60_000
        /// Routes that are named.
        private static let most = 10

        var seconds: Double
        var requests: UInt64
        var failed: UInt64
        var errors: [String: UInt64]
        /// Those with the most failed requests first.
        var failing: [Failing]
        /// Those that had traffic, as far as it is kept by route.
        var routes: [String: Share]

        init?(_ samples: [TrafficSample]) {
            guard let last = samples.last else { return nil }
            var whole = TrafficCounters()
            var counted: [String: TrafficCounters] = [:]
            seconds = 0
            for sample in samples where sample.at > last.at - Self.milliseconds {
                seconds += sample.seconds
                whole.add(sample.whole)
                counted.merge(sample.routes) { mine, theirs in
                    var sum = mine
                    sum.add(theirs)
                    return sum
                }
            }
            seconds = TrafficReport.rounded(seconds)
            requests = whole.requests
            errors = whole.errors
            failed = whole.failed
            routes = counted.filter { $0.value.requests > 0 }
                .mapValues { Share(requests: $0.requests, failed: $0.failed) }
            failing = counted.filter { $0.value.failed > 0 }
                .sorted { ($0.value.failed, $1.key) > ($1.value.failed, $0.key) }
                .prefix(Self.most)
                .map { name, counters in
                    Failing(
                        route: name, requests: counters.requests, failed: counters.failed,
                        statusClasses: counters.classes, grpcStatuses: counters.grpc)
                }
        }
    }

    var available = false
    @JSONField var reason: String?
    @JSONField var sampledAt: String?
    @JSONField var route: String?
    var workers: Int
    var totals: Totals
    /// Of one route there is none.
    @JSONField var lastMinute: LastMinute?
    var recent: [Point]
    var hour: [Point]
    /// Beside the data, as everywhere.
    var warnings: [String] = []

    private enum CodingKeys: CodingKey {
        case available, reason, sampledAt, route, workers, totals, lastMinute, recent, hour
    }

    init(_ history: TrafficHistory, route: String?, wallOffset: Int64) {
        self.route = route
        workers = history.readings.count
        let all = history.totals
        let counters = route.map { all.routes[$0] ?? TrafficCounters() } ?? all.whole
        totals = Totals(counters, ofRoute: route != nil)
        lastMinute = route == nil ? LastMinute(history.recent) : nil
        recent = history.recent.compactMap { Self.point($0, route, wallOffset) }
        hour = history.hour.compactMap { Self.point($0, route, wallOffset) }
        if route != nil, (history.recent + history.hour).contains(where: \.leavesOutRoutes) {
            warnings.append(
                "More than \(TrafficHistory.routesKept) routes had traffic at once: series are kept of the busiest, and points of a"
                    + " route are missing, or too low, where it was not among them.")
        }
    }

    /// `nil`: the route may have had traffic that was not kept.
    private static func point(_ sample: TrafficSample, _ route: String?, _ wallOffset: Int64) -> Point? {
        guard let route else { return Point(sample, sample.whole, ofRoute: false, wallOffset: wallOffset) }
        if let counters = sample.routes[route] { return Point(sample, counters, ofRoute: true, wallOffset: wallOffset) }
        return sample.leavesOutRoutes ? nil : Point(sample, TrafficCounters(), ofRoute: true, wallOffset: wallOffset)
    }

    /// To a thousandth: what lies below says nothing.
    fileprivate static func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }
}
