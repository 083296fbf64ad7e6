// What the worker counts. Each loop writes cells of its own, without a lock and without sharing a cache line; whoever asks
// adds them up (`MetricsPage`). Names are an interface: dashboards hold on to them.

internal import Synchronization
internal import Telemetry

/// A cell that one loop writes and anyone reads.
struct Counter {
    let address: UnsafeMutablePointer<Atomic<UInt64>>

    @inline(__always)
    func add(_ amount: Int) {
        let value = address.pointee.load(ordering: .relaxed)
        address.pointee.store(value &+ UInt64(truncatingIfNeeded: amount), ordering: .relaxed)
    }

    @inline(__always)
    func increment() { add(1) }
}

/// Counters of a loop as a whole.
enum LoopMetric: Int, CaseIterable {
    case connectionsOpened
    case connectionsClosed
    case connectionsRefused
    case connectionErrors
    case connectionsAbusive
    case downstreamBytesReceived
    case downstreamBytesSent
    case requests
    case exchangesEnded
    case requestsMalformed
    case streamsReset
    case streamsRefused
    case headTimeouts
    case downstreamIdleTimeouts
    case tlsHandshakes
    case tlsErrors
    case webSocketsOpened
    case webSocketsFailed
    case upstreamConnections
    case upstreamConnectFailures
    case upstreamIdleTimeouts
    case upstreamGoAways
    case upstreamBytesReceived
    case upstreamBytesSent
    case retries
    case retriesRefused
    case ejections
    case panics
    case resourceFailures
    case windowsNotGrown
    case accessLogDropped

    /// Prometheus name and help.
    var text: (name: String, help: String) {
        switch self {
        case .connectionsOpened: ("causeway_downstream_connections_opened_total", "Client connections accepted.")
        case .connectionsClosed: ("causeway_downstream_connections_closed_total", "Client connections closed.")
        case .connectionsRefused: ("causeway_downstream_connections_refused_total", "Client connections over a limit.")
        case .connectionErrors:
            ("causeway_downstream_connection_errors_total", "Client connections of HTTP/2 ended for an error.")
        case .connectionsAbusive:
            ("causeway_downstream_connections_abusive_total", "Those ended with ENHANCE_YOUR_CALM.")
        case .downstreamBytesReceived: ("causeway_downstream_received_bytes_total", "Plain bytes from clients.")
        case .downstreamBytesSent: ("causeway_downstream_sent_bytes_total", "Plain bytes to clients.")
        case .requests: ("causeway_downstream_requests_total", "Requests begun.")
        case .exchangesEnded: ("causeway_downstream_exchanges_ended_total", "Exchanges that are over.")
        case .requestsMalformed: ("causeway_downstream_requests_malformed_total", "Requests refused for their form.")
        case .streamsReset: ("causeway_streams_reset_total", "RST_STREAM frames received.")
        case .streamsRefused: ("causeway_downstream_streams_refused_total", "Streams over the limit.")
        case .headTimeouts: ("causeway_downstream_head_timeouts_total", "Request heads that did not arrive in time.")
        case .downstreamIdleTimeouts:
            ("causeway_downstream_idle_timeouts_total", "Client connections ended for want of a request.")
        case .tlsHandshakes: ("causeway_tls_handshakes_total", "TLS handshakes completed.")
        case .tlsErrors: ("causeway_tls_errors_total", "TLS handshakes and records that failed.")
        case .webSocketsOpened: ("causeway_downstream_websockets_opened_total", "WebSockets opened.")
        case .webSocketsFailed:
            ("causeway_downstream_websockets_failed_total", "WebSocket handshakes that opened nothing.")
        case .upstreamConnections: ("causeway_upstream_connections_opened_total", "Connections to endpoints.")
        case .upstreamConnectFailures: ("causeway_upstream_connect_failures_total", "Connections that failed.")
        case .upstreamIdleTimeouts:
            ("causeway_upstream_idle_timeouts_total", "Connections to endpoints ended for want of a request.")
        case .upstreamGoAways: ("causeway_upstream_goaways_total", "GOAWAY frames from endpoints.")
        case .upstreamBytesReceived: ("causeway_upstream_received_bytes_total", "Plain bytes from endpoints.")
        case .upstreamBytesSent: ("causeway_upstream_sent_bytes_total", "Plain bytes to endpoints.")
        case .ejections: ("causeway_upstream_ejections_total", "Endpoints put aside for failures of real traffic.")
        case .panics:
            (
                "causeway_upstream_panics_total",
                "Times that too few endpoints of a cluster were fit, so that all were used."
            )
        case .retriesRefused:
            ("causeway_upstream_retries_refused_total", "Tries that would have been over a cluster's budget.")
        case .retries: ("causeway_upstream_retries_total", "Exchanges tried again.")
        case .resourceFailures: ("causeway_resource_failures_total", "Sockets or descriptors that the kernel refused.")
        case .windowsNotGrown:
            ("causeway_windows_not_grown_total", "Times that a budget of memory kept a stream's window from growing.")
        case .accessLogDropped:
            ("causeway_access_log_dropped_total", "Records lost because the log could not be written.")
        }
    }
}

/// What a loop has at the moment: cells that go up and down.
enum LoopGauge: Int, CaseIterable {
    case upstreamConnections
    case upstreamStreams
    case bytesHeld

    var text: (name: String, help: String) {
        switch self {
        case .upstreamConnections:
            ("causeway_upstream_connections_open", "Connections to endpoints, those in the making included.")
        case .upstreamStreams:
            ("causeway_upstream_streams_open", "Exchanges that are on a connection to an endpoint.")
        case .bytesHeld: ("causeway_body_bytes_held", "Body bytes that wait for a side that does not take them.")
        }
    }
}

/// A loop's cells: one for each `LoopMetric`, then one for each `ProxyError`, for each kind of close code, for each
/// `LoopGauge` and each `AbuseKind`, and the bytes held.
struct LoopStatistics {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    static let errors = LoopMetric.allCases.count
    static let closeCodes = errors + 256
    static let gauges = closeCodes + WebSocketClose.labels.count
    static let firstAbuse = gauges + LoopGauge.allCases.count
    static let held = firstAbuse + AbuseKind.allCases.count
    static let cellCount = held + 1

    init(_ block: CellBlock) {
        cells = block.counter(0).address
    }

    @inline(__always)
    private subscript(metric: LoopMetric) -> Counter { Counter(address: cells + metric.rawValue) }

    var connectionsOpened: Counter { self[.connectionsOpened] }
    var connectionsClosed: Counter { self[.connectionsClosed] }
    var connectionsRefused: Counter { self[.connectionsRefused] }
    var connectionErrors: Counter { self[.connectionErrors] }
    var connectionsAbusive: Counter { self[.connectionsAbusive] }
    var requests: Counter { self[.requests] }
    var exchangesEnded: Counter { self[.exchangesEnded] }
    var requestsMalformed: Counter { self[.requestsMalformed] }
    var streamsReset: Counter { self[.streamsReset] }
    var streamsRefused: Counter { self[.streamsRefused] }
    var headTimeouts: Counter { self[.headTimeouts] }
    var tlsHandshakes: Counter { self[.tlsHandshakes] }
    var tlsErrors: Counter { self[.tlsErrors] }
    var webSocketsOpened: Counter { self[.webSocketsOpened] }
    var webSocketsFailed: Counter { self[.webSocketsFailed] }
    var upstreamConnections: Counter { self[LoopMetric.upstreamConnections] }
    var upstreamConnectFailures: Counter { self[.upstreamConnectFailures] }
    var upstreamGoAways: Counter { self[.upstreamGoAways] }
    var retries: Counter { self[.retries] }
    var retriesRefused: Counter { self[.retriesRefused] }
    var ejections: Counter { self[.ejections] }
    var panics: Counter { self[.panics] }
    var resourceFailures: Counter { self[.resourceFailures] }
    var windowsNotGrown: Counter { self[.windowsNotGrown] }
    var accessLogDropped: Counter { self[.accessLogDropped] }

    func idleTimeouts(_ role: ConnectionRole) -> Counter {
        self[role == .upstream ? .upstreamIdleTimeouts : .downstreamIdleTimeouts]
    }

    func bytesReceived(_ role: ConnectionRole) -> Counter {
        self[role == .upstream ? .upstreamBytesReceived : .downstreamBytesReceived]
    }

    func bytesSent(_ role: ConnectionRole) -> Counter {
        self[role == .upstream ? .upstreamBytesSent : .downstreamBytesSent]
    }

    func abuse(_ kind: AbuseKind) -> Counter { Counter(address: cells + Self.firstAbuse + kind.rawValue) }

    func setHeld(_ bytes: Int) {
        (cells + Self.held).pointee.store(UInt64(max(0, bytes)), ordering: .relaxed)
    }

    func failures(_ error: ProxyError) -> Counter {
        Counter(address: cells + Self.errors + Int(error.rawValue))
    }

    var upstreamConnectionsOpen: Counter { self[LoopGauge.upstreamConnections] }
    var upstreamStreamsOpen: Counter { self[.upstreamStreams] }
    var bytesHeld: Counter { self[.bytesHeld] }

    @inline(__always)
    private subscript(gauge: LoopGauge) -> Counter { Counter(address: cells + Self.gauges + gauge.rawValue) }

    func webSocketsClosed(_ code: UInt16) -> Counter {
        Counter(address: cells + Self.closeCodes + WebSocketClose.index(of: code))
    }
}
