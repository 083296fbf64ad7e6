// What is counted for each object of the configuration on each loop: listeners, routes, clusters and their endpoints. Copies of
// a cell's address, so that counting is one addition; the registry, a snapshot or the loop's own object keeps the cells alive.

internal import Synchronization
internal import Telemetry

/// What is counted for each listener.
struct ListenerCounters {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    static let cellCount = 7

    init(_ block: CellBlock) { cells = block.counter(0).address }

    var accepted: Counter { Counter(address: cells) }
    /// A gauge.
    var open: Counter { Counter(address: cells + 1) }
    var refused: Counter { Counter(address: cells + 2) }
    var handshakes: Counter { Counter(address: cells + 3) }
    var handshakeFailures: Counter { Counter(address: cells + 4) }
    var requests: Counter { Counter(address: cells + 5) }
    var proxyFailures: Counter { Counter(address: cells + 6) }
}

/// What is counted for each route.
struct RouteCounters {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let duration: Histogram

    /// Responses by class (0: none sent, 1 to 5), then gRPC statuses 0 to 16, then bytes and messages in and out, then the
    /// histogram.
    static let classes = 6
    static let grpcStatuses = 17
    static let bytesIn = classes + grpcStatuses
    static let bytesOut = bytesIn + 1
    static let messagesIn = bytesOut + 1
    static let messagesOut = messagesIn + 1
    static let histogram = messagesOut + 1
    static let cellCount = histogram + HistogramShape.microseconds.cellCount

    init(_ block: CellBlock) {
        cells = block.counter(0).address
        duration = block.histogram(Self.histogram, shape: .microseconds)
    }

    /// One exchange; duration in nanoseconds.
    @inline(__always)
    func record(status: Int32, grpcStatus: Int32, bytesIn: Int, bytesOut: Int, duration nanoseconds: UInt64) {
        Counter(address: cells + min(5, Int(status) / 100)).increment()
        if grpcStatus >= 0 { Counter(address: cells + Self.classes + min(16, Int(grpcStatus))).increment() }
        Counter(address: cells + Self.bytesIn).add(bytesIn)
        Counter(address: cells + Self.bytesOut).add(bytesOut)
        duration.record(nanoseconds / 1_000)
    }

    @inline(__always)
    func record(messagesIn: UInt64, messagesOut: UInt64) {
        Counter(address: cells + Self.messagesIn).add(Int(truncatingIfNeeded: messagesIn))
        Counter(address: cells + Self.messagesOut).add(Int(truncatingIfNeeded: messagesOut))
    }
}

/// What is counted for each cluster.
struct ClusterCounters {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    /// From the request's head going out to the response's head coming in.
    let response: Histogram

    static let histogram = 2
    static let cellCount = histogram + HistogramShape.microseconds.cellCount

    init(_ block: CellBlock) {
        cells = block.counter(0).address
        response = block.histogram(Self.histogram, shape: .microseconds)
    }

    var exchanges: Counter { Counter(address: cells) }
    var failures: Counter { Counter(address: cells + 1) }
}

/// What is counted for each endpoint of a cluster: every try, not every exchange.
struct EndpointCounters {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    static let cellCount = 5

    init(_ block: CellBlock) { cells = block.counter(0).address }

    var exchanges: Counter { Counter(address: cells) }
    var failures: Counter { Counter(address: cells + 1) }
    var connectFailures: Counter { Counter(address: cells + 2) }
    /// Gauges.
    var active: Counter { Counter(address: cells + 3) }
    var connections: Counter { Counter(address: cells + 4) }
}
