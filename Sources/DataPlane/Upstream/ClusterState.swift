// A loop's own view of a cluster: its endpoints with their pools, and the choice among them. Carried over from snapshot to
// snapshot while the cluster's object is equal, so that pools and counts outlive unrelated changes.

internal import CNghttp2
internal import ConfigModel
internal import Glibc
internal import Seal

typealias ClusterPointer = UnsafeMutablePointer<ClusterState>
typealias EndpointPointer = UnsafeMutablePointer<EndpointState>

struct ClusterState {
    let loop: LoopPointer
    /// The object that this was made from; its hash tells whether a new snapshot brings another.
    let hash: Hash256
    let config: Cluster
    let name: FixedText
    let speaksHTTP1: Bool
    let usesTLS: Bool
    let connectTimeout: UInt64
    let idleTimeout: UInt64
    let counters: ClusterCounters
    /// Authorities of its own and the certificate that endpoints are shown; nil: neither.
    var tlsMaterial: UpstreamTLSMaterial?
    /// Endpoints in use; replaced as a whole when names resolve anew.
    var endpoints: UnsafeMutableBufferPointer<EndpointPointer>
    var turn = 0
    var hasUnresolvedNames: Bool
    var retriesLeft = ClusterState.retriesPerSecond
    var retriesRefillAt: UInt64 = 0
    /// No longer in the snapshot: lives on until its last exchange is over.
    var isRetired = false
    /// Snapshots of the loop that have it.
    var users = 0
    /// Endpoints that names no longer resolve to, while something still uses them.
    var retiredEndpoints: [EndpointPointer] = []

    static let retriesPerSecond = 100
    static let maxConnectionsPerEndpoint = 1_024
    static let maxHTTP2ConnectionsPerEndpoint = 16
    static let maxWaiting = 4_096
}

struct EndpointState {
    let cluster: ClusterPointer
    let address: SocketAddress
    /// Host name or address as configured, for SNI.
    let host: FixedText
    /// `address:port`, for logs.
    let name: FixedText
    let weight: Int
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
    var failures = 0
    /// Milliseconds; left out of picks before it, while others are there.
    var ejectedUntil: UInt64 = 0
    var isRetired = false
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

extension ClusterPointer {
    static func make(_ config: Cluster, hash: Hash256, on loop: LoopPointer, counters: ClusterCounters)
        -> ClusterPointer
    {
        let cluster = ClusterPointer.allocate(capacity: 1)
        cluster.initialize(
            to: ClusterState(
                loop: loop, hash: hash, config: config, name: FixedText(config.name),
                speaksHTTP1: config.protocol == .http1, usesTLS: config.tls != nil,
                connectTimeout: UInt64(config.connectTimeout), idleTimeout: UInt64(config.idleTimeout),
                counters: counters, endpoints: .allocate(capacity: 0), hasUnresolvedNames: false))
        return cluster
    }

    /// Sets the addresses; endpoints whose address stays keep their pools. `resolved` has what is known of host names.
    func setAddresses(resolved: [String: [SocketAddress]]) {
        let old = Array(pointee.endpoints)
        var new: [EndpointPointer] = []
        pointee.hasUnresolvedNames = false
        for endpoint in pointee.config.endpoints {
            var addresses: [SocketAddress] = []
            if let literal = SocketAddress(literal: endpoint.host, port: endpoint.port) {
                addresses = [literal]
            } else if let known = resolved[endpoint.host], !known.isEmpty {
                addresses = known.map { $0.with(port: endpoint.port) }
            } else {
                pointee.hasUnresolvedNames = true
            }
            for address in addresses {
                let same = old.first { $0.pointee.address == address && !new.contains($0) }
                new.append(same ?? makeEndpoint(address, endpoint))
            }
        }
        pointee.endpoints.deallocate()
        pointee.endpoints = .allocate(capacity: new.count)
        _ = pointee.endpoints.initialize(from: new)
        for endpoint in old where !new.contains(endpoint) {
            endpoint.retire()
            pointee.retiredEndpoints.append(endpoint)
        }
    }

    private func makeEndpoint(_ address: SocketAddress, _ config: Endpoint) -> EndpointPointer {
        let endpoint = EndpointPointer.allocate(capacity: 1)
        endpoint.initialize(
            to: EndpointState(
                cluster: self, address: address, host: FixedText(config.host), name: FixedText(address.text),
                weight: Int(max(1, config.weight))))
        return endpoint
    }

    /// An endpoint for one exchange: by turn or the less busy of two, skipping the ejected and the one that has just
    /// failed while there are others. nil: the cluster has none.
    func pick(_ exchange: ExchangePointer) -> EndpointPointer? {
        let count = pointee.endpoints.count
        guard count > 0 else { return nil }
        guard count > 1 else { return pointee.endpoints[0] }
        let now = pointee.loop.milliseconds
        let failed = exchange.pointee.failedEndpoint
        if pointee.config.balancing == .leastRequest {
            let a = pointee.endpoints[Int(pointee.loop.nextRandom() % UInt64(count))]
            let b = pointee.endpoints[Int(pointee.loop.nextRandom() % UInt64(count))]
            let aUsable = a != failed && a.pointee.ejectedUntil <= now
            let bUsable = b != failed && b.pointee.ejectedUntil <= now
            if aUsable, bUsable { return a.pointee.active <= b.pointee.active ? a : b }
            if aUsable { return a }
            if bUsable { return b }
        }
        for _ in 0..<count {
            let endpoint = nextInTurn(count)
            if endpoint != failed, endpoint.pointee.ejectedUntil <= now { return endpoint }
        }
        // All are ejected: better a doubtful one than none (panic threshold).
        return nextInTurn(count)
    }

    private func nextInTurn(_ count: Int) -> EndpointPointer {
        pointee.turn = pointee.turn &+ 1 >= count ? 0 : pointee.turn &+ 1
        return pointee.endpoints[pointee.turn]
    }

    /// Whether another try is in the budget. The first one always is: what is retried was not processed, so that it put
    /// no load on the upstream. Further ones share a budget, or an outage would multiply the connects.
    func takesRetry(after tries: UInt8) -> Bool {
        guard tries > 0 else { return true }
        let now = pointee.loop.milliseconds
        if now >= pointee.retriesRefillAt {
            pointee.retriesRefillAt = now + 1_000
            pointee.retriesLeft = ClusterState.retriesPerSecond
        }
        guard pointee.retriesLeft > 0 else { return false }
        pointee.retriesLeft -= 1
        return true
    }

    /// Not in the snapshot any more: pools are closed, what runs goes on.
    func retire() {
        pointee.isRetired = true
        for endpoint in pointee.endpoints { endpoint.retire() }
    }
}

extension ClusterPointer {
    /// Frees endpoints that nothing uses any more. True: the cluster itself is unused and freed, too.
    func sweep() -> Bool {
        pointee.retiredEndpoints.removeAll { endpoint in
            guard endpoint.isUnused else { return false }
            endpoint.free()
            return true
        }
        guard pointee.isRetired, pointee.users == 0, pointee.retiredEndpoints.isEmpty,
            pointee.endpoints.allSatisfy(\.isUnused)
        else { return false }
        for endpoint in pointee.endpoints { endpoint.free() }
        pointee.endpoints.deallocate()
        pointee.name.deallocate()
        deinitialize(count: 1)
        deallocate()
        return true
    }
}

extension EndpointPointer {
    fileprivate var isUnused: Bool { pointee.active == 0 && pointee.remembered == 0 && pointee.connections == 0 }

    fileprivate func free() {
        pointee.host.deallocate()
        pointee.name.deallocate()
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

    func countConnecting(_ connection: ConnectionPointer, _ change: Int) {
        if connection.pointee.wantsHTTP1 {
            pointee.connectingHTTP1 += change
        } else {
            pointee.connecting += change
        }
    }

    /// Passive ejection: five failures in a row put an endpoint aside for a while.
    func failed(now: UInt64) {
        pointee.failures += 1
        if pointee.failures >= 5 {
            pointee.failures = 0
            pointee.ejectedUntil = now + 10_000
        }
    }

    func succeeded() {
        pointee.failures = 0
    }
}

/// Text in memory of its own, for holders that must stay trivial.
struct FixedText {
    let bytes: UnsafeRawBufferPointer

    init(_ text: String) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count + 1, alignment: 1)
        copy.copyBytes(from: text.utf8)
        copy[text.utf8.count] = 0
        bytes = UnsafeRawBufferPointer(rebasing: copy[..<text.utf8.count])
    }

    var string: String { String(decoding: bytes, as: UTF8.self) }

    func deallocate() { bytes.deallocate() }
}

extension ClusterState {
    var nameBytes: UnsafeRawBufferPointer { name.bytes }
}

extension EndpointState {
    var addressBytes: UnsafeRawBufferPointer { name.bytes }
}

extension SocketAddress {
    /// The same host with another port; Unix sockets have none.
    package func with(port: UInt16) -> SocketAddress {
        guard family != AF_UNIX else { return self }
        return withSockaddr { address, length in
            var copy = SocketAddress(address, length)
            copy.set(port: port)
            return copy
        }
    }
}
