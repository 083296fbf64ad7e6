// From a snapshot to something that loops can serve, off the loops: validation, route table, certificates, listening
// sockets. What only this machine can know (a port in use) degrades one object; what is wrong in itself refuses the whole.

internal import ConfigModel
internal import Logging
internal import RouteMatching
internal import Seal
internal import TLSMaterial

/// What came of warming a snapshot.
enum WarmupResult {
    /// Serve it. The named objects could not be brought up; their last good form serves on.
    case ready(ActiveSnapshot, listeners: [[ListenerSocket]], degraded: [ObjectProblem])
    /// Not usable; the version before serves on.
    case refused([ObjectProblem])
}

/// Keeps what is carried over from one snapshot to the next: certificates by hash, sockets by listener.
struct Warmup {
    private let registry: MetricsRegistry
    private let loopCount: Int
    private var identities: [Hash256: LoadedIdentity] = [:]
    private var policies: [ClientAuthentication: ClientPolicy] = [:]
    /// By their PEM.
    private var authorities: [String: CertificateAuthorities] = [:]
    /// By route: what was used of a limit counts on while it is the same.
    private var limiters: [String: RateLimiter] = [:]
    /// By listener name: the configuration they were opened for and one socket a loop.
    private var sockets: [String: (Listener, [ListenerSocket])] = [:]

    init(registry: MetricsRegistry, loopCount: Int) {
        self.registry = registry
        self.loopCount = loopCount
    }

    /// Everything of a snapshot that OpenSSL has to parse.
    struct Material {
        var identities: [String: LoadedIdentity] = [:]
        /// By virtual host.
        var clientPolicies: [String: ClientPolicy] = [:]
        /// By cluster.
        var upstreamTLS: [String: UpstreamTLSMaterial] = [:]
    }

    /// `wasServed`: a snapshot that was warmed before it came to disk. Its certificates are parsed when the first client asks:
    /// ten thousand of them would hold up the start by seconds.
    mutating func warm(_ snapshot: Snapshot, wasServed: Bool = false) -> WarmupResult {
        var problems = snapshot.validate()
        guard problems.isEmpty else { return .refused(problems) }
        let table = RouteTable(snapshot)
        problems = table.problems
        var next = self
        let material = next.parse(snapshot, wasServed, &problems)
        guard problems.isEmpty else { return .refused(problems) }
        self = next
        let degraded = openSockets(
            snapshot.objects.of(.listener).inOrderOfKeys().compactMap {
                if case .listener(let listener) = $0.object { listener } else { nil }
            })
        limiters = keepLimiters(table.routes)
        let active = ActiveSnapshot(
            snapshot: snapshot, table: table, material: material, limiters: limiters, registry: registry)
        return .ready(active, listeners: socketsByLoop(), degraded: degraded)
    }

    private func keepLimiters(_ routes: [Route]) -> [String: RateLimiter] {
        var next: [String: RateLimiter] = [:]
        for route in routes {
            guard let limit = route.filters.rateLimit else { continue }
            let known = limiters[route.name]
            next[route.name] = known?.config == limit ? known : RateLimiter(limit)
        }
        return next
    }

    /// Parses what is new, and forgets what the snapshot has no more.
    private mutating func parse(_ snapshot: Snapshot, _ wasServed: Bool, _ problems: inout [ObjectProblem]) -> Material
    {
        var material = Material()
        let known = self
        (identities, policies, authorities) = ([:], [:], [:])
        // Identities come first: clusters refer to them.
        for object in snapshot.objects {
            guard case .tlsIdentity(let identity) = object.object else { continue }
            let loaded = known.identities[object.hash] ?? LoadedIdentity(identity)
            if !wasServed, let reason = loaded.problem {
                problems.append(ObjectProblem(key: object.key, field: "certificateChain", reason: reason))
            }
            identities[object.hash] = loaded
            material.identities[identity.name] = loaded
        }
        for object in snapshot.objects {
            switch object.object {
            case .virtualHost(let host):
                guard let clients = host.clientAuthentication else { continue }
                do throws(TLSMaterialError) {
                    var policy = policies[clients] ?? known.policies[clients]
                    if policy == nil { policy = try ClientPolicy(clients) }
                    policies[clients] = policy
                    material.clientPolicies[host.name] = policy
                } catch {
                    let field = "clientAuthentication.certificateAuthorities"
                    problems.append(ObjectProblem(key: object.key, field: field, reason: error.reason))
                }
            case .cluster(let cluster):
                guard let tls = cluster.tls, tls.certificateAuthorities != nil || tls.clientIdentity != nil else {
                    continue
                }
                do throws(TLSMaterialError) {
                    var trusted: CertificateAuthorities?
                    if let pem = tls.certificateAuthorities {
                        trusted = authorities[pem] ?? known.authorities[pem]
                        if trusted == nil { trusted = try CertificateAuthorities(pem: pem) }
                        authorities[pem] = trusted
                    }
                    material.upstreamTLS[cluster.name] = UpstreamTLSMaterial(
                        authorities: trusted, identity: tls.clientIdentity.flatMap { material.identities[$0] })
                } catch {
                    problems.append(
                        ObjectProblem(key: object.key, field: "tls.certificateAuthorities", reason: error.reason))
                }
            case .listener, .tlsIdentity, .route, .consumer:
                break
            }
        }
        return material
    }

    /// Opens what is new or has another address; a listener that cannot be opened keeps its old sockets.
    private mutating func openSockets(_ listeners: [Listener]) -> [ObjectProblem] {
        var degraded: [ObjectProblem] = []
        var next: [String: (Listener, [ListenerSocket])] = [:]
        for listener in listeners {
            if let (old, open) = sockets[listener.name], old.hasSameAddress(as: listener) {
                next[listener.name] = (listener, open.map { $0.with(limits: listener.limits) })
                continue
            }
            do {
                next[listener.name] = (listener, try openListener(listener, loops: loopCount))
            } catch {
                degraded.append(
                    ObjectProblem(key: ObjectKey(.listener, listener.name), field: "port", reason: error.reason))
                next[listener.name] = sockets[listener.name]
            }
        }
        sockets = next
        return degraded
    }

    private func socketsByLoop() -> [[ListenerSocket]] {
        (0..<loopCount).map { loop in sockets.values.map { $0.1[loop] } }
    }

    /// What is listened on: name, address, port.
    var bound: [ListenerSocket] { sockets.values.compactMap(\.1.first).sorted { $0.name < $1.name } }
}

extension Listener {
    fileprivate func hasSameAddress(as other: Listener) -> Bool {
        address == other.address && port == other.port && tls == other.tls
    }
}

extension ListenerSocket {
    fileprivate func with(limits: ListenerLimits) -> ListenerSocket {
        ListenerSocket(
            name: name, address: address, port: port, tls: tls, limits: limits, descriptor: descriptor)
    }
}
