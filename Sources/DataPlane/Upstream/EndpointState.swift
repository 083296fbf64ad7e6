// One address of a cluster as a loop sees it: its pools, who waits for them, and whether it is fit for new exchanges.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

struct EndpointState {
    let cluster: ClusterPointer
    let address: SocketAddress
    /// Host name or address as configured, for SNI.
    let host: FixedText
    /// What logs and metrics call it; no two of a cluster have the same.
    let name: FixedText
    /// What the proxy server at `address` is asked for; nil: the endpoint is there itself.
    let tunnel: FixedText?
    /// The name that `address` was resolved from; nil: it was given.
    let lookupName: FixedText?
    var weight: Int
    /// Being taken out: gets no new exchanges.
    let drains: Bool
    /// What of its weight counts now, relative to the others.
    var share: Int
    /// Its place among those that are chosen from now; -1: none.
    var place = -1
    /// Exchanges on it, waiting ones included.
    var active = 0
    /// Exchanges that have left it and still name it in their log line.
    var remembered = 0
    var connections = 0
    /// Connections in the making, by what they will speak: one kind does not serve those who wait for the other.
    var connecting = 0
    var connectingHTTP1 = 0
    /// HTTP/2 connections whose SETTINGS have not come yet.
    var unsettled = 0
    /// HTTP/2 connections that take streams.
    var http2: ConnectionPointer?
    var http2Count = 0
    /// Idle HTTP/1.1 connections, the freshest first.
    var idle: ConnectionPointer?
    var waitingHTTP1 = WaitingQueue()
    var waitingHTTP2 = WaitingQueue()
    /// WebSockets that wait for SETTINGS, or for a connection that takes them (RFC 8441).
    var waitingWebSocket = WaitingQueue()
    var extendedConnect: ExtendedConnect = .unknown
    /// Milliseconds; until then it is believed that the upstream does not offer it.
    var withoutExtendedConnectUntil: UInt64 = 0
    /// By active checks.
    var isHealthy = true
    var ejection = EjectionState()
    /// Whether answers count for it, too.
    let countsResponses: Bool
    /// Milliseconds at which its share began to grow; 0: it has all of its weight.
    var rampsSince: UInt64 = 0
    var isRetired = false
    /// What cookies call it; made when it is asked for first.
    var identity: EndpointIdentity?
    /// Of the registry's block, until `free`.
    let counters: EndpointCounters
}

extension EndpointState {
    var addressBytes: UnsafeRawBufferPointer { name.bytes }
}

/// Exchanges that wait for a connection, in order.
struct WaitingQueue {
    private(set) var head: ExchangePointer?
    private var tail: ExchangePointer?
    private(set) var count = 0

    mutating func append(_ exchange: ExchangePointer) {
        exchange.pointee.nextWaiting = nil
        exchange.pointee.previousWaiting = tail
        if let tail { tail.pointee.nextWaiting = exchange } else { head = exchange }
        tail = exchange
        count += 1
    }

    mutating func remove(_ exchange: ExchangePointer) {
        let previous = exchange.pointee.previousWaiting
        let next = exchange.pointee.nextWaiting
        if let previous { previous.pointee.nextWaiting = next } else { head = next }
        if let next { next.pointee.previousWaiting = previous } else { tail = previous }
        count -= 1
    }

    mutating func pop() -> ExchangePointer? {
        guard let first = head else { return nil }
        remove(first)
        return first
    }
}

extension EndpointPointer {
    var isUnused: Bool { pointee.active == 0 && pointee.remembered == 0 && pointee.connections == 0 }

    func free() {
        pointee.cluster.pointee.loop.pointee.registry.takeUnretainedValue().leaveEndpoint(metricsKey)
        pointee.host.deallocate()
        pointee.name.deallocate()
        pointee.tunnel?.deallocate()
        pointee.lookupName?.deallocate()
        deinitialize(count: 1)
        deallocate()
    }

    /// Takes no new exchanges; idle connections are closed, busy ones when they become idle.
    func retire() {
        pointee.isRetired = true
        let loop = pointee.cluster.pointee.loop
        while let connection = pointee.idle { loop.close(connection, because: .retired) }
        var next = pointee.http2
        while let connection = next {
            next = connection.pointee.nextPooled
            if connection.pointee.http2?.pointee.streams.count ?? 0 == 0 {
                loop.close(connection, because: .retired)
            }
        }
    }

    var metricsKey: MetricsRegistry.EndpointKey {
        MetricsRegistry.EndpointKey(cluster: pointee.cluster.pointee.config.name, endpoint: pointee.name.string)
    }

    /// An exchange comes, or goes.
    @inline(__always)
    func countActive(_ change: Int) {
        pointee.active += change
        pointee.counters.active.add(change)
        if change > 0 { pointee.counters.exchanges.increment() }
    }

    func countConnections(_ change: Int) {
        pointee.connections += change
        pointee.counters.connections.add(change)
        pointee.cluster.pointee.loop.pointee.statistics.upstreamConnectionsOpen.add(change)
    }

    func countConnecting(_ connection: ConnectionPointer, _ change: Int) {
        if connection.pointee.wantsHTTP1 {
            pointee.connectingHTTP1 += change
        } else {
            pointee.connecting += change
        }
    }

    /// A connection that failed, or where these count an answer.
    func failed(now: UInt64) {
        let cluster = pointee.cluster
        guard pointee.ejection.failed(cluster.pointee.config.ejection), pointee.ejection.until <= now,
            cluster.mayEject(now: now)
        else { return }
        pointee.ejection.eject(now: now, cluster.pointee.config.ejection)
        cluster.pointee.loop.pointee.statistics.ejections.increment()
        if cluster.pointee.config.slowStart > 0 { pointee.rampsSince = pointee.ejection.until }
        cluster.review()
    }

    /// A connection was refused or not answered: the name may have other addresses by now.
    func suspectAddress() {
        guard let name = pointee.lookupName, !pointee.isRetired else { return }
        pointee.cluster.pointee.loop.suspect(name.string)
    }

    /// Connections tell nothing where answers do.
    func connected() {
        if !pointee.countsResponses { pointee.ejection.succeeded() }
    }
}

extension ExchangePointer {
    /// What the end of the exchange says about its endpoint. The client's own doing says nothing.
    func judgeEndpoint() {
        guard let endpoint = pointee.lastEndpoint, endpoint.pointee.countsResponses else { return }
        if let error = pointee.error {
            switch error {
            case .upstreamReset, .upstreamClosed, .upstreamProtocol, .upstreamHandshake, .notGRPC, .missingStatus,
                .responseTimeout:
                endpoint.failed(now: loop.milliseconds)
            default: break
            }
            return
        }
        // INTERNAL, UNAVAILABLE, DATA_LOSS.
        let isBad = pointee.isGRPC ? (13...15).contains(pointee.grpcStatus) : pointee.status >= 500
        if isBad { endpoint.failed(now: loop.milliseconds) } else { endpoint.pointee.ejection.succeeded() }
    }
}

extension LoopPointer {
    /// Five times a second at most: the resolver has a bound of its own for each name.
    fileprivate func suspect(_ name: String) {
        guard milliseconds >= pointee.suspectsAt, let resolver = pointee.resolver else { return }
        pointee.suspectsAt = milliseconds + 200
        resolver.takeUnretainedValue().suspect(name)
    }
}
