// How the endpoints of clusters stand, for those who ask the worker: each loop tells its own view, some clusters each tick, so that
// nobody on it waits for the list.

internal import ConfigModel

/// One look at the endpoints of some clusters of a loop.
final class EndpointWalk: Sendable {
    /// What a loop knows of one address of an endpoint.
    struct View: Sendable {
        let cluster: String
        /// As the configuration has it.
        let endpoint: String
        /// What metrics and logs call it; nil: its name or file has no address (yet).
        let address: String?
        let drains: Bool
        let hasChecks: Bool
        /// Too few are fit: all are used.
        let panics: Bool
        var isHealthy = true
        /// Milliseconds since it was put aside, and until it is tried again; nil: it is not aside.
        var aside: (since: UInt64, left: UInt64)?
        /// Failures in a row that put it aside.
        var failures: UInt32 = 0
        /// Thousandths of its weight, while that grows.
        var share: Int?
        var active = 0
        var connections = 0
    }

    let clusters: [String]
    private let found = Lock<[View]>([])
    private let done: Latch

    init?(_ clusters: [String]) {
        guard let done = Latch(1) else { return nil }
        self.clusters = clusters
        self.done = done
    }

    /// What the loop has found; nil: it did not answer in time.
    func wait(milliseconds: Int32) -> [View]? {
        done.wait(milliseconds: milliseconds) ? found.withLock { $0 } : nil
    }

    fileprivate func finish(_ views: [View]) {
        found.withLock { $0 = views }
        done.countDown()
    }

    /// Endpoints after which the loop goes on with its work.
    static let endpointsPerTick = 64
}

/// Where a loop stands in its looks at endpoints; the first one is under way.
struct EndpointWalks {
    var waiting: [EndpointWalk] = []
    /// The cluster that is looked at next.
    var next = 0
    var found: [EndpointWalk.View] = []
}

extension LoopPointer {
    /// A tick's share.
    func lookAtEndpoints() {
        guard let walk = pointee.endpointWalks.waiting.first else { return }
        let before = pointee.endpointWalks.found.count
        while pointee.endpointWalks.next < walk.clusters.count,
            pointee.endpointWalks.found.count - before < EndpointWalk.endpointsPerTick
        {
            let cluster = pointee.clusters[walk.clusters[pointee.endpointWalks.next]]
            if let cluster { pointee.endpointWalks.found += cluster.views(known: pointee.addresses) }
            pointee.endpointWalks.next += 1
        }
        guard pointee.endpointWalks.next == walk.clusters.count else { return }
        walk.finish(pointee.endpointWalks.found)
        pointee.endpointWalks.waiting.removeFirst()
        pointee.endpointWalks.next = 0
        pointee.endpointWalks.found = []
    }
}

extension ClusterPointer {
    /// Of each endpoint as it is configured, by its addresses, which stand in the same order as the loop's states.
    fileprivate func views(known: [String: [ResolvedAddress]]) -> [EndpointWalk.View] {
        let now = pointee.loop.milliseconds
        // Time alone may have brought some back.
        if now >= pointee.choice.reviewAt { review() }
        var states = pointee.endpoints[...]
        return pointee.config.endpoints.flatMap { endpoint in
            let addresses = pointee.config.addresses(of: endpoint, known: known)
            if addresses.isEmpty { return [view(endpoint, nil)] }
            return addresses.map { found in
                guard let state = states.first, state.pointee.name.holds(found.name) else {
                    return view(endpoint, found.name)
                }
                states = states.dropFirst()
                return state.fill(view(endpoint, found.name), now)
            }
        }
    }

    private func view(_ endpoint: Endpoint, _ address: String?) -> EndpointWalk.View {
        EndpointWalk.View(
            cluster: pointee.config.name, endpoint: endpoint.text, address: address, drains: endpoint.drains,
            hasChecks: pointee.config.healthCheck != nil, panics: pointee.choice.panics)
    }
}

extension EndpointPointer {
    fileprivate func fill(_ view: EndpointWalk.View, _ now: UInt64) -> EndpointWalk.View {
        var view = view
        view.isHealthy = pointee.isHealthy
        if pointee.ejection.until > now {
            view.aside = (now &- min(pointee.ejection.since, now), pointee.ejection.until - now)
            view.failures = pointee.cluster.pointee.config.ejection.failures
        }
        if pointee.rampsSince > 0, pointee.rampsSince <= now {
            let window = UInt64(pointee.cluster.pointee.config.slowStart)
            view.share = slowStartShare(since: pointee.rampsSince, now: now, window: window)
        }
        view.active = pointee.active
        view.connections = pointee.connections
        return view
    }
}

extension Endpoint {
    /// `address:port`, `[address]:port`, `name:port`, `unix:/path`, or `file:/path`.
    fileprivate var text: String {
        if host.hasPrefix("unix:") || file != nil { return host }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
