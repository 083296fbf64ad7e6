// Where the cells of all loops are found: made when a snapshot is warmed, dropped when their route or cluster has left the
// configuration and its last exchange is over.

internal import ConfigModel
internal import Synchronization
internal import Telemetry

final class MetricsRegistry: Sendable {
    /// Snapshots that are served or still run.
    let snapshots = Atomic<Int>(0)
    /// One block a loop.
    let loops: [CellBlock]
    private let named = Lock<Named>(Named())

    private struct Named {
        var routes: [String: [CellBlock]] = [:]
        var clusters: [String: [CellBlock]] = [:]
        var listeners: [String: [CellBlock]] = [:]
        var endpoints: [EndpointKey: EndpointBlocks] = [:]
    }

    struct EndpointKey: Hashable, Sendable {
        let cluster: String
        /// `address:port`.
        let endpoint: String
    }

    private struct EndpointBlocks {
        let blocks: [CellBlock]
        /// States of loops that count in them.
        var users = 0
    }

    init(loopCount: Int) {
        loops = (0..<loopCount).map { _ in CellBlock(count: LoopStatistics.cellCount) }
    }

    /// The blocks of a route, one a loop; made at first use.
    func route(_ name: String) -> [CellBlock] {
        named.withLock { named in
            if let blocks = named.routes[name] { return blocks }
            let blocks = loops.map { _ in CellBlock(count: RouteCounters.cellCount) }
            named.routes[name] = blocks
            return blocks
        }
    }

    func cluster(_ name: String) -> [CellBlock] {
        named.withLock { named in
            if let blocks = named.clusters[name] { return blocks }
            let blocks = loops.map { _ in CellBlock(count: ClusterCounters.cellCount) }
            named.clusters[name] = blocks
            return blocks
        }
    }

    /// The blocks of a listener. Who counts in them holds them: connections outlive their listener.
    func listener(_ name: String) -> [CellBlock] {
        named.withLock { named in
            if let blocks = named.listeners[name] { return blocks }
            let blocks = loops.map { _ in CellBlock(count: ListenerCounters.cellCount) }
            named.listeners[name] = blocks
            return blocks
        }
    }

    /// A loop has an endpoint; its block lives until `leaveEndpoint`.
    func useEndpoint(_ key: EndpointKey, loop: Int) -> CellBlock {
        named.withLock { named in
            var entry =
                named.endpoints[key]
                ?? EndpointBlocks(blocks: loops.map { _ in CellBlock(count: EndpointCounters.cellCount) })
            entry.users += 1
            named.endpoints[key] = entry
            return entry.blocks[loop]
        }
    }

    func leaveEndpoint(_ key: EndpointKey) {
        named.withLock { named in
            guard var entry = named.endpoints[key] else { return }
            entry.users -= 1
            named.endpoints[key] = entry.users > 0 ? entry : nil
        }
    }

    /// Forgets what has left the configuration. Exchanges that still run hold their blocks; endpoints go with their last user.
    func forget(_ keys: [ObjectKey]) {
        named.withLock { named in
            for key in keys {
                switch key.kind {
                case .listener: named.listeners[key.name] = nil
                case .route: named.routes[key.name] = nil
                case .cluster: named.clusters[key.name] = nil
                case .tlsIdentity, .virtualHost, .consumer: break
                }
            }
        }
    }

    /// Everything that is counted by route, in the order of names.
    func routes() -> [(name: String, blocks: [CellBlock])] {
        named.withLock { $0.routes.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }

    func listeners() -> [(name: String, blocks: [CellBlock])] {
        named.withLock { $0.listeners.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }

    /// Those of clusters that are in the configuration.
    func endpoints() -> [(key: EndpointKey, blocks: [CellBlock])] {
        named.withLock { named in
            named.endpoints.filter { named.clusters[$0.key.cluster] != nil }.map { ($0.key, $0.value.blocks) }
        }.sorted { ($0.0.cluster, $0.0.endpoint) < ($1.0.cluster, $1.0.endpoint) }
    }

    func clusters() -> [(name: String, blocks: [CellBlock])] {
        named.withLock { $0.clusters.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }
}
