// How exchanges come and go: memory, the first look at a request head, and what is let go of at the end.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

extension LoopPointer {
    /// A request head is in `fields`: starts an exchange on the stream (0 for HTTP/1.1), or one that only answers
    /// `failure`.
    func beginExchange(
        on connection: ConnectionPointer, stream: Int32, endsStream: Bool, failure: ProxyError?
    ) {
        let exchange = allocateExchange()
        let half = exchange.pointee.downstream
        half.pointee.connection = connection
        half.pointee.stream = stream
        half.pointee.headReceived = true
        half.pointee.endReceived = endsStream
        if let state = connection.pointee.http2 {
            half.pointee.sendWindow = state.pointee.peerInitialWindow
            half.pointee.receiveWindow = HTTP2State.streamWindow
            state.pointee.streams.insert(half)
        } else {
            half.pointee.windowSize = Half.highWater
            connection.pointee.http1?.pointee.half = half
        }
        connection.pointee.stage = .active
        pointee.lastSerial &+= 1
        exchange.pointee.serial = pointee.lastSerial
        exchange.pointee.origin = connection
        exchange.pointee.startedAt = pointee.now
        exchange.pointee.isSecure = connection.pointee.ssl != nil
        exchange.noteClient(connection)
        if let snapshot = pointee.snapshot {
            exchange.pointee.snapshot = snapshot
            snapshot.pointee.exchanges &+= 1
        }
        pointee.exchangeCount &+= 1
        pointee.statistics.requests.increment()
        connection.pointee.listener?.pointee.counters.requests.increment()
        var failure = failure
        if failure == nil, !normalizePath() { failure = .pathRejected }
        exchange.noteHead()
        if let failure {
            exchange.fail(failure)
        } else {
            exchange.advance()
        }
        // Whatever waits from here on reads its head from `head`: the list points into read buffers that others use next.
        pointee.fieldsOwner = nil
    }

    func allocateExchange() -> ExchangePointer {
        if let exchange = pointee.freeExchanges {
            pointee.freeExchanges = exchange.pointee.next
            pointee.freeExchangeCount -= 1
            return exchange
        }
        // Several at once, side by side: scattered between what their connections keep for long, they would leave holes that
        // cannot be given back.
        for _ in 1..<Exchange.madeAtOnce {
            let spare = makeExchange()
            _ = spare.pointee.head.reserve(1)
            spare.pointee.next = pointee.freeExchanges
            pointee.freeExchanges = spare
        }
        pointee.freeExchangeCount += Exchange.madeAtOnce - 1
        return makeExchange()
    }

    private func makeExchange() -> ExchangePointer {
        let exchange = ExchangePointer.allocate(capacity: 1)
        let halves = HalfPointer.allocate(capacity: 2)
        halves.initialize(to: Half(exchange: exchange, isUpstream: false))
        (halves + 1).initialize(to: Half(exchange: exchange, isUpstream: true))
        exchange.initialize(to: Exchange(loop: self, downstream: halves, upstream: halves + 1))
        return exchange
    }
}

extension ExchangePointer {
    /// Notes what the head says and keeps it.
    fileprivate func noteHead() {
        let facts = loop.pointee.facts
        let fields = loop.pointee.fields
        pointee.isGRPC = facts.grpc != .none
        if facts.grpc.rawValue > GRPCForm.native.rawValue { expectGRPCWeb(facts.grpc) }
        pointee.requestLength = facts.contentLength ?? -1
        pointee.expectsContinue = facts.expectsContinue
        pointee.hasSessionCookie = facts.hasSessionCookie
        noteTrace()
        let method = fields[FieldSlot.method]
        let head = loop.pointee.pendingHead
        pointee.isHTTP10 = head.isHTTP10
        if head.upgradesToWebSocket { expectWebSocket(key: head.webSocketKey) }
        switch method.valuelen {
        case 3: pointee.isIdempotent = memcmp(method.value, "GET", 3) == 0 || memcmp(method.value, "PUT", 3) == 0
        case 4:
            pointee.isHEAD = memcmp(method.value, "HEAD", 4) == 0
            pointee.isIdempotent = pointee.isHEAD
        case 5: pointee.isIdempotent = memcmp(method.value, "TRACE", 5) == 0
        case 6: pointee.isIdempotent = memcmp(method.value, "DELETE", 6) == 0
        case 7: pointee.isIdempotent = memcmp(method.value, "OPTIONS", 7) == 0
        default: break
        }
        for index in 0..<max(FieldSlot.regular, loop.pointee.fieldCount) {
            storeField(fields[index], in: &pointee.head)
        }
        loop.pointee.fieldsOwner = self
        hold(pointee.head.count)
    }

    /// The request head as the route table takes it. The fields are those of the loop's list. nil: a path that the
    /// rule for paths refuses.
    func requestHead() -> RequestHead? {
        let fields = loop.pointee.fields
        guard let (path, query) = loop.splitPath(fields[FieldSlot.path]) else { return nil }
        let count = max(0, loop.pointee.fieldCount - FieldSlot.regular)
        let regular = UnsafeRawPointer(fields + FieldSlot.regular).assumingMemoryBound(to: HeaderField.self)
        return RequestHead(
            method: bytes(fields[FieldSlot.method]), scheme: bytes(fields[FieldSlot.scheme]),
            authority: bytes(fields[FieldSlot.authority]), path: path, query: query,
            fields: UnsafeBufferPointer(start: regular, count: count))
    }

    private func bytes(_ field: nghttp2_nv) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: field.value, count: field.value == nil ? 0 : field.valuelen)
    }

    /// The rule for connection reuse (design 3.2): whether this connection may not serve the authority. Never where that asks
    /// other things of its clients; over HTTP/2 also not where the certificate that was asked for does not name it.
    func isMisdirected(_ snapshot: ActiveSnapshot, _ authority: UnsafeRawBufferPointer) -> Bool {
        guard let connection = pointee.downstream.pointee.connection else { return false }
        let host = snapshot.host(forServerName: authority)
        let asked = connection.pointee.handshakePolicy
        if asked != nil || snapshot.hasPolicies {
            let context = asked?._withUnsafeGuaranteedRef { $0.context }
            guard context == snapshot.handshakePolicy(of: host)?.context else { return true }
        }
        guard connection.pointee.hadServerName, connection.pointee.wire == .http2,
            let shown = connection.pointee.identity
        else { return false }
        return shown._withUnsafeGuaranteedRef { shown in
            guard let wanted = snapshot.identity(of: host), wanted !== shown else { return false }
            return !shown.covers(authority)
        }
    }

    /// Lets go of both sides: streams that have not ended are reset, connections go back to their pools.
    func release() {
        let loop = loop
        cancelTimer()
        if pointee.mirror != nil || pointee.mirrorOf != nil { unlinkMirror() }
        if pointee.isWaiting { loop.stopWaiting(self) }
        releaseUpstream(.cancel)
        giveBackRetry()
        if let cell = pointee.concurrencyCell {
            ConcurrencyLimiter.giveBack(cell)
            pointee.concurrencyCell = nil
        }
        let half = pointee.downstream
        if let connection = half.pointee.connection {
            if connection.pointee.wire == .http2 {
                // A complete response to a client that has not half-closed ends with NO_ERROR (RFC 9113 §8.1).
                // A tunnel that breaks off is CANCEL (RFC 8441 §5).
                if !half.pointee.endSent {
                    let stalled = pointee.error == .clientStalled
                    loop.resetStream(
                        connection, half.pointee.stream,
                        stalled ? .enhanceYourCalm : pointee.isTunnel ? .cancel : .internalError)
                } else if !half.pointee.endReceived {
                    loop.resetStream(connection, half.pointee.stream, .noError)
                }
                if half.pointee.endSent { connection.pointee.http2?.pointee.resetsEarned &+= 1 }
                loop.detach(half)
            } else {
                loop.finishHTTP1Exchange(connection, half)
            }
        }
        hold(-pointee.held)
        loop.pointee.exchangeCount &-= 1
        if !pointee.isMirror { loop.pointee.statistics.exchangesEnded.increment() }
    }

    /// Takes the exchange off its upstream connection, for good or for another try.
    func releaseUpstream(_ error: HTTP2Error) {
        let half = pointee.upstream
        if let connection = half.pointee.connection {
            if connection.pointee.wire == .http2 {
                if !(half.pointee.endSent && half.pointee.endReceived) {
                    let complete = half.pointee.endReceived && !pointee.isTunnel
                    loop.resetStream(connection, half.pointee.stream, complete ? .noError : error)
                    if !complete { loop.spareUpstream(connection) }
                }
                loop.detach(half)
            } else {
                let reusable = half.pointee.endSent && half.pointee.endReceived && !pointee.isTunnel
                loop.detach(half)
                loop.releaseHTTP1(connection, reusable: reusable)
            }
        }
        if let endpoint = pointee.endpoint {
            pointee.lastEndpoint?.pointee.remembered -= 1
            endpoint.pointee.remembered += 1
            pointee.lastEndpoint = endpoint
            endpoint.countActive(-1)
            pointee.endpoint = nil
        }
    }

    /// Back to the free list, keeping small buffers.
    func recycle() {
        let loop = loop
        if let snapshot = pointee.snapshot {
            snapshot.pointee.exchanges &-= 1
            if snapshot.pointee.isRetired, snapshot.pointee.exchanges == 0 { loop.freeSnapshot(snapshot) }
        }
        pointee.route?.release()
        pointee.lastEndpoint?.pointee.remembered -= 1
        let downstream = pointee.downstream
        let upstream = pointee.upstream
        for i in 0..<2 {
            let half = downstream + i
            half.dropPending()
            half.pointee.trailers.release()
            let isUpstream = half.pointee.isUpstream
            half.initialize(to: Half(exchange: self, isUpstream: isUpstream))
        }
        pointee.tunnel?.deallocate()
        pointee.web?.deallocate()
        if loop.pointee.freeExchangeCount >= Exchange.maxFree {
            return free()
        }
        loop.pointee.freeExchangeCount += 1
        var head = pointee.head
        var replay = pointee.replay
        head.trim(to: Exchange.keptBuffer)
        replay.trim(to: Exchange.keptBuffer)
        initialize(to: Exchange(loop: loop, downstream: downstream, upstream: upstream))
        pointee.head = head
        pointee.replay = replay
        pointee.next = loop.pointee.freeExchanges
        loop.pointee.freeExchanges = self
    }

    func free() {
        pointee.head.release()
        pointee.replay.release()
        pointee.downstream.deallocate()
        deallocate()
    }
}

extension Exchange {
    /// Exchanges kept for the next ones by each loop, and bytes that each of their two buffers may keep.
    static let maxFree = 4_096
    /// Those that are kept when nothing is to be done.
    static let leastFree = 64
    static let madeAtOnce = 32
    static let keptBuffer = 2_048
}
