// Whether a snapshot is fit to be served. The control plane asks before a save commits, the worker before it swaps. Rules that
// only the whole set can break (references, hosts that stand in two virtual hosts, addresses that are bound twice, equal
// creation orders) are `SnapshotIndex`'s.

extension ConfigObject {
    /// Problems of the object by itself, without a look at others.
    package func validate() -> [ObjectProblem] {
        var findings = Findings(key)
        findings.check("name", Syntax.objectName(key.name))
        switch self {
        case .listener(let value): value.check(&findings)
        case .tlsIdentity(let value): value.check(&findings)
        case .virtualHost(let value): value.check(&findings)
        case .cluster(let value): value.check(&findings)
        case .route(let value): value.check(&findings)
        case .consumer(let value): value.check(&findings)
        }
        return findings.problems
    }

    /// What must be there for the object to stand.
    package var references: [ObjectKey] {
        switch self {
        case .route(let route):
            route.virtualHosts.map { ObjectKey(.virtualHost, $0) } + route.clusters.map { ObjectKey(.cluster, $0) }
                + (route.filters.authentication?.consumers ?? []).map { ObjectKey(.consumer, $0) }
        case .virtualHost(let host): host.tlsIdentity.map { [ObjectKey(.tlsIdentity, $0)] } ?? []
        case .cluster(let cluster): cluster.tls?.clientIdentity.map { [ObjectKey(.tlsIdentity, $0)] } ?? []
        case .listener, .tlsIdentity, .consumer: []
        }
    }
}

extension Route {
    /// The names of the clusters that it sends to, copies and the fallback included; one may come twice.
    package var clusters: [String] {
        destinations.map(\.cluster) + [filters.mirror?.cluster, fallback].compactMap(\.self)
    }
}

extension Snapshot {
    /// Everything that can be judged from values alone, in the order of the objects' keys. Empty: fit to be served.
    package func validate() -> [ObjectProblem] { SnapshotIndex(self).problems }
}
