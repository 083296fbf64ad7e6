// The life of a connection: made, given a protocol, idle, ended by either side, closed, freed. One timer serves all its
// stages; it looks at the stage when it fires.

internal import CNghttp2
internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import TLSMaterial

/// Why a connection was closed here; only the log and the counters tell them apart.
enum CloseReason: UInt8 {
    case transport
    case tls
    case ended
    case timeout
    case drained
    case overload
    case connectFailed
    case retired
    case released
}

extension LoopPointer {
    func newConnection(_ fd: Int32, _ role: ConnectionRole) -> ConnectionPointer {
        let connection = ConnectionPointer.allocate(capacity: 1)
        connection.initialize(to: Connection(fd: fd, role: role))
        connection.pointee.next = pointee.connections
        pointee.connections?.pointee.previous = connection
        pointee.connections = connection
        return connection
    }

    /// ALPN, the first bytes or the pool have told the protocol.
    func startWire(_ connection: ConnectionPointer, _ wire: Wire) {
        expectHead(connection)
        if wire == .http2 {
            startHTTP2(connection, server: true)
        } else {
            startHTTP1(connection, server: true)
        }
    }

    /// A clear connection: HTTP/2 with prior knowledge begins with its preface (RFC 9113 §3.3), HTTP/1.1 cannot.
    func detectWire(_ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        let compared = min(count, 24)
        if memcmp(bytes, HTTP2Preface.text.utf8Start, compared) == 0 {
            guard count >= 24 else { return 0 }
            startWire(connection, .http2)
        } else {
            startWire(connection, .http1)
        }
        return consume(connection, bytes, count)
    }

    /// The first SETTINGS have arrived.
    func settingsReceived(_ connection: ConnectionPointer) {
        if connection.pointee.role == .upstream {
            connection.pointee.endpoint?.pointee.unsettled -= 1
            // Exchanges that wait are served at the flush: another SETTINGS may follow in the same bytes.
            markDirty(connection)
        } else if connection.pointee.stage == .waitingForHead {
            guard connection.pointee.isDraining else { return becameIdle(connection) }
            // The first request may lie right behind: it is taken, and no more than what is on its way.
            if connection.pointee.http2?.pointee.goAwaySent == false {
                writeGoAway(connection, lastStream: Int32.max, .noError)
            }
        }
    }

    // MARK: - Stages and deadlines

    func setDeadline(_ connection: ConnectionPointer, after timeout: UInt64) {
        guard timeout > 0 else {
            connection.pointee.deadline = 0
            return
        }
        connection.pointee.deadline = milliseconds + timeout
        armConnection(connection, at: connection.pointee.deadline)
    }

    /// Sees to it that the connection's timer fires at this time or before; 0: no need.
    func armConnection(_ connection: ConnectionPointer, at deadline: UInt64) {
        guard deadline > 0 else { return }
        if let timer = connection.pointee.timer {
            // A timer that fires too early looks again; one that would fire too late is replaced.
            guard timer.pointee.deadline > deadline else { return }
            pointee.timers.cancel(timer)
        }
        connection.pointee.timer = pointee.timers.arm(deadline, .connection, connection)
    }

    /// A request head must be complete in time.
    func expectHead(_ connection: ConnectionPointer) {
        connection.pointee.stage = .waitingForHead
        setDeadline(connection, after: UInt64(connection.pointee.listener?.pointee.limits.requestHeadersTimeout ?? 0))
    }

    /// No stream or exchange is left on it.
    func becameIdle(_ connection: ConnectionPointer) {
        guard !connection.pointee.isClosed, !connection.pointee.closesAfterFlush else { return }
        connection.pointee.stage = .idle
        if connection.pointee.role == .downstream {
            if connection.pointee.isDraining {
                // Over HTTP/2 not before the second step: another stream may be on its way.
                if connection.pointee.http2?.pointee.goAwayPromised != Int32.max { endAfterFlush(connection) }
                return
            }
            let limits = connection.pointee.listener?.pointee.limits
            setDeadline(connection, after: UInt64(limits?.connectionIdleTimeout ?? 600_000))
            // One that stays idle keeps little.
            armConnection(connection, at: milliseconds + Connection.slimAfter)
        } else if let endpoint = connection.pointee.endpoint {
            // HTTP/2 connections stay in the pool while they take streams.
            let goes = connection.pointee.wire == .http2 && !connection.pointee.isPooled
            if goes || !keepsIdle(connection, endpoint) { return endAfterFlush(connection) }
            setDeadline(connection, after: max(1_000, endpoint.pointee.cluster.pointee.idleTimeout))
        }
    }

    func connectionTimer(_ connection: ConnectionPointer) {
        connection.pointee.timer = nil
        guard !connection.pointee.isClosed else { return }
        let now = milliseconds
        let stuck = stuckDeadline(connection)
        let incomplete = incompleteDeadline(connection)
        if stuck > 0, stuck <= now {
            pointee.statistics.abuse(.slowRead).increment()
            // What it does not take must not stay with the kernel.
            return closeWithReset(connection, because: .timeout)
        }
        if incomplete > 0, incomplete <= now, !connection.pointee.closesAfterFlush {
            pointee.statistics.headTimeouts.increment()
            pointee.statistics.abuse(.slowHead).increment()
            return fail(connection, .enhanceYourCalm)
        }
        if connection.pointee.stage == .idle {
            slim(connection)
        } else if connection.pointee.stage == .active {
            if connection.pointee.isQuiet { slim(connection) } else { watchQuiet(connection) }
        }
        let deadline = connection.pointee.stage == .active ? 0 : connection.pointee.deadline
        guard deadline > 0, deadline <= now else {
            for next in [deadline, stuck, incomplete] where next > now { armConnection(connection, at: next) }
            return
        }
        switch connection.pointee.stage {
        case .connecting:
            connectionFailed(connection, .connectTimeout)
        case .waitingForHead:
            pointee.statistics.headTimeouts.increment()
            pointee.statistics.abuse(.slowHead).increment()
            if let state = connection.pointee.http1, state.pointee.half == nil, !connection.pointee.inbound.isEmpty {
                refuseHead(connection, state, .requestTimeout)
            } else if connection.pointee.http2 != nil {
                fail(connection, .settingsTimeout)
            } else {
                close(connection, because: .timeout)
            }
        case .idle:
            pointee.statistics.idleTimeouts(connection.pointee.role).increment()
            if connection.pointee.http2 != nil {
                fail(connection, .noError)
            } else {
                close(connection, because: .timeout)
            }
        case .handshake:
            pointee.statistics.abuse(.slowHandshake).increment()
            close(connection, because: .timeout)
        case .ending, .lingering, .active:
            close(connection, because: .timeout)
        }
    }

    /// A connection whose streams or tunnel stay open without a byte keeps as little as an idle one.
    func watchQuiet(_ connection: ConnectionPointer) {
        connection.pointee.isQuiet = true
        armConnection(connection, at: milliseconds + Connection.slimAfter)
    }

    /// Gives back what a quiet connection does not need: buffers that are empty, the table of streams, and the compression
    /// context of what we send, which begins anew with the next head.
    private func slim(_ connection: ConnectionPointer) {
        connection.pointee.isQuiet = true
        pointee.peakBurden += connection.pointee.output.slim()
        pointee.peakBurden += connection.pointee.unsent.slim()
        pointee.peakBurden += connection.pointee.inbound.slim()
        connection.pointee.releaseTexts()
        guard let state = connection.pointee.http2 else { return }
        if state.pointee.deflater != nil { pointee.peakBurden += Loop.slimmedBurden }
        state.pointee.slim()
    }

    /// The kernel took bytes after it had been full: that is progress for everything on the connection.
    func progressed(_ connection: ConnectionPointer) {
        if connection.pointee.stage == .ending { setDeadline(connection, after: Connection.endTimeout) }
        if let half = connection.pointee.http1?.pointee.half {
            half.pointee.exchange.pointee.lastProgress = milliseconds
        } else if let state = connection.pointee.http2 {
            let now = milliseconds
            state.pointee.streams.forEach { $0.pointee.exchange.pointee.lastProgress = now }
        }
    }

    // MARK: - Ends

    /// Ends the connection when its output is with the kernel; in some time also if the peer does not take it.
    func endAfterFlush(_ connection: ConnectionPointer) {
        guard !connection.pointee.isClosed, !connection.pointee.closesAfterFlush else { return }
        removeFromPool(connection)
        connection.pointee.closesAfterFlush = true
        connection.pointee.stage = .ending
        setDeadline(connection, after: Connection.endTimeout)
        markDirty(connection)
    }

    /// The peer has sent its FIN or close_notify. That happens once, but is read again: as FIN behind close_notify, and
    /// where the kernel tells of what has been read before it told. `unconfirmed`: a FIN over TLS, which anybody on the way
    /// can make.
    func endOfInput(_ connection: ConnectionPointer, unconfirmed: Bool = false) {
        guard !connection.pointee.inputEnded else { return }
        connection.pointee.inputEnded = true
        guard connection.pointee.stage != .lingering, let state = connection.pointee.http1 else {
            return close(connection, because: .ended)
        }
        guard let half = state.pointee.half else {
            // What is left of the answers to a client still goes out.
            let hasOutput = !connection.pointee.output.isEmpty || !connection.pointee.unsent.isEmpty
            if state.pointee.isServer, hasOutput { return endAfterFlush(connection) }
            return close(connection, because: .ended)
        }
        let exchange = half.pointee.exchange
        switch state.pointee.receive {
        case .tunnel:
            exchange.receivedBody(on: half, pointee.plainBuffer, 0, end: true)
        case .untilClose where !unconfirmed:
            state.pointee.receive = .complete
            exchange.receivedBody(on: half, pointee.plainBuffer, 0, end: true)
        case _ where state.pointee.isServer:
            clientEndsInput(connection)
        default:
            // A body that only the connection's end delimits is not whole without close_notify (RFC 9112 §9.8).
            close(connection, because: .ended)
        }
    }

    /// A client of HTTP/1.1 has ended its side. Where its answer is whole that still goes out. Before that the client has
    /// left: one that was killed sends the same FIN as one that only ends its side, and no call goes on for the dead.
    func clientEndsInput(_ connection: ConnectionPointer) {
        guard let state = connection.pointee.http1, let half = state.pointee.half, state.pointee.receive != .tunnel
        else {
            return
        }
        if half.pointee.endQueued {
            state.pointee.keepsAlive = false
        } else {
            close(connection, because: .ended)
        }
    }

    /// Everything is sent: says so to the peer, and waits for its end before the socket is closed.
    func finishClose(_ connection: ConnectionPointer) {
        guard !connection.pointee.isClosed, connection.pointee.stage != .lingering else { return }
        if connection.cutsBody { return close(connection, because: .ended) }
        sendFinish(connection)
        guard !connection.pointee.isClosed else { return }
        // Unread input would turn close(2) into a reset that destroys our answer on its way, or a WebSocket's close frame.
        let waits = connection.pointee.role == .downstream || connection.pointee.http1?.pointee.framing == .tunnel
        if connection.pointee.inputEnded || !waits {
            return close(connection, because: .ended)
        }
        connection.pointee.stage = .lingering
        connection.pointee.isReadPaused = false
        setDeadline(connection, after: 2_000)
        markReady(connection)
    }

    /// close_notify, then FIN.
    func sendFinish(_ connection: ConnectionPointer) {
        guard !connection.pointee.finishSent else { return }
        connection.pointee.finishSent = true
        if let ssl = connection.pointee.ssl {
            ERR_clear_error()
            SSL_shutdown(ssl)
            guard takeTLSOutput(connection) else { return }
        }
        shutdown(connection.pointee.fd, Int32(SHUT_WR))
    }

    /// Closes the socket without an orderly end: the peer sees a reset, and the kernel keeps nothing for it.
    func closeWithReset(_ connection: ConnectionPointer, because reason: CloseReason) {
        resetAtClose(connection)
        close(connection, because: reason)
    }

    private func resetAtClose(_ connection: ConnectionPointer) {
        var dropped = linger(l_onoff: 1, l_linger: 0)
        setsockopt(connection.pointee.fd, SOL_SOCKET, SO_LINGER, &dropped, socklen_t(MemoryLayout<linger>.size))
    }

    /// Closes the socket now. Streams and exchanges hear of it; memory is freed at the end of the tick.
    func close(_ connection: ConnectionPointer, because reason: CloseReason) {
        guard !connection.pointee.isClosed else { return }
        if connection.pointee.isConnecting || connection.pointee.isTunneling
            || (connection.pointee.isHandshaking && connection.pointee.role == .upstream),
            reason != .connectFailed
        {
            let error: ProxyError = connection.pointee.isTunneling ? .proxyRefused : .connectFailed
            return connectionFailed(connection, reason == .tls ? .upstreamTLS : error)
        }
        if connection.cutsBody { resetAtClose(connection) }
        connection.pointee.isClosed = true
        if let timer = connection.pointee.timer { pointee.timers.cancel(timer) }
        connection.pointee.timer = nil
        removeFromPool(connection)
        if let endpoint = connection.pointee.endpoint {
            endpoint.countConnections(-1)
            if let state = connection.pointee.http2, !state.pointee.settingsReceived { endpoint.pointee.unsettled -= 1 }
        }
        let wasSettled = connection.pointee.http2?.pointee.settingsReceived ?? true
        let isStalled = reason == .timeout && connection.pointee.role == .downstream
        while let half = connection.pointee.http2?.pointee.streams.any() ?? connection.pointee.http1?.pointee.half {
            detach(half)
            if isStalled {
                half.pointee.exchange.clientEnded(.clientStalled)
            } else {
                half.pointee.exchange.connectionLost(half)
            }
        }
        Glibc.close(connection.pointee.fd)
        pointee.held &-= connection.pointee.kept
        connection.pointee.kept = 0
        if let endpoint = connection.pointee.endpoint, reason != .connectFailed {
            upstreamGone(endpoint, wasSettled: wasSettled)
        }
        if connection.pointee.role == .downstream {
            if connection.pointee.isHandshaking { handshakeEnds(connection) }
            pointee.downstreamCount -= 1
            pointee.statistics.connectionsClosed.increment()
            if let listener = connection.pointee.listener {
                listener.pointee.open -= 1
                listener.pointee.counters.open.add(-1)
                if connection.pointee.isHandshaking { listener.pointee.counters.handshakeFailures.increment() }
            }
        }
        if let previous = connection.pointee.previous {
            previous.pointee.next = connection.pointee.next
        } else {
            pointee.connections = connection.pointee.next
        }
        connection.pointee.next?.pointee.previous = connection.pointee.previous
        if pointee.walks.cursor == connection { pointee.walks.cursor = connection.pointee.next }
        connection.pointee.nextDead = pointee.deadConnections
        pointee.deadConnections = connection
    }

    /// Frees a closed connection. Only `bury` calls it.
    func free(_ connection: ConnectionPointer) {
        if let ssl = connection.pointee.ssl { SSL_free(ssl) }
        connection.pointee.identity?.release()
        connection.pointee.handshakePolicy?.release()
        if let state = connection.pointee.http2 {
            state.pointee.release()
            state.deallocate()
        }
        connection.pointee.http1?.deallocate()
        connection.pointee.output.release()
        connection.pointee.unsent.release()
        connection.pointee.inbound.release()
        connection.pointee.releaseTexts()
        connection.deallocate()
    }
}

extension ConnectionPointer {
    /// Its end is the end of a body that is not whole: in order, it would pass for one that is (RFC 9112 §8).
    fileprivate var cutsBody: Bool {
        guard let state = pointee.http1, state.pointee.framing == .untilClose else { return false }
        if let half = state.pointee.half, !half.pointee.endSent { return true }
        return state.pointee.isCut || !pointee.output.isEmpty || !pointee.unsent.isEmpty
    }

    private func texts() -> UnsafeMutablePointer<ClientTexts> {
        if let texts = pointee.texts { return texts }
        let texts = UnsafeMutablePointer<ClientTexts>.allocate(capacity: 1)
        texts.initialize(to: ClientTexts())
        pointee.texts = texts
        return texts
    }

    /// `x-forwarded-client-cert`, where the client has shown a certificate: by what it was let in.
    func forwardedClientCertificate() -> nghttp2_nv? {
        let texts = texts()
        if texts.pointee.certificate.isEmpty {
            guard let ssl = pointee.ssl, let shown = SSL_get0_peer_certificate(ssl) else { return nil }
            let text = Array(CertificateHandle(sharing: shown).forwardedText.utf8)
            text.withUnsafeBytes { texts.pointee.certificate.append($0) }
        }
        var field = constant("x-forwarded-client-cert", "")
        field.value = texts.pointee.certificate.start
        field.valuelen = texts.pointee.certificate.count
        return field
    }

    /// `x-forwarded-for` with the peer's address.
    func forwardedFor() -> nghttp2_nv {
        let texts = texts()
        // The address is the first member.
        let text = UnsafeMutableRawPointer(texts).assumingMemoryBound(to: UInt8.self)
        if texts.pointee.addressLength == 0 { texts.pointee.addressLength = pointee.peer.write(to: text) }
        var field = constant("x-forwarded-for", "")
        if texts.pointee.addressLength > 0 {
            field.value = text
            field.valuelen = texts.pointee.addressLength
        }
        return field
    }
}
