// A loop takes a new snapshot, in time that depends on what has changed: clusters that are equal keep their pools, routes that
// are equal stay as they are, the old view retires and goes with its last exchange. No connection and no stream is touched.

internal import COpenSSL
internal import ConfigModel
internal import RouteMatching

extension LoopPointer {
    func receive(_ message: LoopMessage) {
        switch message {
        case .swap(let snapshot, let changes, let listeners, let done):
            swap(to: snapshot, changes, listeners)
            done.countDown()
        case .resolved(let host, let addresses):
            pointee.addresses[host] = addresses
            for cluster in pointee.clusters.values where cluster.pointee.config.isReached(by: host) {
                cluster.setAddresses(resolved: pointee.addresses)
            }
        case .ticketKeys(let keys):
            _ = causeway_context_tickets(pointee.serverContext, keys.bytes, Int32(keys.count))
        case .health(let name, let endpoint, let isHealthy):
            if isHealthy {
                pointee.unhealthy[name]?.remove(endpoint)
            } else {
                pointee.unhealthy[name, default: []].insert(endpoint)
            }
            pointee.clusters[name]?.healthChanged(of: endpoint, isHealthy: isHealthy)
        case .walk(let walk):
            beginWalk(walk)
        case .lookAtEndpoints(let walk):
            pointee.endpointWalks.waiting.append(walk)
        case .accept(let done):
            acceptNow()
            done.countDown()
        case .beat(let done):
            done.countDown()
        case .drain(let milliseconds, let handedOver):
            beginDrain(milliseconds, handedOver: handedOver)
        case .stop:
            pointee.isStopped = true
        }
    }

    private func swap(to active: ActiveSnapshot, _ changes: SnapshotChanges, _ sockets: [ListenerSocket]) {
        let view = LoopSnapshotPointer.allocate(capacity: 1)
        view.initialize(
            to: LoopSnapshot(
                shared: .passRetained(active), version: active.snapshot.version))
        let old = pointee.snapshot
        pointee.snapshot = view
        makeRoom(forRoutes: active.table.routeCapacity)
        for slot in changes.routes { retireRoute(slot) }
        take(changes, active)
        begin(changes.ends)
        if let old {
            old.pointee.isRetired = true
            if old.pointee.exchanges == 0 { freeSnapshot(old) }
        }
        takeListeners(sockets)
    }

    /// New clusters, also in place of others; routes look for theirs when the next request takes them.
    private func take(_ changes: SnapshotChanges, _ active: ActiveSnapshot) {
        for object in changes.clusters {
            guard case .cluster(let config) = object.object else { continue }
            let block = pointee.registry.takeUnretainedValue().cluster(config.name)[pointee.index]
            let cluster = ClusterPointer.make(config, on: self, block)
            cluster.pointee.tlsMaterial = active.material.upstreamTLS(of: config.name)
            cluster.setAddresses(resolved: pointee.addresses)
            if let before = pointee.clusters.updateValue(cluster, forKey: config.name) { retire(before) }
        }
        for name in changes.removedClusters {
            if let before = pointee.clusters.removeValue(forKey: name) { retire(before) }
        }
        // For connections that are made from here on.
        for name in changes.retouchedClusters {
            pointee.clusters[name]?.pointee.tlsMaterial = active.material.upstreamTLS(of: name)
        }
        if changes.consumers { pointee.consumerEpoch &+= 1 }
        if changes.consumers || !changes.clusters.isEmpty || !changes.removedClusters.isEmpty {
            pointee.routeEpoch &+= 1
        }
    }

    private func retire(_ cluster: ClusterPointer) {
        cluster.retire()
        pointee.retiredClusters.append(cluster)
    }

    /// The last exchange of a retired view is over.
    func freeSnapshot(_ view: LoopSnapshotPointer) {
        view.pointee.shared.release()
        view.deinitialize(count: 1)
        view.deallocate()
    }

    /// New sockets begin to accept; then those that are not in the list any more take what waits in their queue and close, and
    /// let their connections go in peace. A socket that stays may have another form: so do those whose connections it changes.
    private func takeListeners(_ sockets: [ListenerSocket]) {
        if let largest = sockets.map(\.listener.limits.maxHeaderListSize).max() {
            pointee.maxResponseHeaderList = min(Loop.arenaSize, Int(largest))
        }
        var gone: [ListenerPointer] = []
        var kept: [Int32] = []
        var next = pointee.listeners
        while let listener = next {
            next = listener.pointee.next
            if listener.pointee.isClosed { continue }
            if let same = sockets.first(where: { $0.descriptor == listener.pointee.descriptor }) {
                if listener.pointee.take(same) { partFromConnections(of: listener) }
                kept.append(same.descriptor)
            } else {
                gone.append(listener)
            }
        }
        guard !pointee.isDraining else { return }
        for socket in sockets where !kept.contains(socket.descriptor) { addListener(socket) }
        for listener in gone {
            closeListener(listener)
            partFromConnections(of: listener)
        }
    }
}
