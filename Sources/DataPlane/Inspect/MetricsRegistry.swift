// Where the cells of all loops are found: made when a snapshot is warmed, dropped when their route or cluster has left the
// configuration and its last exchange is over.

internal import Synchronization
internal import Telemetry

final class MetricsRegistry: Sendable {
    /// One block a loop.
    let loops: [CellBlock]
    private let named = Mutex<Named>(Named())

    private struct Named {
        var routes: [String: [CellBlock]] = [:]
        var clusters: [String: [CellBlock]] = [:]
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

    /// Forgets what is not in the configuration any more. Snapshots that still run hold their blocks.
    func keepOnly(routes: Set<String>, clusters: Set<String>) {
        named.withLock { named in
            named.routes = named.routes.filter { routes.contains($0.key) }
            named.clusters = named.clusters.filter { clusters.contains($0.key) }
        }
    }

    /// Everything that is counted by route, in the order of names.
    func routes() -> [(name: String, blocks: [CellBlock])] {
        named.withLock { $0.routes.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }

    func clusters() -> [(name: String, blocks: [CellBlock])] {
        named.withLock { $0.clusters.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }
}
