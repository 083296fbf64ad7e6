// A snapshot as the loops serve it: built off the loops (`Warmup`), immutable, shared. Each loop adds a view of its own,
// `LoopSnapshot`; exchanges keep the view that they began with.

internal import ConfigModel
internal import RouteMatching
internal import Synchronization

final class ActiveSnapshot: Sendable {
    let snapshot: Snapshot
    let table: RouteTable
    let material: SnapshotMaterial
    /// Shown without SNI and for names that no virtual host has: the default virtual host's, else the first by name.
    let defaultIdentity: LoadedIdentity?
    /// The virtual host that clients without SNI get.
    private let defaultHost: Int?
    /// In the order of names.
    let listeners: [Listener]
    /// Where clients of a host served over https only are sent: 443 where a listener has it, else that of the listener `https`, else
    /// that of the first with TLS; nil: there is none.
    let redirectPort: UInt16?
    let consumers: ConsumerTable
    private let registry: MetricsRegistry

    init(
        snapshot: Snapshot, table: RouteTable, material: SnapshotMaterial, listeners: [Listener],
        consumers: ConsumerTable, registry: MetricsRegistry
    ) {
        self.snapshot = snapshot
        self.table = table
        self.material = material
        self.listeners = listeners
        self.consumers = consumers
        self.registry = registry
        defaultHost = table.defaultVirtualHost
        let own = defaultHost.flatMap { material.hosts[$0]?.identity }.flatMap { material.identities[$0] }
        defaultIdentity = own ?? material.firstIdentity.flatMap { material.identity(named: $0) }
        let secure = listeners.filter(\.tls)
        redirectPort =
            (secure.first { $0.port == 443 } ?? secure.first { $0.name == "https" } ?? secure.first)?.port
        registry.snapshots.add(1, ordering: .relaxed)
    }

    deinit { registry.snapshots.subtract(1, ordering: .relaxed) }

    /// The virtual host for a name in SNI (or none), or for an authority as if it were one.
    func host(forServerName name: UnsafeRawBufferPointer) -> Int? {
        name.isEmpty ? defaultHost : table.virtualHost(for: name)
    }

    /// The certificate of a virtual host.
    func identity(of host: Int?) -> LoadedIdentity? {
        guard let host, let slot = material.hosts[host]?.identity else { return defaultIdentity }
        return material.identities[slot] ?? defaultIdentity
    }

    /// Whether any virtual host has a policy of its own for handshakes.
    var hasPolicies: Bool { material.policyHosts > 0 }

    func handshakePolicy(of host: Int?) -> HandshakePolicy? {
        guard let host, hasPolicies else { return nil }
        return material.hosts[host]?.policy
    }
}

/// What of a snapshot is other than in the one before, for loops that serve that one.
struct SnapshotChanges: Sendable {
    /// Slots of routes that are new, changed or gone.
    var routes: [Int] = []
    /// New or changed.
    var clusters: [SnapshotObject] = []
    var removedClusters: [String] = []
    /// Equal as objects, but with another certificate for their endpoints.
    var retouchedClusters: [String] = []
    var consumers = false
    /// Streams of routes that have changed or gone.
    var ends: [RouteEnd] = []
}

typealias LoopSnapshotPointer = UnsafeMutablePointer<LoopSnapshot>

/// A loop's view of a snapshot.
struct LoopSnapshot {
    let shared: Unmanaged<ActiveSnapshot>
    let version: UInt64
    /// Exchanges that began with it.
    var exchanges = 0
    /// A newer one is served: freed with the last exchange.
    var isRetired = false
}
