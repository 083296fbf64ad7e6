// Active health checks, on one thread for the whole worker: loops are told what changes, by mailbox. Traffic never waits
// for it, and what is known of an endpoint outlives every publish that leaves it in its cluster.

internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import Logging

final class HealthChecker: Sendable {
    /// What is told of one endpoint.
    struct Row: Sendable {
        let cluster: String
        let endpoint: String
        var isHealthy = true
        /// Milliseconds of `now` from which on it has been as healthy as it is.
        var since: UInt64
        var passed: UInt64 = 0
        var failed: UInt64 = 0
        /// Why the last check failed; nil: it did not.
        var failure: String?
    }

    private let loops: [Mailbox]
    private let logger: Logger
    private let wake: WakeUp
    private let inbox = Lock<Inbox>(Inbox())
    private let table = Lock<[Key: Row]>([:])

    private struct Inbox {
        /// Clusters with checks, in place of those before.
        var clusters: [Cluster] = []
        var material = SnapshotMaterial()
        var addresses: [String: [ResolvedAddress]] = [:]
        var changed = false
        var stopped = false
    }

    private struct Key: Hashable {
        let cluster: String
        let endpoint: String
    }

    /// What only the checker's thread touches.
    private struct Watched {
        let target: HealthTarget
        let address: SocketAddress
        var state = HealthState()
        var probe: HealthProbe?
        /// Milliseconds: of the next check, or the end of the running one.
        var due: UInt64
    }

    /// Checks that run at once.
    private static let maxProbes = 256

    init?(loops: [Mailbox], logger: Logger) {
        self.loops = loops
        self.logger = logger
        guard let wake = WakeUp() else { return nil }
        self.wake = wake
    }

    // MARK: - Told by other threads

    /// Clusters with checks and what connections to them need, in place of those before.
    func watch(_ clusters: [Cluster], _ material: SnapshotMaterial) {
        let changed = inbox.withLock { inbox in
            // Certificates may be others now although the clusters that name them are the same.
            inbox.material = material
            guard inbox.clusters != clusters else { return false }
            inbox.clusters = clusters
            inbox.changed = true
            return true
        }
        if changed { wake.signal() }
    }

    func resolved(_ host: String, _ addresses: [ResolvedAddress]) {
        inbox.withLock { inbox in
            inbox.addresses[host] = addresses
            inbox.changed = true
        }
        wake.signal()
    }

    func stop() {
        inbox.withLock { $0.stopped = true }
        wake.signal()
    }

    /// In the order of names.
    func rows() -> [Row] {
        table.withLock { Array($0.values) }.sorted { ($0.cluster, $0.endpoint) < ($1.cluster, $1.endpoint) }
    }

    func row(cluster: String, endpoint: String) -> Row? {
        table.withLock { $0[Key(cluster: cluster, endpoint: endpoint)] }
    }

    // MARK: - The thread

    /// Checks until stopped.
    func run() {
        guard let context = causeway_context_new(0) else {
            return logger.error("no memory for health checks: endpoints count as healthy")
        }
        defer { SSL_CTX_free(context) }
        var watched: [Key: Watched] = [:]
        while true {
            let (clusters, addresses, changed, stops) = inbox.withLock { inbox in
                defer { inbox.changed = false }
                return (inbox.clusters, inbox.addresses, inbox.changed, inbox.stopped)
            }
            if stops { return }
            if changed { take(clusters, addresses, &watched) }
            startDue(&watched, context, inbox.withLock { $0.material })
            wait(&watched)
        }
    }

    static var now: UInt64 { Clock.monotonicNanoseconds() / 1_000_000 }

    /// Endpoints that stay keep what is known of them.
    private func take(_ clusters: [Cluster], _ known: [String: [ResolvedAddress]], _ watched: inout [Key: Watched]) {
        var next: [Key: Watched] = [:]
        for cluster in clusters {
            guard let check = cluster.healthCheck else { continue }
            for endpoint in cluster.endpoints {
                for found in cluster.addresses(of: endpoint, known: known) {
                    let key = Key(cluster: cluster.name, endpoint: found.name)
                    let target = HealthTarget(
                        cluster: cluster.name, check: check, isHTTP2: cluster.protocol == .http2, tls: cluster.tls,
                        host: found.host, port: found.port, tunnel: found.tunnel, endpoint: key.endpoint)
                    if let old = watched[key], old.target == target {
                        next[key] = old
                    } else {
                        next[key] = Watched(
                            target: target, address: found.address, state: watched[key]?.state ?? HealthState(),
                            due: Self.now)
                    }
                }
            }
        }
        for (key, old) in watched where next[key] == nil && !old.state.isHealthy { tell(old, isHealthy: true) }
        watched = next
        table.withLock { table in
            table = table.filter { next[$0.key] != nil }
            for key in next.keys where table[key] == nil {
                table[key] = Row(cluster: key.cluster, endpoint: key.endpoint, since: Self.now)
            }
        }
    }

    private func startDue(
        _ watched: inout [Key: Watched], _ context: OpaquePointer, _ material: SnapshotMaterial
    ) {
        let now = Self.now
        var running = watched.values.count { $0.probe != nil }
        for key in watched.keys {
            guard var each = watched[key], each.due <= now else { continue }
            if each.probe != nil {
                finish(.failed("no answer within \(each.target.check.timeout) ms"), &each)
                running -= 1
            } else if running < Self.maxProbes {
                each.probe = HealthProbe(each.target, each.address, context, material.upstreamTLS(of: key.cluster))
                // Out of descriptors: that says nothing about the endpoint.
                each.due = now + UInt64(each.probe == nil ? each.target.check.interval : each.target.check.timeout)
                running += each.probe == nil ? 0 : 1
            }
            watched[key] = each
        }
    }

    private func wait(_ watched: inout [Key: Watched]) {
        var entries = [wake.entry]
        var keys: [Key] = []
        var due = UInt64.max
        for (key, each) in watched {
            due = min(due, each.due)
            guard let probe = each.probe else { continue }
            entries.append(pollfd(fd: probe.descriptor, events: probe.events, revents: 0))
            keys.append(key)
        }
        let now = Self.now
        // Where all slots are taken, what is due waits for one to get free.
        let delay: Int32 = due == .max ? -1 : due <= now ? 10 : Int32(clamping: due - now)
        poll(&entries, nfds_t(entries.count), delay)
        wake.take()
        for (entry, key) in zip(entries.dropFirst(), keys) where entry.revents != 0 {
            guard var each = watched[key], let verdict = each.probe?.advance() else { continue }
            finish(verdict, &each)
            watched[key] = each
        }
    }

    private func finish(_ verdict: HealthVerdict, _ each: inout Watched) {
        each.probe = nil
        each.due = Self.now + UInt64(each.target.check.interval)
        let change = each.state.checked(passed: verdict == .passed, each.target.check)
        let isHealthy = each.state.isHealthy
        table.withLock { table in
            let key = Key(cluster: each.target.cluster, endpoint: each.target.endpoint)
            if case .failed(let reason) = verdict {
                table[key]?.failed += 1
                table[key]?.failure = reason
            } else {
                table[key]?.passed += 1
                table[key]?.failure = nil
            }
            if change != .unchanged { table[key]?.since = Self.now }
            table[key]?.isHealthy = isHealthy
        }
        guard change != .unchanged else { return }
        var about: Logger.Metadata = ["cluster": "\(each.target.cluster)", "endpoint": "\(each.target.endpoint)"]
        if case .failed(let reason) = verdict { about["reason"] = "\(reason)" }
        logger.notice(isHealthy ? "an endpoint is healthy again" : "an endpoint is unhealthy", metadata: about)
        tell(each, isHealthy: isHealthy)
    }

    private func tell(_ each: Watched, isHealthy: Bool) {
        for loop in loops {
            loop.post(.health(cluster: each.target.cluster, endpoint: each.target.endpoint, isHealthy: isHealthy))
        }
    }
}
