// From a valid snapshot to something that loops can serve, off the loops: route table, certificates, listening
// sockets. What only this machine can know (a port in use) degrades one object; what is wrong in itself refuses the whole.
// What has not changed since the snapshot before is carried over, so that a change costs what it touches.

internal import ConfigModel
internal import Glibc
internal import Logging
internal import RouteMatching
internal import TLSMaterial

/// A snapshot that is ready to be served.
struct WarmSnapshot {
    let active: ActiveSnapshot
    /// Against the one that was warmed before it.
    let changes: SnapshotChanges
    /// By loop.
    let listeners: [[ListenerSocket]]
    /// Could not be brought up; their last good form serves on.
    let degraded: [ObjectProblem]
    let watch: ClusterWatch.Changes
    let diff: SnapshotDiff
}

/// What came of warming a snapshot.
enum WarmupResult {
    case ready(WarmSnapshot)
    /// Not usable; the version before serves on.
    case refused([ObjectProblem])
}

/// Keeps what is carried over from one snapshot to the next.
struct Warmup {
    private let registry: MetricsRegistry
    private let loopCount: Int
    /// What was warmed last.
    private var active: ActiveSnapshot?
    private var watch = ClusterWatch()
    /// By listener name: the configuration they were opened for, and sockets by loop: one each, unless they are inherited.
    private var sockets: [String: (Listener, [[ListenerSocket]])] = [:]
    private var inherited: InheritedSockets

    init(registry: MetricsRegistry, loopCount: Int, inherited: InheritedSockets = InheritedSockets()) {
        self.inherited = inherited
        self.registry = registry
        self.loopCount = loopCount
    }

    /// `wasServed`: a snapshot that was warmed before it came to disk.
    mutating func warm(_ snapshot: Snapshot, wasServed: Bool = false) -> WarmupResult {
        let diff = SnapshotDiff(from: active?.snapshot, to: snapshot)
        let update = (active?.table ?? RouteTable()).updated(diff)
        var problems = update.table.problems
        var material = active?.material ?? SnapshotMaterial()
        let retouched = material.follow(diff, to: snapshot, update, wasServed: wasServed, &problems)
        let changes = changes(diff, update, retouched)
        let known = active?.consumers ?? ConsumerTable()
        let consumers = changes.consumers ? known.following(diff) : known
        if changes.consumers { problems += consumers.problems }
        guard problems.isEmpty else { return .refused(problems) }

        let listeners = snapshot.objects.of(.listener).inOrderOfKeys().compactMap {
            if case .listener(let listener) = $0.object { listener } else { nil }
        }
        let degraded = openSockets(listeners)
        let next = ActiveSnapshot(
            snapshot: snapshot, table: update.table, material: material, listeners: listeners,
            consumers: consumers, registry: registry)
        active = next
        // Metrics show every cluster from the beginning on, and a route from its first request.
        for object in diff.added {
            if case .cluster(let cluster) = object.object { _ = registry.cluster(cluster.name) }
        }
        var watched = watch.follow(diff)
        if watched.checked == nil, !retouched.isEmpty { watched.checked = watch.checkedClusters }
        return .ready(
            WarmSnapshot(
                active: next, changes: changes, listeners: socketsByLoop(), degraded: degraded, watch: watched,
                diff: diff))
    }

    private func changes(
        _ diff: SnapshotDiff, _ update: RouteTable.Update, _ retouched: Set<String>
    ) -> SnapshotChanges {
        var changes = SnapshotChanges(routes: update.routes, retouchedClusters: Array(retouched))
        changes.ends = RouteEnd.made(of: diff, before: active?.table)
        for object in diff.added + diff.changed.map(\.new) {
            if object.key.kind == .cluster { changes.clusters.append(object) }
            if object.key.kind == .consumer { changes.consumers = true }
        }
        for object in diff.removed {
            if object.key.kind == .cluster { changes.removedClusters.append(object.key.name) }
            if object.key.kind == .consumer { changes.consumers = true }
        }
        return changes
    }

    /// Opens what is new or has another address; a listener that cannot be opened keeps its old sockets.
    private mutating func openSockets(_ listeners: [Listener]) -> [ObjectProblem] {
        var degraded: [ObjectProblem] = []
        var next: [String: (Listener, [[ListenerSocket]])] = [:]
        for listener in listeners {
            if let (old, open) = sockets[listener.name], old.hasSameAddress(as: listener) {
                let trust = old.trustsLike(listener) ? nil : ListenerTrust(listener)
                next[listener.name] = (listener, open.map { $0.map { $0.with(listener, trust) } })
                continue
            }
            if let adopted = adopt(for: listener) {
                next[listener.name] = (listener, adopted)
                continue
            }
            do {
                let opened = try openListener(listener, loops: loopCount)
                next[listener.name] = (listener, opened.map { [$0] })
            } catch {
                degraded.append(
                    ObjectProblem(key: ObjectKey(.listener, listener.name), field: "port", reason: error.reason))
                next[listener.name] = sockets[listener.name] ?? lastForm(of: listener)
            }
        }
        sockets = next
        return degraded
    }

    // MARK: - Inherited sockets

    /// Sockets that have come since.
    mutating func inherit(_ more: InheritedSockets) {
        for entry in more.entries { inherited.add(entry) }
    }

    /// Closes those that no listener took.
    mutating func closeLeftOver() {
        for entry in inherited.takeAll() { close(entry.descriptor) }
    }

    private mutating func adopt(for listener: Listener) -> [[ListenerSocket]]? {
        guard let address = SocketAddress(literal: listener.address, port: listener.port) else { return nil }
        return spread(inherited.take(address, name: listener.name), for: listener)
    }

    /// The worker before served it at another address, because this one could not be had.
    private mutating func lastForm(of listener: Listener) -> (Listener, [[ListenerSocket]])? {
        let entries = inherited.take(named: listener.name)
        guard let port = entries.first?.address.port, let open = spread(entries, for: listener) else { return nil }
        // Another port than the one wished for: the next try opens that one.
        var form = listener
        form.port = port == listener.port ? 0 : port
        return (form, open)
    }

    private func spread(_ entries: [InheritedSockets.Entry], for listener: Listener) -> [[ListenerSocket]]? {
        if entries.isEmpty { return nil }
        var taken: Set<Int> = []
        let trust = ListenerTrust(listener)
        return InheritedSockets.spread(entries.count, over: loopCount).map { indices in
            indices.compactMap { index in
                let own = entries[index].descriptor
                // Each loop closes its own.
                let descriptor = taken.insert(index).inserted ? own : fcntl(own, F_DUPFD_CLOEXEC, 0)
                guard descriptor >= 0 else { return nil }
                return ListenerSocket(
                    listener: listener, trust: trust, port: entries[index].address.port, descriptor: descriptor)
            }
        }
    }

    private func socketsByLoop() -> [[ListenerSocket]] {
        (0..<loopCount).map { loop in sockets.values.flatMap { $0.1[loop] } }
    }

    /// What is listened on: name, address, port.
    var bound: [ListenerSocket] { sockets.values.compactMap { $0.1.joined().first }.sorted { $0.name < $1.name } }
}

extension Listener {
    fileprivate func hasSameAddress(as other: Listener) -> Bool {
        address == other.address && port == other.port
    }

    fileprivate func trustsLike(_ other: Listener) -> Bool {
        proxyProtocol == other.proxyProtocol && forwardedHeaders == other.forwardedHeaders
    }
}

extension ListenerSocket {
    fileprivate func with(_ listener: Listener, _ other: ListenerTrust?) -> ListenerSocket {
        ListenerSocket(listener: listener, trust: other ?? trust, port: port, descriptor: descriptor)
    }
}
