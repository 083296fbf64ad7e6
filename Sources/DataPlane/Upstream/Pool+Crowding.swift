// Which of an endpoint's HTTP/2 connections takes the next exchange. Streams on one connection share its writes, so one is
// filled before the next (decision 0003), as long as nobody is harmed by it: a connection with many streams, with long ones or with
// much in them, or one that has long had more to send than its peer takes, is left alone while there is another (decision 0007).

internal import Glibc

/// When a connection is crowded.
enum Crowding {
    /// Streams, whatever they do.
    static let streams = 256
    /// Long streams, each MiB a second that goes through them counting as one more.
    static let burden = 100
    /// Nanoseconds after which a stream counts as long.
    static let longAfter: UInt64 = 1_000_000_000
    /// Milliseconds between two looks at the long streams.
    static let lookEvery: UInt32 = 250
    /// Milliseconds for which it has had more to send than its window or its socket takes.
    static let shutAfter: UInt32 = 50
}

extension LoopPointer {
    /// The busiest HTTP/2 connection that has room and is not crowded. Where all are crowded, another is opened for those that
    /// come next, and the least crowded one takes this exchange. nil: it waits for the other one, or there is no room at all.
    @inline(__always)
    func connectionWithRoom(_ endpoint: EndpointPointer, forWebSocket: Bool = false) -> ConnectionPointer? {
        var best: ConnectionPointer?
        var most = -1
        var sawCrowded = false
        var next = endpoint.pointee.http2
        while let connection = next {
            next = connection.pointee.nextPooled
            guard let state = connection.pointee.http2, hasRoom(state, forWebSocket) else { continue }
            let streams = state.pointee.streams.count
            guard streams > most else { continue }
            if isCrowded(state) {
                sawCrowded = true
            } else {
                best = connection
                most = streams
            }
        }
        return best == nil && sawCrowded ? besideCrowded(endpoint, forWebSocket) : best
    }

    @inline(never)
    private func besideCrowded(_ endpoint: EndpointPointer, _ forWebSocket: Bool) -> ConnectionPointer? {
        if !endpoint.isConnectionComing, endpoint.pointee.http2Count < ClusterState.maxHTTP2ConnectionsPerEndpoint {
            openConnection(to: endpoint, http1: false)
        }
        let found = leastCrowded(endpoint, forWebSocket)
        // A WebSocket does not wait: the other one may not take any.
        if !forWebSocket, let state = found?.pointee.http2, !takesWaiting(state, endpoint) { return nil }
        return found
    }

    /// Of those that have room: one that is not shut before one that is, then by what is on it.
    private func leastCrowded(_ endpoint: EndpointPointer, _ forWebSocket: Bool) -> ConnectionPointer? {
        var best: ConnectionPointer?
        var least = Int.max
        var next = endpoint.pointee.http2
        while let connection = next {
            next = connection.pointee.nextPooled
            guard let state = connection.pointee.http2, hasRoom(state, forWebSocket) else { continue }
            let load = state.pointee.streams.count + Int(state.pointee.burden) + (isShut(state) ? 1 << 32 : 0)
            if load < least {
                best = connection
                least = load
            }
        }
        return best
    }

    /// Those that waited beside crowded connections get no other: they take what there is, at its flush.
    func wakeLeastCrowded(_ endpoint: EndpointPointer) {
        guard endpoint.pointee.waitingHTTP2.head != nil, let found = leastCrowded(endpoint, false) else { return }
        markDirty(found)
    }

    /// Whether a connection takes one of those that wait, or leaves them to another that is coming: through one that is shut
    /// they may not get, and full ones share better.
    func takesWaiting(_ state: UnsafeMutablePointer<HTTP2State>, _ endpoint: EndpointPointer) -> Bool {
        guard hasRoom(state, false) else { return false }
        return !endpoint.isConnectionComing || (state.pointee.streams.count < Crowding.streams && !isShut(state))
    }

    @inline(__always)
    private func hasRoom(_ state: UnsafeMutablePointer<HTTP2State>, _ forWebSocket: Bool) -> Bool {
        state.pointee.streams.count < Int(state.pointee.peerMaxStreams)
            && (!forWebSocket || state.pointee.peerTakesExtendedConnect)
    }

    @inline(__always)
    private func isCrowded(_ state: UnsafeMutablePointer<HTTP2State>) -> Bool {
        if UInt32(truncatingIfNeeded: milliseconds) &- state.pointee.burdenSeen >= Crowding.lookEvery {
            lookAtLongStreams(state)
        }
        return state.pointee.burden >= Crowding.burden || state.pointee.streams.count >= Crowding.streams
            || isShut(state)
    }

    /// Whether the connection has for some time had more to send than it could.
    @inline(__always)
    private func isShut(_ state: UnsafeMutablePointer<HTTP2State>) -> Bool {
        state.pointee.shutSince != 0
            && UInt32(truncatingIfNeeded: milliseconds) &- state.pointee.shutSince >= Crowding.shutAfter
    }

    /// The connection has more to send than its window or its socket takes.
    @inline(never)
    func noteShut(_ state: UnsafeMutablePointer<HTTP2State>) {
        // 0 says that it has not.
        if state.pointee.shutSince == 0 { state.pointee.shutSince = UInt32(truncatingIfNeeded: milliseconds) | 1 }
    }

    @inline(never)
    private func lookAtLongStreams(_ state: UnsafeMutablePointer<HTTP2State>) {
        let time = UInt32(truncatingIfNeeded: milliseconds)
        let elapsed = Int(time &- state.pointee.burdenSeen)
        state.pointee.burdenSeen = time
        let now = pointee.now
        var count = 0
        var bytes = 0
        state.pointee.streams.forEach { half in
            let exchange = half.pointee.exchange
            guard now &- exchange.pointee.sentAt >= Crowding.longAfter else { return }
            count += 1
            let total = UInt32(truncatingIfNeeded: exchange.pointee.requestBytes &+ exchange.pointee.responseBytes)
            // Not at the first look: it has had them for longer than since the last.
            if exchange.pointee.bytesSeen != 0 { bytes += Int(total &- exchange.pointee.bytesSeen) }
            exchange.pointee.bytesSeen = total
        }
        state.pointee.burden = UInt16(clamping: count + bytes * 1_000 / (elapsed << 20))
    }
}

extension EndpointPointer {
    /// An HTTP/2 connection is in the making, or has not said yet what it takes.
    var isConnectionComing: Bool { pointee.connecting + pointee.unsettled > 0 }
}
