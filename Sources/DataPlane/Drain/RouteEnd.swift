// What becomes of calls and WebSockets that still run on a route which has changed or gone (`Route.streamPolicy`): they are
// kept, or ended now or after a time. Plain HTTP exchanges always run to their end.

internal import ConfigModel
internal import RouteMatching

/// Streams of one route that a change of configuration ends.
struct RouteEnd: Sendable {
    let slot: Int
    /// Another route may have the slot by then.
    let route: String
    /// Milliseconds from the swap.
    let after: UInt32
}

extension RouteEnd {
    /// What the policies ask for.
    static func made(of diff: SnapshotDiff, before table: RouteTable?) -> [RouteEnd] {
        diff.changed.compactMap { change in
            guard case .route(let old) = change.old.object, case .route(let new) = change.new.object else { return nil }
            return RouteEnd(old, old.streamsWhenChanged(to: new), table)
        }
            + diff.removed.compactMap { object in
                if case .route(let route) = object.object {
                    RouteEnd(route, route.streamsWhenChanged(to: nil), table)
                } else {
                    nil
                }
            }
    }

    private init?(_ route: Route, _ policy: StreamPolicy, _ table: RouteTable?) {
        guard let slot = table?.slot(ofRoute: route.name) else { return nil }
        switch policy {
        case .keep: return nil
        case .drain(let time): after = time
        case .close: after = 0
        }
        self.slot = slot
        self.route = route.name
    }
}

/// The same with its time and its bound on a loop.
struct PendingEnd {
    let end: RouteEnd
    /// Exchanges that began later run on the route as it is now.
    let lastSerial: UInt64
    /// Milliseconds.
    let due: UInt64

    func concerns(_ exchange: ExchangePointer) -> Bool {
        guard let route = exchange.pointee.route, route.pointee.slot == end.slot,
            exchange.pointee.serial <= lastSerial, exchange.pointee.isWebSocket || exchange.pointee.isGRPC
        else { return false }
        return route.pointee.nameBytes.elementsEqual(end.route.utf8)
    }
}

extension LoopPointer {
    func begin(_ ends: [RouteEnd]) {
        for end in ends {
            let pending = PendingEnd(
                end: end, lastSerial: pointee.lastSerial, due: milliseconds + UInt64(end.after))
            if end.after == 0 { start(pending) } else { pointee.pendingEnds.append(pending) }
        }
    }

    /// Once a second: those whose time has come.
    func startPendingEnds() {
        guard !pointee.pendingEnds.isEmpty else { return }
        let now = milliseconds
        for pending in pointee.pendingEnds where pending.due <= now { start(pending) }
        pointee.pendingEnds.removeAll { $0.due <= now }
    }

    private func start(_ pending: PendingEnd) {
        beginWalk(StreamWalk(ending: pending))
    }
}
