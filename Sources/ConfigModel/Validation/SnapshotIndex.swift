// What the rules between objects need to know of a snapshot, and what they found: carried from version to version, so that a
// change is judged by what it touches. The whole check is the same code over all objects.

import HashTreeCollections

/// The verdict on a snapshot, and what the verdict on the next one starts from.
package struct SnapshotIndex: Sendable {
    private var hosts = Claims<String>()
    private var addresses = Claims<ListenerAddress>()
    private var orders = Claims<UInt64>()
    private var credentials = Claims<Credential>()
    private var tokens = Claims<TokenClaim>()
    private var referrers = Referrers()
    private var found = TreeDictionary<ObjectKey, [ObjectProblem]>()

    private struct ListenerAddress: Hashable, Sendable {
        let address: String
        let port: UInt16
    }

    /// Everything that can be judged from values alone, in the order of the objects' keys. Empty: fit to be served.
    package var problems: [ObjectProblem] {
        found.isEmpty ? [] : found.keys.sorted().flatMap { found[$0] ?? [] }
    }

    package var isValid: Bool { found.isEmpty }

    /// Of a snapshot without objects.
    package init() {}

    /// Judges the whole.
    package init(_ snapshot: Snapshot) {
        for object in snapshot.objects { _ = add(object) }
        for object in snapshot.objects { judge(object, in: snapshot) }
    }

    /// The index of the snapshot that the changes lead to. Judges what they touch: the objects that are new or changed, those that
    /// refer to what came or went, and those that claim what was claimed or given up.
    package func following(_ diff: SnapshotDiff, to snapshot: Snapshot) -> SnapshotIndex {
        var next = self
        var touched: Set<ObjectKey> = []
        for object in diff.removed {
            touched.formUnion(next.remove(object))
            next.found[object.key] = nil
        }
        for change in diff.changed { touched.formUnion(next.remove(change.old)) }
        for change in diff.changed {
            touched.formUnion(next.add(change.new))
            touched.insert(change.new.key)
            // What a referrer may ask of an object, other than that it is there.
            if Self.upstreamProtocol(change.old) != Self.upstreamProtocol(change.new) {
                touched.formUnion(next.referrers.users(of: change.new.key))
            }
        }
        for object in diff.added {
            touched.formUnion(next.add(object))
            touched.insert(object.key)
        }
        for object in diff.added + diff.removed { touched.formUnion(next.referrers.users(of: object.key)) }
        for key in touched {
            if let object = snapshot[key] { next.judge(object, in: snapshot) }
        }
        return next
    }

    // MARK: What is known

    /// Gives back those who claim something that the object claims.
    private mutating func add(_ object: SnapshotObject) -> [ObjectKey] {
        let key = object.key
        for target in object.object.references { referrers.add(target, key) }
        switch object.object {
        case .listener(let value): return value.port == 0 ? [] : addresses.add(Self.address(value), key)
        case .virtualHost(let value): return value.hosts.flatMap { hosts.add($0, key) }
        case .route(let value): return orders.add(value.order, key)
        case .consumer(let value):
            return value.credentials.flatMap { credentials.add($0, key) }
                + value.tokens.flatMap { tokens.add($0.claim, key) }
        case .tlsIdentity, .cluster: return []
        }
    }

    /// Gives back those who claim something that the object claimed.
    private mutating func remove(_ object: SnapshotObject) -> [ObjectKey] {
        let key = object.key
        for target in object.object.references { referrers.remove(target, key) }
        switch object.object {
        case .listener(let value): return value.port == 0 ? [] : addresses.remove(Self.address(value), key)
        case .virtualHost(let value): return value.hosts.flatMap { hosts.remove($0, key) }
        case .route(let value): return orders.remove(value.order, key)
        case .consumer(let value):
            return value.credentials.flatMap { credentials.remove($0, key) }
                + value.tokens.flatMap { tokens.remove($0.claim, key) }
        case .tlsIdentity, .cluster: return []
        }
    }

    private static func address(_ listener: Listener) -> ListenerAddress {
        ListenerAddress(address: listener.address, port: listener.port)
    }

    private static func upstreamProtocol(_ object: SnapshotObject) -> UpstreamProtocol? {
        if case .cluster(let cluster) = object.object { cluster.protocol } else { nil }
    }

    // MARK: Rules between objects

    private mutating func judge(_ object: SnapshotObject, in snapshot: Snapshot) {
        var findings = Findings(object.key)
        switch object.object {
        case .listener(let value): check(value, &findings)
        case .virtualHost(let value): check(value, snapshot, &findings)
        case .route(let value): check(value, snapshot, &findings)
        case .cluster(let value): check(value, snapshot, &findings)
        case .consumer(let value): check(value, &findings)
        case .tlsIdentity: break
        }
        let problems = object.object.validate() + findings.problems
        if problems.isEmpty {
            // Nothing was found before either, nearly always: then nothing is copied.
            if found[object.key] != nil { found[object.key] = nil }
        } else {
            found[object.key] = problems
        }
    }

    private func check(_ listener: Listener, _ findings: inout Findings) {
        guard listener.port != 0 else { return }
        if let other = addresses.owner(of: Self.address(listener), before: findings.key) {
            findings.report("port", "is taken at that address by listener \(other.name)")
        }
    }

    private func check(_ host: VirtualHost, _ snapshot: Snapshot, _ findings: inout Findings) {
        var named: Set<String> = []
        for (index, name) in host.hosts.enumerated() {
            if !named.insert(name).inserted {
                findings.report("hosts[\(index)]", "stands twice in the list")
            } else if let other = hosts.owner(of: name, before: findings.key) {
                findings.report("hosts[\(index)]", "stands in virtual host \(other.name) already")
            }
        }
        if let identity = host.tlsIdentity, snapshot[ObjectKey(.tlsIdentity, identity)] == nil {
            findings.report("tlsIdentity", "TLS identity \(identity) does not exist")
        }
    }

    private func check(_ cluster: Cluster, _ snapshot: Snapshot, _ findings: inout Findings) {
        if let identity = cluster.tls?.clientIdentity, snapshot[ObjectKey(.tlsIdentity, identity)] == nil {
            findings.report("tls.clientIdentity", "TLS identity \(identity) does not exist")
        }
    }

    private func check(_ consumer: Consumer, _ findings: inout Findings) {
        var named: Set<Credential> = []
        for (index, credential) in consumer.credentials.enumerated() {
            if !named.insert(credential).inserted {
                findings.report("credentials[\(index)]", "is twice in the list")
            } else if let other = credentials.owner(of: credential, before: findings.key) {
                findings.report("credentials[\(index)]", "is that of consumer \(other.name), too")
            }
        }
        var claimed: Set<TokenClaim> = []
        for (index, token) in consumer.tokens.enumerated() {
            if !claimed.insert(token.claim).inserted {
                findings.report(
                    "tokens[\(index)].issuer", "is twice in the list, at the same place and with the same subject")
            } else if let other = tokens.owner(of: token.claim, before: findings.key) {
                findings.report(
                    "tokens[\(index)].issuer",
                    "is that of consumer \(other.name), too: a token could be of either; name the subject of each")
            }
        }
    }

    private func check(_ route: Route, _ snapshot: Snapshot, _ findings: inout Findings) {
        var named: Set<String> = []
        for (index, host) in route.virtualHosts.enumerated() {
            if snapshot[ObjectKey(.virtualHost, host)] == nil {
                findings.report("virtualHosts[\(index)]", "virtual host \(host) does not exist")
            } else if !named.insert(host).inserted {
                findings.report("virtualHosts[\(index)]", "stands in the list twice")
            }
        }
        for (index, destination) in route.destinations.enumerated() {
            guard let cluster = snapshot[ObjectKey(.cluster, destination.cluster)] else {
                findings.report("destinations[\(index)].cluster", "cluster \(destination.cluster) does not exist")
                continue
            }
            if route.kind == .grpc && Self.upstreamProtocol(cluster) != .http2 {
                findings.report(
                    "destinations[\(index)].cluster",
                    "cluster \(destination.cluster) speaks HTTP/1.1, and gRPC needs HTTP/2")
            }
        }
        for (index, name) in (route.filters.authentication?.consumers ?? []).enumerated()
        where snapshot[ObjectKey(.consumer, name)] == nil {
            findings.report("filters.authentication.consumers[\(index)]", "consumer \(name) does not exist")
        }
        if let fallback = route.fallback {
            if let cluster = snapshot[ObjectKey(.cluster, fallback)] {
                if route.kind == .grpc && Self.upstreamProtocol(cluster) != .http2 {
                    findings.report("fallback", "cluster \(fallback) speaks HTTP/1.1, and gRPC needs HTTP/2")
                }
            } else {
                findings.report("fallback", "cluster \(fallback) does not exist")
            }
        }
        if let mirror = route.filters.mirror, snapshot[ObjectKey(.cluster, mirror.cluster)] == nil {
            findings.report("filters.mirror.cluster", "cluster \(mirror.cluster) does not exist")
        }
        if let other = orders.owner(of: route.order, before: findings.key) {
            findings.report("order", "is the same as that of route \(other.name)")
        }
    }
}
