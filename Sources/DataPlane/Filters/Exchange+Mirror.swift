// Copies of requests for another cluster (traffic mirroring). A copy is an exchange without a client: it has the request's head
// and body, its answer is thrown away, and nothing that happens to it reaches the request that it was made from. A copy that
// cannot keep up is given up.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    /// Begins a copy, where the route wants one of this request. WebSockets are not copied.
    func startMirror(_ mirror: MirrorFilter) {
        guard !pointee.isWebSocket, mirror.share >= 10_000 || loop.nextRandom() % 10_000 < mirror.share else { return }
        let copy = loop.allocateExchange()
        copy.pointee.isMirror = true
        copy.pointee.origin = pointee.origin
        copy.pointee.startedAt = pointee.startedAt
        copy.pointee.isSecure = pointee.isSecure
        copy.pointee.client = pointee.client
        copy.pointee.clientIsSecure = pointee.clientIsSecure
        copy.pointee.trustsForwarded = pointee.trustsForwarded
        copy.pointee.isGRPC = pointee.isGRPC
        if let web = pointee.web {
            copy.pointee.web = .allocate(capacity: 1)
            copy.pointee.web?.initialize(to: web.pointee)
        }
        copy.pointee.isHEAD = pointee.isHEAD
        copy.pointee.isIdempotent = pointee.isIdempotent
        copy.pointee.hasSessionCookie = pointee.hasSessionCookie
        copy.pointee.requestLength = pointee.requestLength
        copy.pointee.isReplayable = false
        copy.pointee.trace = pointee.trace
        copy.pointee.madeTrace = pointee.madeTrace
        copy.pointee.route = pointee.route?.retain()
        if let snapshot = pointee.snapshot {
            copy.pointee.snapshot = snapshot
            snapshot.pointee.exchanges &+= 1
        }
        if !pointee.head.isEmpty { copy.pointee.head.append(pointee.head.start, pointee.head.count) }
        let half = copy.pointee.downstream
        half.pointee.headReceived = true
        half.pointee.endReceived = pointee.downstream.pointee.endReceived
        loop.pointee.exchangeCount &+= 1
        pointee.mirror = copy
        copy.pointee.mirrorOf = self
        copy.pointee.deadline = loop.milliseconds + Exchange.mirrorTimeout
        copy.armTimer()
        copy.pointee.cluster = mirror.cluster
        guard let endpoint = mirror.cluster.pick(copy) else { return copy.complete() }
        copy.pointee.endpoint = endpoint
        endpoint.countActive(1)
        copy.pointee.phase = .connect
        copy.advance()
        // Sending the copy's head has used the list: the request's own comes from its memory.
        loop.pointee.fieldsOwner = nil
    }

    /// A part of the request body, for the copy as well.
    func mirrorBody(_ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        guard let copy = pointee.mirror else { return }
        if copy.pointee.upstream.pointee.pending.count &+ count > Exchange.mirrorLimit { return copy.complete() }
        if end { copy.pointee.downstream.pointee.endReceived = true }
        loop.relay(copy.pointee.upstream, bytes, count, end: end)
        if copy.pointee.upstream.pointee.endSent { copy.endSent(on: copy.pointee.upstream) }
    }

    /// The request's trailers, in the loop's list.
    func mirrorTrailers() {
        guard let copy = pointee.mirror else { return }
        let half = copy.pointee.upstream
        for index in FieldSlot.regular..<loop.pointee.fieldCount {
            storeField(loop.pointee.fields[index], in: &half.pointee.trailers)
        }
        copy.pointee.downstream.pointee.endReceived = true
        half.pointee.endQueued = true
        // Writing them would overwrite the list, which the request itself still needs: they go out at the flush.
        if half.pointee.headSent, let connection = half.pointee.connection {
            if connection.pointee.wire == .http2 { loop.enqueueBlocked(connection, half) }
            loop.markDirty(connection)
        }
    }

    /// One of the two is over. A copy whose request has all come goes on alone.
    func unlinkMirror() {
        if let request = pointee.mirrorOf {
            request.pointee.mirror = nil
            pointee.mirrorOf = nil
        }
        if let copy = pointee.mirror {
            pointee.mirror = nil
            copy.pointee.mirrorOf = nil
            if !copy.pointee.downstream.pointee.endReceived { copy.complete() }
        }
    }

    /// The answer to a copy: read to its end, so that the connection can be used again, and forgotten.
    func discardResponse(_ count: Int, end: Bool) {
        let half = pointee.upstream
        if count > 0 { loop.delivered(half, count) }
        if end { complete() }
    }
}

extension Exchange {
    /// Body bytes of a copy that may wait for its upstream.
    static let mirrorLimit = 256 * 1024
    /// Milliseconds that a copy may take.
    static let mirrorTimeout: UInt64 = 60_000
}
