// When an endpoint counts as fit: what is asked of it, what real traffic says of it, and how it comes back.

/// A question that is put to each endpoint of a cluster again and again.
package struct HealthCheck: Hashable, Sendable {
    package var kind: HealthCheckKind
    /// Milliseconds from the end of one check to the next; 100 to 600,000.
    package var interval: UInt32
    /// Milliseconds that an answer may take, connecting included; 10 to 60,000.
    package var timeout: UInt32
    /// Failures in a row that make a healthy endpoint unhealthy; successes in a row that do the reverse. 1 to 100.
    package var unhealthyThreshold: UInt32
    package var healthyThreshold: UInt32
    /// `http`: path with query.
    package var path: String
    /// `http` and `grpc`: the authority that is asked for; `nil`: the endpoint's address.
    package var host: String?
    /// `http`: what counts as success; empty: 200 to 299.
    package var statuses: [StatusRange]
    /// `grpc`: the service that is asked about; empty: the server as a whole.
    package var service: String

    package init(
        _ kind: HealthCheckKind, interval: UInt32 = 5_000, timeout: UInt32 = 2_000, unhealthyThreshold: UInt32 = 3,
        healthyThreshold: UInt32 = 2, path: String = "/", host: String? = nil, statuses: [StatusRange] = [],
        service: String = ""
    ) {
        self.kind = kind
        self.interval = interval
        self.timeout = timeout
        self.unhealthyThreshold = unhealthyThreshold
        self.healthyThreshold = healthyThreshold
        self.path = path
        self.host = host
        self.statuses = statuses
        self.service = service
    }
}

package enum HealthCheckKind: UInt8, Hashable, Sendable, CaseIterable {
    /// A connection can be made.
    case tcp = 1
    /// GET answers with one of the statuses, in the protocol of the cluster.
    case http = 2
    /// `grpc.health.v1.Health/Check` answers SERVING.
    case grpc = 3
}

/// HTTP statuses from `low` to `high`, both included.
package struct StatusRange: Hashable, Sendable {
    package var low: UInt16
    package var high: UInt16

    package init(_ low: UInt16, _ high: UInt16) {
        self.low = low
        self.high = high
    }
}

/// When real traffic puts an endpoint aside for a while.
package struct Ejection: Hashable, Sendable {
    /// Failures in a row; 0: never.
    package var failures: UInt32
    /// Milliseconds of the first time; each further one is longer by as much, up to `maxTime`.
    package var baseTime: UInt32
    package var maxTime: UInt32
    /// Endpoints of a cluster that may be aside at once; one may be always.
    package var maxPercent: UInt32
    /// Whether answers count (5xx; gRPC INTERNAL, UNAVAILABLE, DATA_LOSS), or only connections that fail.
    package var countsResponses: Bool

    package init(
        failures: UInt32 = 5, baseTime: UInt32 = 10_000, maxTime: UInt32 = 300_000, maxPercent: UInt32 = 50,
        countsResponses: Bool = false
    ) {
        self.failures = failures
        self.baseTime = baseTime
        self.maxTime = maxTime
        self.maxPercent = maxPercent
        self.countsResponses = countsResponses
    }
}
