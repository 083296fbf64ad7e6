// A route as one loop uses it: everything that an exchange needs, at hand. Made when the first request takes the route, and
// made anew when the route, a cluster of it or the consumers have changed; exchanges go on with the one they took.

internal import CNghttp2
internal import ConfigModel
internal import RouteMatching
internal import Telemetry

typealias LoopRoutePointer = UnsafeMutablePointer<LoopRoute>

struct LoopRoute {
    let compiled: Unmanaged<CompiledRoute>
    let slot: Int
    let isGRPC: Bool
    let responseHeaders: UInt32?
    let streamIdle: UInt32?
    let total: UInt32?
    let connect: UInt32?
    let send: UInt32?
    let rewritesPath: Bool
    let filters: FiltersPointer?
    let webSocketLimits: WebSocketLimits?
    /// `:authority` for the upstream, where the route gives another.
    let authority: nghttp2_nv?
    let authorityText: FixedText?
    let name: FixedText
    let destinations: UnsafeMutablePointer<LoopDestination>
    let destinationCount: Int
    let totalWeight: UInt64
    /// For exchanges whose own cluster has no endpoint.
    let fallback: ClusterPointer?
    /// nil: every answer goes to the client as it is.
    let errorStatuses: StatusSet?
    /// nil: only what provably was not processed.
    let retries: RetryPolicy?
    /// In place of the clusters' own.
    let balancing: LoopBalancing?
    let counters: RouteCounters
    let block: Unmanaged<CellBlock>
    /// The loop's `routeEpoch` at which it was last found up to date.
    var epoch: UInt64
    /// The loop's `consumerEpoch` at which it was made.
    let consumerEpoch: UInt64
    /// Exchanges that have it.
    var exchanges = 0
    /// Another one has taken its place: freed with its last exchange.
    var isRetired = false

    var nameBytes: UnsafeRawBufferPointer { name.bytes }
}

struct LoopDestination {
    let cluster: ClusterPointer
    let weight: UInt32
}

extension LoopPointer {
    /// The route of a slot of the table that is served; nil: there is none.
    @inline(__always)
    func route(_ slot: Int) -> LoopRoutePointer? {
        if slot < pointee.routeCapacity, let known = pointee.routes[slot], known.pointee.epoch == pointee.routeEpoch {
            return known
        }
        return renewedRoute(slot)
    }

    private func renewedRoute(_ slot: Int) -> LoopRoutePointer? {
        guard let active = pointee.snapshot?.pointee.shared.takeUnretainedValue(), slot < pointee.routeCapacity,
            let compiled = active.table.compiledRoute(at: slot)
        else { return nil }
        if let known = pointee.routes[slot] {
            if isCurrent(known) {
                known.pointee.epoch = pointee.routeEpoch
                return known
            }
            retireRoute(slot)
        }
        let made = makeRoute(compiled, active)
        pointee.routes[slot] = made
        return made
    }

    /// Whether what it was made of is still served: its object is, or it would not be there.
    private func isCurrent(_ route: LoopRoutePointer) -> Bool {
        for index in 0..<route.pointee.destinationCount
        where route.pointee.destinations[index].cluster.pointee.isRetired {
            return false
        }
        if route.pointee.fallback?.pointee.isRetired ?? false { return false }
        guard let filters = route.pointee.filters else { return true }
        if filters.pointee.mirror?.cluster.pointee.isRetired ?? false { return false }
        return filters.pointee.authentication == nil || route.pointee.consumerEpoch == pointee.consumerEpoch
    }

    private func makeRoute(_ compiled: CompiledRoute, _ active: ActiveSnapshot) -> LoopRoutePointer {
        let route = compiled.route
        let known = route.destinations.compactMap { destination in
            pointee.clusters[destination.cluster].map { LoopDestination(cluster: $0, weight: destination.weight) }
        }
        let destinations = UnsafeMutablePointer<LoopDestination>.allocate(capacity: max(1, known.count))
        destinations.initialize(from: known, count: known.count)
        let fallback = route.fallback.flatMap { pointee.clusters[$0] }
        for destination in known { destination.cluster.pointee.users += 1 }
        fallback?.pointee.users += 1
        let keepsSessions = route.filters.affinity.map { !$0.isPersistent } ?? false
        if route.balancing?.policy == .consistentHash || keepsSessions {
            for destination in known { destination.cluster.needsHashTable() }
            fallback?.needsHashTable()
        }
        let filters = FiltersPointer.make(route.filters, route: route.name, active, self)
        filters?.pointee.mirror?.cluster.pointee.users += 1
        let authority = route.rewrite?.authority.map { FixedText($0) }
        let block = pointee.registry.takeUnretainedValue().route(route.name)[pointee.index]
        let made = LoopRoutePointer.allocate(capacity: 1)
        made.initialize(
            to: LoopRoute(
                compiled: .passRetained(compiled), slot: compiled.slot, isGRPC: route.kind == .grpc,
                responseHeaders: route.timeouts.responseHeaders, streamIdle: route.timeouts.streamIdle,
                total: route.timeouts.total, connect: route.timeouts.connect, send: route.timeouts.send,
                rewritesPath: compiled.rewritesPath,
                filters: filters, webSocketLimits: route.filters.webSocketLimits,
                authority: authority.map { $0.field(":authority") }, authorityText: authority,
                name: FixedText(route.name), destinations: destinations, destinationCount: known.count,
                totalWeight: known.reduce(0) { $0 + UInt64($1.weight) }, fallback: fallback,
                errorStatuses: fallback == nil || route.errorStatuses.isEmpty ? nil : StatusSet(route.errorStatuses),
                retries: route.retries,
                balancing: route.balancing.map(LoopBalancing.init), counters: RouteCounters(block),
                block: .passRetained(block), epoch: pointee.routeEpoch, consumerEpoch: pointee.consumerEpoch))
        return made
    }

    /// Takes a route out of its slot.
    func retireRoute(_ slot: Int) {
        guard slot < pointee.routeCapacity, let route = pointee.routes[slot] else { return }
        pointee.routes[slot] = nil
        route.pointee.isRetired = true
        if route.pointee.exchanges == 0 { route.free() }
    }

    /// Lets go of routes that hold on to a cluster or consumers of before because no request has taken them since. Some at a time: the
    /// loop has other things to do.
    func dropOutdatedRoutes() {
        guard pointee.sweptEpoch != pointee.routeEpoch else { return }
        if pointee.sweepCursor == 0 { pointee.sweepEpoch = pointee.routeEpoch }
        let end = min(pointee.routeCapacity, pointee.sweepCursor + 8_192)
        for slot in pointee.sweepCursor..<max(end, pointee.sweepCursor) {
            guard let route = pointee.routes[slot], route.pointee.epoch != pointee.routeEpoch else { continue }
            if isCurrent(route) { route.pointee.epoch = pointee.routeEpoch } else { retireRoute(slot) }
        }
        pointee.sweepCursor = end < pointee.routeCapacity ? end : 0
        if pointee.sweepCursor == 0 { pointee.sweptEpoch = pointee.sweepEpoch }
    }

    /// Room for slots below `capacity`.
    func makeRoom(forRoutes capacity: Int) {
        guard capacity > pointee.routeCapacity else { return }
        let routes = UnsafeMutablePointer<LoopRoutePointer?>.allocate(capacity: capacity)
        routes.moveInitialize(from: pointee.routes, count: pointee.routeCapacity)
        (routes + pointee.routeCapacity).initialize(repeating: nil, count: capacity - pointee.routeCapacity)
        pointee.routes.deallocate()
        pointee.routes = routes
        pointee.routeCapacity = capacity
    }
}

extension LoopRoutePointer {
    @inline(__always)
    func retain() -> LoopRoutePointer {
        pointee.exchanges &+= 1
        return self
    }

    @inline(__always)
    func release() {
        pointee.exchanges &-= 1
        if pointee.isRetired, pointee.exchanges == 0 { free() }
    }

    fileprivate func free() {
        pointee.name.deallocate()
        pointee.authorityText?.deallocate()
        pointee.balancing?.deallocate()
        for index in 0..<pointee.destinationCount { pointee.destinations[index].cluster.pointee.users -= 1 }
        pointee.destinations.deallocate()
        pointee.fallback?.pointee.users -= 1
        pointee.filters?.pointee.mirror?.cluster.pointee.users -= 1
        pointee.filters?.free()
        pointee.block.release()
        pointee.compiled.release()
        deinitialize(count: 1)
        deallocate()
    }
}
