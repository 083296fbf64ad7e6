// A loop takes a new snapshot: clusters that are equal keep their pools, routes are laid out anew, the old view retires and
// goes with its last exchange. No connection and no stream is touched.

internal import CNghttp2
internal import COpenSSL
internal import ConfigModel
internal import RouteMatching

extension LoopPointer {
    func receive(_ message: LoopMessage) {
        switch message {
        case .swap(let snapshot, let listeners, let done):
            swap(to: snapshot, listeners)
            done.countDown()
        case .resolved(let host, let addresses):
            pointee.addresses[host] = addresses
            for cluster in pointee.clusters.values
            where cluster.pointee.config.endpoints.contains(where: { $0.host == host }) {
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
        case .drain(let milliseconds):
            beginDrain(milliseconds)
        case .stop:
            pointee.isStopped = true
        }
    }

    private func swap(to active: ActiveSnapshot, _ sockets: [ListenerSocket]) {
        let clusters = takeClusters(active)
        let routes = layOutRoutes(active)
        let view = LoopSnapshotPointer.allocate(capacity: 1)
        view.initialize(
            to: LoopSnapshot(
                shared: Unmanaged.passRetained(active), version: active.snapshot.version, routes: routes,
                routeCount: active.table.routes.count, clusters: clusters,
                consumerNames: .copy(active.consumers.names.map { FixedText($0) })))
        let old = pointee.snapshot
        pointee.snapshot = view
        if let old {
            old.pointee.isRetired = true
            if old.pointee.exchanges == 0 { freeSnapshot(old) }
        }
        takeListeners(sockets)
    }

    /// Clusters by name: the loop's own where the object is equal, else a new one.
    private func takeClusters(_ active: ActiveSnapshot) -> [ClusterPointer] {
        var next: [String: ClusterPointer] = [:]
        for object in active.snapshot.objects {
            guard case .cluster(let config) = object.object else { continue }
            if let kept = pointee.clusters[config.name], kept.pointee.hash == object.hash {
                // The certificate of that name may be another one now: for connections that are made from here on.
                kept.pointee.tlsMaterial = active.upstreamTLS[config.name]
                next[config.name] = kept
                continue
            }
            guard let blocks = active.clusterBlocks[config.name] else { continue }
            let cluster = ClusterPointer.make(
                config, hash: object.hash, on: self, counters: ClusterCounters(blocks[pointee.index]))
            cluster.pointee.tlsMaterial = active.upstreamTLS[config.name]
            cluster.setAddresses(resolved: pointee.addresses)
            next[config.name] = cluster
        }
        for (name, cluster) in pointee.clusters where next[name] != cluster {
            cluster.retire()
            pointee.retiredClusters.append(cluster)
        }
        pointee.clusters = next
        for cluster in next.values { cluster.pointee.users += 1 }
        return Array(next.values)
    }

    private func layOutRoutes(_ active: ActiveSnapshot) -> UnsafeMutablePointer<LoopRoute> {
        let table = active.table
        let routes = UnsafeMutablePointer<LoopRoute>.allocate(capacity: max(1, table.routes.count))
        for (index, route) in table.routes.enumerated() {
            let known = route.destinations.compactMap { destination in
                pointee.clusters[destination.cluster].map { LoopDestination(cluster: $0, weight: destination.weight) }
            }
            let destinations = UnsafeMutablePointer<LoopDestination>.allocate(capacity: max(1, known.count))
            destinations.initialize(from: known, count: known.count)
            if route.balancing?.policy == .consistentHash {
                for destination in known { destination.cluster.needsHashTable() }
            }
            let authority = route.rewrite?.authority.map { FixedText($0) }
            (routes + index).initialize(
                to: LoopRoute(
                    index: index, isGRPC: route.kind == .grpc, responseHeaders: route.timeouts.responseHeaders,
                    streamIdle: route.timeouts.streamIdle, total: route.timeouts.total,
                    rewritesPath: table.rewritesPath(index),
                    filters: .make(route.filters, route: route.name, active, self),
                    authority: authority.map { field(":authority", $0) },
                    authorityText: authority, name: FixedText(route.name), destinations: destinations,
                    destinationCount: known.count, totalWeight: known.reduce(0) { $0 + UInt64($1.weight) },
                    retries: route.retries, balancing: route.balancing.map(LoopBalancing.init),
                    counters: RouteCounters(active.routeBlocks[index][pointee.index])))
        }
        return routes
    }

    private func field(_ name: StaticString, _ text: FixedText) -> nghttp2_nv {
        var field = constant(name, "")
        field.value = text.bytes.baseAddress.map {
            UnsafeMutablePointer<UInt8>(mutating: $0.assumingMemoryBound(to: UInt8.self))
        }
        field.valuelen = text.bytes.count
        return field
    }

    /// The last exchange of a retired view is over.
    func freeSnapshot(_ view: LoopSnapshotPointer) {
        for index in 0..<view.pointee.routeCount {
            let route = view.pointee.routes[index]
            route.name.deallocate()
            route.authorityText?.deallocate()
            route.balancing?.deallocate()
            route.destinations.deallocate()
            route.filters?.free()
        }
        view.pointee.routes.deallocate()
        for name in view.pointee.consumerNames { name.deallocate() }
        view.pointee.consumerNames.deallocate()
        for cluster in view.pointee.clusters { cluster.pointee.users -= 1 }
        view.pointee.shared.release()
        view.deinitialize(count: 1)
        view.deallocate()
    }

    /// New sockets begin to accept; those that are not in the list any more take what waits in their queue and close.
    private func takeListeners(_ sockets: [ListenerSocket]) {
        var next = pointee.listeners
        var kept: [Int32] = []
        while let listener = next {
            next = listener.pointee.next
            if listener.pointee.isClosed { continue }
            if let same = sockets.first(where: { $0.descriptor == listener.pointee.socket.descriptor }) {
                listener.pointee.take(same.limits)
                kept.append(same.descriptor)
            } else {
                closeListener(listener)
            }
        }
        if let largest = sockets.map(\.limits.maxHeaderListSize).max() {
            pointee.maxResponseHeaderList = min(Loop.arenaSize, Int(largest))
        }
        guard !pointee.isDraining else { return }
        for socket in sockets where !kept.contains(socket.descriptor) { addListener(socket) }
    }
}
