// Rules that only the whole set can break: references, hosts that stand in two virtual hosts, addresses that are bound
// twice, equal creation orders. The control plane runs this before a save commits, the worker before it swaps.

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
}

extension Snapshot {
    /// Everything that can be judged from values alone, in the order of the objects. Empty: fit to be served.
    package func validate() -> [ObjectProblem] {
        var references = References()
        for object in objects { references.add(object.object) }
        var problems: [ObjectProblem] = []
        for object in objects {
            problems += object.object.validate()
            references.check(object.object, &problems)
        }
        return problems
    }
}

/// What exists in a snapshot, and which unique things are taken so far.
private struct References {
    private var identities: Set<String> = []
    private var virtualHosts: Set<String> = []
    private var clusters: [String: UpstreamProtocol] = [:]
    private var addresses: [String: String] = [:]
    private var hosts: [String: String] = [:]
    private var orders: [UInt64: String] = [:]
    private var consumers: Set<String> = []
    private var credentials: [Credential: String] = [:]

    mutating func add(_ object: ConfigObject) {
        switch object {
        case .tlsIdentity(let value): identities.insert(value.name)
        case .virtualHost(let value): virtualHosts.insert(value.name)
        case .cluster(let value): clusters[value.name] = value.protocol
        case .consumer(let value): consumers.insert(value.name)
        case .listener, .route: break
        }
    }

    mutating func check(_ object: ConfigObject, _ problems: inout [ObjectProblem]) {
        var findings = Findings(object.key)
        switch object {
        case .listener(let value): check(value, &findings)
        case .virtualHost(let value): check(value, &findings)
        case .route(let value): check(value, &findings)
        case .cluster(let value): check(value, &findings)
        case .consumer(let value): check(value, &findings)
        case .tlsIdentity: break
        }
        problems += findings.problems
    }

    private mutating func check(_ listener: Listener, _ findings: inout Findings) {
        guard listener.port != 0 else { return }
        let address = "\(listener.address) \(listener.port)"
        if let other = addresses.updateValue(listener.name, forKey: address) {
            findings.report("port", "is taken at that address by listener \(other)")
        }
    }

    private mutating func check(_ host: VirtualHost, _ findings: inout Findings) {
        for (index, name) in host.hosts.enumerated() {
            guard let other = hosts.updateValue(host.name, forKey: name) else { continue }
            let place = other == host.name ? "twice in the list" : "in virtual host \(other) already"
            findings.report("hosts[\(index)]", "stands \(place)")
        }
        if let identity = host.tlsIdentity, !identities.contains(identity) {
            findings.report("tlsIdentity", "TLS identity \(identity) does not exist")
        }
    }

    private func check(_ cluster: Cluster, _ findings: inout Findings) {
        if let identity = cluster.tls?.clientIdentity, !identities.contains(identity) {
            findings.report("tls.clientIdentity", "TLS identity \(identity) does not exist")
        }
    }

    private mutating func check(_ consumer: Consumer, _ findings: inout Findings) {
        for (index, credential) in consumer.credentials.enumerated() {
            guard let other = credentials.updateValue(consumer.name, forKey: credential) else { continue }
            let owner = other == consumer.name ? "twice in the list" : "that of consumer \(other), too"
            findings.report("credentials[\(index)]", "is \(owner)")
        }
    }

    private mutating func check(_ route: Route, _ findings: inout Findings) {
        var named: Set<String> = []
        for (index, host) in route.virtualHosts.enumerated() {
            if !virtualHosts.contains(host) {
                findings.report("virtualHosts[\(index)]", "virtual host \(host) does not exist")
            } else if !named.insert(host).inserted {
                findings.report("virtualHosts[\(index)]", "stands in the list twice")
            }
        }
        for (index, destination) in route.destinations.enumerated() {
            guard let upstream = clusters[destination.cluster] else {
                findings.report("destinations[\(index)].cluster", "cluster \(destination.cluster) does not exist")
                continue
            }
            if route.kind == .grpc && upstream != .http2 {
                findings.report(
                    "destinations[\(index)].cluster",
                    "cluster \(destination.cluster) speaks HTTP/1.1, and gRPC needs HTTP/2")
            }
        }
        for (index, name) in (route.filters.authentication?.consumers ?? []).enumerated()
        where !consumers.contains(name) {
            findings.report("filters.authentication.consumers[\(index)]", "consumer \(name) does not exist")
        }
        if let mirror = route.filters.mirror, clusters[mirror.cluster] == nil {
            findings.report("filters.mirror.cluster", "cluster \(mirror.cluster) does not exist")
        }
        if let other = orders.updateValue(route.name, forKey: route.order) {
            findings.report("order", "is the same as that of route \(other)")
        }
    }
}
