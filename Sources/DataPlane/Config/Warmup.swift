// From a snapshot to something that loops can serve, off the loops: validation, route table, certificates, listening
// sockets. What only this machine can know (a port in use) degrades one object; what is wrong in itself refuses the whole.

internal import ConfigModel
internal import Logging
internal import RouteMatching
internal import Seal

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
    /// By listener name: the configuration they were opened for and one socket a loop.
    private var sockets: [String: (Listener, [ListenerSocket])] = [:]

    init(registry: MetricsRegistry, loopCount: Int) {
        self.registry = registry
        self.loopCount = loopCount
    }

    mutating func warm(_ snapshot: Snapshot) -> WarmupResult {
        var problems = snapshot.validate()
        guard problems.isEmpty else { return .refused(problems) }
        let table = RouteTable(snapshot)
        problems = table.problems
        var nextIdentities: [Hash256: LoadedIdentity] = [:]
        var byName: [String: LoadedIdentity] = [:]
        var listeners: [Listener] = []
        for object in snapshot.objects {
            switch object.object {
            case .tlsIdentity(let identity):
                let loaded = identities[object.hash] ?? LoadedIdentity(identity)
                if let reason = loaded.problem {
                    problems.append(ObjectProblem(key: object.key, field: "certificateChain", reason: reason))
                }
                nextIdentities[object.hash] = loaded
                byName[identity.name] = loaded
            case .listener(let listener):
                listeners.append(listener)
            case .virtualHost, .cluster, .route:
                break
            }
        }
        guard problems.isEmpty else { return .refused(problems) }
        identities = nextIdentities
        let degraded = openSockets(listeners)
        let active = ActiveSnapshot(snapshot: snapshot, table: table, identitiesByName: byName, registry: registry)
        return .ready(active, listeners: socketsByLoop(), degraded: degraded)
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
