// A snapshot as the loops serve it: built off the loops (`Warmup`), immutable, shared. Each loop adds a view of its own,
// `LoopSnapshot`, with its pools and counters; exchanges keep the view that they began with.

internal import CNghttp2
internal import ConfigModel
internal import RouteMatching
internal import Seal
internal import Synchronization
internal import Telemetry

final class ActiveSnapshot: Sendable {
    let snapshot: Snapshot
    let table: RouteTable
    /// The certificate of each virtual host of the table; nil: the default one is shown.
    let identities: [LoadedIdentity?]
    /// Shown without SNI and for names that no virtual host has: the default virtual host's, else the first by name.
    let defaultIdentity: LoadedIdentity?
    let identitiesByName: [String: LoadedIdentity]
    /// What each virtual host of the table asks of its clients; empty: none asks anything.
    private let clientPolicies: [ClientPolicy?]
    /// The virtual host that clients without SNI get.
    private let defaultHost: Int?
    /// By cluster, where connections need more than names.
    let upstreamTLS: [String: UpstreamTLSMaterial]
    /// Where clients of a host served over https only are sent; nil: no TLS listener.
    let redirectPort: UInt16?
    let consumers: ConsumerTable
    /// By route, where it has a rate limit.
    let limiters: [String: RateLimiter]
    let routeBlocks: [[CellBlock]]
    let clusterBlocks: [String: [CellBlock]]
    private let registry: MetricsRegistry

    init(
        snapshot: Snapshot, table: RouteTable, material: Warmup.Material, limiters: [String: RateLimiter],
        registry: MetricsRegistry
    ) {
        let identitiesByName = material.identities
        self.snapshot = snapshot
        self.table = table
        self.identitiesByName = identitiesByName
        let shown = table.virtualHosts.map { host in host.tlsIdentity.flatMap { identitiesByName[$0] } }
        identities = shown
        let policies = table.virtualHosts.map { material.clientPolicies[$0.name] }
        clientPolicies = policies.contains { $0 != nil } ? policies : []
        upstreamTLS = material.upstreamTLS
        defaultHost = table.virtualHosts.firstIndex { $0.hosts.contains("*") }
        defaultIdentity = defaultHost.flatMap { shown[$0] } ?? identitiesByName.min { $0.key < $1.key }?.value
        var port: UInt16?
        var blocks: [String: [CellBlock]] = [:]
        var consumers: [Consumer] = []
        for object in snapshot.objects {
            switch object.object {
            case .consumer(let consumer): consumers.append(consumer)
            case .cluster(let cluster): blocks[cluster.name] = registry.cluster(cluster.name)
            default: break
            }
        }
        for object in snapshot.objects.of(.listener).inOrderOfKeys() {
            if case .listener(let listener) = object.object, listener.tls, port == nil { port = listener.port }
        }
        redirectPort = port
        self.consumers = ConsumerTable(consumers)
        self.limiters = limiters
        clusterBlocks = blocks
        routeBlocks = table.routes.map { registry.route($0.name) }
        self.registry = registry
        registry.snapshots.add(1, ordering: .relaxed)
    }

    deinit { registry.snapshots.subtract(1, ordering: .relaxed) }

    /// The virtual host for a name in SNI (or none), or for an authority as if it were one.
    func host(forServerName name: UnsafeRawBufferPointer) -> Int? {
        name.isEmpty ? defaultHost : table.virtualHost(for: name)
    }

    /// The certificate of a virtual host.
    func identity(of host: Int?) -> LoadedIdentity? { host.flatMap { identities[$0] } ?? defaultIdentity }

    var asksClients: Bool { !clientPolicies.isEmpty }

    func clientPolicy(of host: Int?) -> ClientPolicy? {
        guard let host, !clientPolicies.isEmpty else { return nil }
        return clientPolicies[host]
    }

    /// Listeners in the order of their names.
    var listeners: [Listener] {
        snapshot.objects.of(.listener).inOrderOfKeys().compactMap {
            if case .listener(let listener) = $0.object { listener } else { nil }
        }
    }
}

typealias LoopSnapshotPointer = UnsafeMutablePointer<LoopSnapshot>

/// A loop's view of a snapshot.
struct LoopSnapshot {
    let shared: Unmanaged<ActiveSnapshot>
    let version: UInt64
    let routes: UnsafeMutablePointer<LoopRoute>
    let routeCount: Int
    let clusters: [ClusterPointer]
    /// By number of the consumer.
    let consumerNames: UnsafeMutableBufferPointer<FixedText>
    /// Exchanges that began with it.
    var exchanges = 0
    /// A newer one is served: freed with the last exchange.
    var isRetired = false
}

/// A route with everything that an exchange needs of it at hand.
struct LoopRoute {
    let index: Int
    let isGRPC: Bool
    let responseHeaders: UInt32?
    let streamIdle: UInt32?
    let total: UInt32?
    let rewritesPath: Bool
    let filters: FiltersPointer?
    /// `:authority` for the upstream, where the route gives another.
    let authority: nghttp2_nv?
    let authorityText: FixedText?
    let name: FixedText
    let destinations: UnsafeMutablePointer<LoopDestination>
    let destinationCount: Int
    let totalWeight: UInt64
    /// nil: only what provably was not processed.
    let retries: RetryPolicy?
    /// In place of the clusters' own.
    let balancing: LoopBalancing?
    let counters: RouteCounters

    var nameBytes: UnsafeRawBufferPointer { name.bytes }
}

struct LoopDestination {
    let cluster: ClusterPointer
    let weight: UInt32
}
