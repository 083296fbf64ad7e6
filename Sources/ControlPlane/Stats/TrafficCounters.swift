// Counters of traffic, of everything or of one route, and what became of them between two readings.

/// What is counted. As a worker tells it: since its start; in a sample: within the sample's time.
package struct TrafficCounters: Hashable, Sendable {
    package var requests: UInt64 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// By response flag; of everything only.
    package var errors: [String: UInt64] = [:]
    /// By class of HTTP status.
    package var classes: [String: UInt64] = [:]
    /// By gRPC status.
    package var grpc: [String: UInt64] = [:]
    package var durations = Durations()

    package init() {}

    /// What was counted since `earlier`. A counter that has fallen began anew, so that all it says is new: a rate is never below
    /// zero.
    package func since(_ earlier: TrafficCounters) -> TrafficCounters {
        var counted = TrafficCounters()
        counted.requests = Self.rise(requests, earlier.requests)
        counted.bytesIn = Self.rise(bytesIn, earlier.bytesIn)
        counted.bytesOut = Self.rise(bytesOut, earlier.bytesOut)
        counted.errors = Self.rise(errors, earlier.errors)
        counted.classes = Self.rise(classes, earlier.classes)
        counted.grpc = Self.rise(grpc, earlier.grpc)
        counted.durations = durations.since(earlier.durations)
        return counted
    }

    package mutating func add(_ other: TrafficCounters) {
        requests &+= other.requests
        bytesIn &+= other.bytesIn
        bytesOut &+= other.bytesOut
        errors.merge(other.errors, uniquingKeysWith: &+)
        classes.merge(other.classes, uniquingKeysWith: &+)
        grpc.merge(other.grpc, uniquingKeysWith: &+)
        durations.add(other.durations)
    }

    /// gRPC statuses that are a server's fault, as OpenTelemetry has them: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
    /// UNAVAILABLE, DATA_LOSS.
    private static let serverFaults = ["2", "4", "12", "13", "14", "15"]

    /// Requests with a 5xx, or with such a gRPC status; never more than all.
    package var failed: UInt64 {
        let calls = Self.serverFaults.reduce(0 as UInt64) { $0 &+ (grpc[$1] ?? 0) }
        return min((classes["5xx"] ?? 0) &+ calls, classes.values.reduce(0, &+))
    }

    package var isZero: Bool { self == TrafficCounters() }

    static func rise(_ now: UInt64, _ before: UInt64) -> UInt64 { now >= before ? now - before : now }

    private static func rise(_ now: [String: UInt64], _ before: [String: UInt64]) -> [String: UInt64] {
        var risen: [String: UInt64] = [:]
        for (key, value) in now {
            let difference = rise(value, before[key] ?? 0)
            if difference > 0 { risen[key] = difference }
        }
        return risen
    }
}

/// How many are open now.
package struct TrafficGauges: Hashable, Sendable {
    package var connections: UInt64 = 0
    package var streams: UInt64 = 0
    package var webSockets: UInt64 = 0

    package init() {}

    mutating func add(_ other: TrafficGauges) {
        connections &+= other.connections
        streams &+= other.streams
        webSockets &+= other.webSockets
    }

    mutating func keepHighest(_ other: TrafficGauges) {
        connections = max(connections, other.connections)
        streams = max(streams, other.streams)
        webSockets = max(webSockets, other.webSockets)
    }
}

/// A histogram as the worker's page has it: bounds in seconds, and how many lasted at most that long.
package struct Durations: Hashable, Sendable {
    /// Bounds that a page may bring; the worker has 21.
    private static let most = 64
    /// Ascending.
    private var bounds: [Double] = []
    private var counts: [UInt64] = []

    package init() {}

    mutating func cumulative(_ count: UInt64, upTo bound: Double) {
        if let last = bounds.last, last >= bound { return }
        guard bounds.count < Self.most else { return }
        bounds.append(bound)
        counts.append(count)
    }

    private func count(upTo bound: Double) -> UInt64 {
        guard let index = bounds.lastIndex(where: { $0 <= bound }) else { return 0 }
        return counts[index]
    }

    func since(_ earlier: Durations) -> Durations {
        guard bounds == earlier.bounds, let last = counts.last, let before = earlier.counts.last, last >= before else {
            return self
        }
        var risen = Durations()
        if last == before { return risen }
        risen.bounds = bounds
        // Loops are read one after the other while they count: a bucket may seem to fall by a few.
        risen.counts = zip(counts, earlier.counts).map { $0 >= $1 ? $0 - $1 : 0 }
        return risen
    }

    mutating func add(_ other: Durations) {
        if other.bounds.isEmpty { return }
        if bounds.isEmpty {
            self = other
            return
        }
        if bounds == other.bounds {
            for index in counts.indices { counts[index] &+= other.counts[index] }
            return
        }
        let merged = Set(bounds + other.bounds).sorted().prefix(Self.most)
        let sums = merged.map { count(upTo: $0) &+ other.count(upTo: $0) }
        bounds = Array(merged)
        counts = sums
    }

    /// The time within which that part ended, in milliseconds, by a straight line within the bucket; `nil`: nothing ended. What
    /// lies past the last bound is given as that bound.
    package func quantile(_ part: Double) -> Double? {
        guard let total = counts.last, total > 0 else { return nil }
        let rank = part * Double(total)
        var (below, floor) = (0.0, 0.0)
        for (bound, count) in zip(bounds, counts) {
            if Double(count) >= rank {
                guard bound.isFinite else { return floor * 1_000 }
                let within = Double(count) - below
                let share = within > 0 ? (rank - below) / within : 1
                return (floor + (bound - floor) * share) * 1_000
            }
            (below, floor) = (Double(count), bound.isFinite ? bound : floor)
        }
        return floor * 1_000
    }
}
