// What of a snapshot OpenSSL has to parse, and limits that count on: carried from snapshot to snapshot, changed where objects
// changed. A value over persistent structures: one change costs the same among many objects as among few.

internal import ConfigModel
internal import HashTreeCollections
internal import RouteMatching
internal import Seal
internal import TLSMaterial

struct SnapshotMaterial: Sendable {
    /// A virtual host as handshakes see it.
    struct Host: Sendable {
        /// Slot of the certificate; nil: the default one is shown.
        let identity: Int?
        /// What it asks of its clients.
        let policy: HandshakePolicy?
        let rules: HandshakeRules?
    }

    /// By slot of the virtual host.
    private(set) var hosts = SlotVector<Host>()
    /// Virtual hosts that have a policy.
    private(set) var policyHosts = 0
    /// By a slot that stays while a certificate of that name is there: one that is renewed is one element, however many virtual
    /// hosts show it.
    private(set) var identities = SlotVector<LoadedIdentity>()
    /// The first by name.
    private(set) var firstIdentity: String?
    private var identitySlots = TreeDictionary<String, Int>()
    private var identityNumbers = SlotNumbers()
    /// By cluster, where connections need more than names.
    private var upstreamTLS = TreeDictionary<String, UpstreamTLSMaterial>()
    /// Clusters that show a certificate, by its name.
    private var showing = TreeDictionary<String, Set<String>>()
    /// By route, where it has a rate limit: what was used of it counts on while it is the same.
    private var limiters = TreeDictionary<String, RateLimiter>()
    /// By route, where what runs at once is limited: counted on while that is per address, or not, as before.
    private var concurrencyLimiters = TreeDictionary<String, ConcurrencyLimiter>()
    private var policies = SharedValues<HandshakeRules, HandshakePolicy>()
    /// By their PEM.
    private var authorities = SharedValues<String, CertificateAuthorities>()

    func upstreamTLS(of cluster: String) -> UpstreamTLSMaterial? { upstreamTLS[cluster] }

    func limiter(of route: String) -> RateLimiter? { limiters[route] }

    func concurrencyLimiter(of route: String) -> ConcurrencyLimiter? { concurrencyLimiters[route] }

    func identity(named name: String) -> LoadedIdentity? { identitySlots[name].flatMap { identities[$0] } }

    /// Follows a change. Problems are added for what cannot be parsed: then the value is not to be used.
    ///
    /// `wasServed`: a snapshot that was warmed before it came to disk. Its certificates are parsed when the first client asks:
    /// ten thousand of them would hold up the start by seconds. Gives back the clusters that are as before but show another certificate.
    mutating func follow(
        _ diff: SnapshotDiff, to snapshot: Snapshot, _ update: RouteTable.Update, wasServed: Bool,
        _ problems: inout [ObjectProblem]
    ) -> Set<String> {
        let put = diff.added + diff.changed.map(\.new)
        var retouched: Set<String> = []
        // Identities come first: hosts and clusters refer to them.
        for object in diff.removed {
            if case .tlsIdentity(let identity) = object.object { remove(identity) }
        }
        for object in put {
            guard case .tlsIdentity(let identity) = object.object else { continue }
            let loaded = LoadedIdentity(identity)
            if !wasServed, let reason = loaded.problem {
                problems.append(ObjectProblem(key: object.key, field: "certificateChain", reason: reason))
            }
            set(identity.name, loaded)
            retouched.formUnion(showing[identity.name] ?? [])
        }
        for slot in update.virtualHosts { follow(host: update.table.virtualHost(at: slot), at: slot, &problems) }
        for object in diff.removed { takeOut(object) }
        for change in diff.changed { takeOut(change.old, for: change.new) }
        for object in put {
            switch object.object {
            case .cluster(let cluster):
                retouched.remove(cluster.name)
                putIn(cluster, object.key, &problems)
            case .route(let route):
                if let limit = route.filters.rateLimit, limiters[route.name] == nil {
                    limiters[route.name] = RateLimiter(limit)
                }
                if let limit = route.filters.concurrencyLimit, concurrencyLimiters[route.name] == nil {
                    concurrencyLimiters[route.name] = ConcurrencyLimiter(perAddress: limit.perAddress)
                }
            case .listener, .tlsIdentity, .virtualHost, .consumer: break
            }
        }
        for name in retouched {
            if case .cluster(let cluster) = snapshot[ObjectKey(.cluster, name)]?.object { setMaterial(of: cluster) }
        }
        return retouched
    }

    // MARK: - Certificates

    private mutating func set(_ name: String, _ identity: LoadedIdentity) {
        let slot = identitySlots[name] ?? identityNumbers.take()
        identitySlots[name] = slot
        identities[slot] = identity
        firstIdentity = min(firstIdentity ?? name, name)
    }

    private mutating func remove(_ identity: TLSIdentity) {
        guard let slot = identitySlots.removeValue(forKey: identity.name) else { return }
        identities[slot] = nil
        identityNumbers.giveBack(slot)
        if firstIdentity == identity.name { firstIdentity = identitySlots.keys.min() }
    }

    // MARK: - Virtual hosts

    private mutating func follow(host: VirtualHost?, at slot: Int, _ problems: inout [ObjectProblem]) {
        let before = hosts[slot]
        var policy: HandshakePolicy?
        let rules = host.flatMap { HandshakeRules($0) }
        if let host, let reason = CipherSuites.problem(rules?.tls?.cipherSuites ?? []) {
            let key = ObjectKey(.virtualHost, host.name)
            problems.append(ObjectProblem(key: key, field: "tls.cipherSuites", reason: reason))
        }
        if let host, let rules {
            do throws(TLSMaterialError) {
                policy = try policies.take(rules) { rules throws(TLSMaterialError) in try HandshakePolicy(rules) }
            } catch {
                let field = "clientAuthentication.certificateAuthorities"
                problems.append(
                    ObjectProblem(key: ObjectKey(.virtualHost, host.name), field: field, reason: error.reason))
            }
        }
        if let rules = before?.rules { policies.giveBack(rules) }
        policyHosts += (policy == nil ? 0 : 1) - (before?.policy == nil ? 0 : 1)
        hosts[slot] = host.map { host in
            Host(
                identity: host.tlsIdentity.flatMap { identitySlots[$0] }, policy: policy,
                rules: policy == nil ? nil : rules)
        }
    }

    // MARK: - Clusters and routes

    private mutating func takeOut(_ object: SnapshotObject, for new: SnapshotObject? = nil) {
        switch object.object {
        case .cluster(let cluster):
            upstreamTLS[cluster.name] = nil
            if let pem = cluster.tls?.certificateAuthorities { authorities.giveBack(pem) }
            if let name = cluster.tls?.clientIdentity {
                showing[name]?.remove(cluster.name)
                if showing[name]?.isEmpty ?? false { showing[name] = nil }
            }
        case .route(let route):
            let next: RouteFilters? = if case .route(let next) = new?.object { next.filters } else { nil }
            if next?.rateLimit != route.filters.rateLimit { limiters[route.name] = nil }
            if next?.concurrencyLimit?.perAddress != route.filters.concurrencyLimit?.perAddress {
                concurrencyLimiters[route.name] = nil
            }
        case .listener, .tlsIdentity, .virtualHost, .consumer: break
        }
    }

    private mutating func putIn(_ cluster: Cluster, _ key: ObjectKey, _ problems: inout [ObjectProblem]) {
        guard let tls = cluster.tls else { return }
        if let pem = tls.certificateAuthorities {
            do throws(TLSMaterialError) {
                _ = try authorities.take(pem) { pem throws(TLSMaterialError) in try CertificateAuthorities(pem: pem) }
            } catch {
                problems.append(ObjectProblem(key: key, field: "tls.certificateAuthorities", reason: error.reason))
            }
        }
        if let name = tls.clientIdentity { showing[name, default: []].insert(cluster.name) }
        setMaterial(of: cluster)
    }

    private mutating func setMaterial(of cluster: Cluster) {
        guard let tls = cluster.tls else { return }
        let own = tls.certificateAuthorities.flatMap { authorities[$0] }
        upstreamTLS[cluster.name] = UpstreamTLSMaterial(
            authorities: own ?? (tls.verify ? .system : nil),
            identity: tls.clientIdentity.flatMap { identity(named: $0) })
    }
}

/// Values that are made once for equal keys, and go with their last user.
struct SharedValues<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        let value: Value
        var users: Int
    }

    private var entries = TreeDictionary<Key, Entry>()

    subscript(key: Key) -> Value? { entries[key]?.value }

    mutating func take<Failure: Error>(_ key: Key, _ make: (Key) throws(Failure) -> Value) throws(Failure) -> Value {
        if let entry = entries[key] {
            entries[key] = Entry(value: entry.value, users: entry.users + 1)
            return entry.value
        }
        let value = try make(key)
        entries[key] = Entry(value: value, users: 1)
        return value
    }

    mutating func giveBack(_ key: Key) {
        guard let entry = entries[key] else { return }
        entries[key] = entry.users > 1 ? Entry(value: entry.value, users: entry.users - 1) : nil
    }
}
