// A loop's own view of a cluster: its endpoints with their pools, and the choice among them. It stays from snapshot to
// snapshot while the cluster's object is equal, so that pools and counts outlive unrelated changes.

internal import CNghttp2
internal import ConfigModel
internal import Glibc
internal import Telemetry

typealias ClusterPointer = UnsafeMutablePointer<ClusterState>
typealias EndpointPointer = UnsafeMutablePointer<EndpointState>

struct ClusterState {
    let loop: LoopPointer
    let config: Cluster
    let name: FixedText
    let speaksHTTP1: Bool
    let usesTLS: Bool
    let connectTimeout: UInt64
    let idleTimeout: UInt64
    let counters: ClusterCounters
    /// Where the counters are.
    let block: CellBlock
    /// Authorities of its own and the certificate that endpoints are shown; nil: neither.
    var tlsMaterial: UpstreamTLSMaterial?
    /// Endpoints in use; replaced as a whole when names resolve anew, or a file changes.
    var endpoints: UnsafeMutableBufferPointer<EndpointPointer>
    /// How exchanges are spread where their route says nothing.
    let balancing: LoopBalancing
    var choice: EndpointChoice
    var hasUnresolvedNames: Bool
    var budget = RetryBudget()
    /// No longer in the snapshot: lives on until its last exchange is over.
    var isRetired = false
    /// Routes of the loop that have it.
    var users = 0
    /// Endpoints that names no longer resolve to, or that files no longer have, while something still uses them.
    var retiredEndpoints: [EndpointPointer] = []

    static let maxHTTP2ConnectionsPerEndpoint = 16
    static let maxWaiting = 4_096
}

extension ClusterPointer {
    static func make(_ config: Cluster, on loop: LoopPointer, _ block: CellBlock) -> ClusterPointer {
        let cluster = ClusterPointer.allocate(capacity: 1)
        cluster.initialize(
            to: ClusterState(
                loop: loop, config: config, name: FixedText(config.name),
                speaksHTTP1: config.protocol == .http1, usesTLS: config.tls != nil,
                connectTimeout: UInt64(config.connectTimeout), idleTimeout: UInt64(config.idleTimeout),
                counters: ClusterCounters(block), block: block, endpoints: .allocate(capacity: 0),
                balancing: LoopBalancing(config.balancing),
                choice: EndpointChoice(turn: loop.pointee.index), hasUnresolvedNames: false))
        cluster.pointee.choice.usesHash = config.balancing.policy == .consistentHash
        return cluster
    }

    /// Sets the addresses; endpoints whose address stays keep their pools. `resolved` has what is known of host names and
    /// files.
    func setAddresses(resolved: [String: [ResolvedAddress]]) {
        let old = Array(pointee.endpoints)
        var reusable: [String: [EndpointPointer]] = [:]
        for endpoint in old.reversed() { reusable[endpoint.pointee.name.string, default: []].append(endpoint) }
        let unhealthy = pointee.loop.pointee.unhealthy[pointee.config.name] ?? []
        var new: [EndpointPointer] = []
        pointee.hasUnresolvedNames = false
        for endpoint in pointee.config.endpoints {
            let addresses = pointee.config.addresses(of: endpoint, known: resolved)
            if addresses.isEmpty, endpoint.file == nil { pointee.hasUnresolvedNames = true }
            for found in addresses {
                // A record's or file's weight and that of the configuration multiply: at most 10^6 × 65,535.
                let weight = Int(max(1, endpoint.weight)) * Int(found.weight)
                let same = reusable[found.name]?.popLast()
                let endpoint = same ?? makeEndpoint(found, endpoint)
                endpoint.pointee.weight = weight
                endpoint.pointee.isHealthy = !unhealthy.contains(endpoint.pointee.name.string)
                // Those that come together with their cluster have nobody to take it slower than.
                if same == nil, !old.isEmpty, pointee.config.slowStart > 0 {
                    endpoint.pointee.rampsSince = pointee.loop.milliseconds
                }
                new.append(endpoint)
            }
        }
        pointee.endpoints.deallocate()
        pointee.endpoints = .allocate(capacity: new.count)
        _ = pointee.endpoints.initialize(from: new)
        endpointsChanged()
        let gone = Set(reusable.values.joined())
        for endpoint in old where gone.contains(endpoint) {
            endpoint.retire()
            pointee.retiredEndpoints.append(endpoint)
        }
    }

    private func makeEndpoint(_ found: EndpointAddress, _ config: Endpoint) -> EndpointPointer {
        let endpoint = EndpointPointer.allocate(capacity: 1)
        let key = MetricsRegistry.EndpointKey(cluster: pointee.config.name, endpoint: found.name)
        let block = pointee.loop.pointee.registry.takeUnretainedValue().useEndpoint(
            key, loop: pointee.loop.pointee.index)
        endpoint.initialize(
            to: EndpointState(
                cluster: self, address: found.address, host: FixedText(found.host),
                name: FixedText(found.name), tunnel: found.tunnel.map { FixedText($0) },
                lookupName: pointee.config.lookupName(of: config).map { FixedText($0) },
                weight: Int(max(1, config.weight)), drains: config.drains,
                share: Int(max(1, config.weight)), countsResponses: pointee.config.ejection.countsResponses,
                counters: EndpointCounters(block)))
        return endpoint
    }

    /// On all endpoints, waiting ones included.
    var activeExchanges: Int { pointee.endpoints.reduce(0) { $0 + $1.pointee.active } }

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
        pointee.balancing.deallocate()
        pointee.choice.deallocate()
        deinitialize(count: 1)
        deallocate()
        return true
    }
}

/// Text in memory of its own, for holders that must stay trivial.
struct FixedText {
    let bytes: UnsafeRawBufferPointer

    init(_ text: String) { self.init(bytes: text.utf8) }

    init(bytes text: some Collection<UInt8>) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count + 1, alignment: 1)
        copy.copyBytes(from: text)
        copy[text.count] = 0
        bytes = UnsafeRawBufferPointer(rebasing: copy[..<text.count])
    }

    var string: String { String(decoding: bytes, as: UTF8.self) }

    func holds(_ text: String) -> Bool { bytes.elementsEqual(text.utf8) }

    func deallocate() { bytes.deallocate() }
}

extension ClusterState {
    var nameBytes: UnsafeRawBufferPointer { name.bytes }
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
