// Upstream connections: few multiplexed ones for HTTP/2, so that the writes of all clients merge; one per exchange for
// HTTP/1.1, kept while idle. Exchanges wait in order for a connection that is being made.

internal import CNghttp2
internal import COpenSSL
internal import ConfigModel
internal import Glibc

extension LoopPointer {
    /// Attaches the exchange to a connection of the endpoint. False: it waits (or has failed already).
    func acquireConnection(for exchange: ExchangePointer, on endpoint: EndpointPointer, http1: Bool) -> Bool {
        if http1 {
            if let connection = endpoint.pointee.idle {
                removeFromPool(connection)
                attach(exchange, to: connection)
                return true
            }
        } else if let connection = connectionWithRoom(endpoint) {
            attach(exchange, to: connection)
            return true
        }
        guard endpoint.pointee.waitingHTTP1.count + endpoint.pointee.waitingHTTP2.count < ClusterState.maxWaiting else {
            exchange.fail(.overload)
            return false
        }
        exchange.pointee.isWaiting = true
        exchange.waitForConnection(to: endpoint)
        exchange.pointee.queue = http1 ? .http1 : .http2
        if http1 {
            endpoint.pointee.waitingHTTP1.append(exchange)
            openConnection(to: endpoint, http1: true)
        } else {
            endpoint.pointee.waitingHTTP2.append(exchange)
            // One connection in the making serves many; another only where the first would soon be full.
            let coming = endpoint.pointee.connecting + endpoint.pointee.unsettled
            let expected = (coming + endpoint.pointee.http2Count) * 100
            if coming == 0
                || (endpoint.pointee.waitingHTTP2.count > expected
                    && endpoint.pointee.http2Count + endpoint.pointee.connecting
                        < ClusterState.maxHTTP2ConnectionsPerEndpoint)
            {
                if endpoint.pointee.http2Count < ClusterState.maxHTTP2ConnectionsPerEndpoint {
                    openConnection(to: endpoint, http1: false)
                }
            }
        }
        return false
    }

    func attach(_ exchange: ExchangePointer, to connection: ConnectionPointer) {
        let half = exchange.pointee.upstream
        half.pointee.connection = connection
        pointee.statistics.upstreamStreamsOpen.increment()
        half.pointee.windowSize = connection.pointee.wire == .http2 ? HTTP2State.streamWindow : Half.highWater
        exchange.pointee.connectDeadline = 0
        connection.pointee.stage = .active
        exchange.pointee.mayHaveMissedConnection = false
        if let state = connection.pointee.http1 {
            state.pointee.half = half
            state.pointee.receive = .head
            exchange.pointee.mayHaveMissedConnection = state.pointee.served > 0
        }
    }

    func stopWaiting(_ exchange: ExchangePointer) {
        guard exchange.pointee.isWaiting, let endpoint = exchange.pointee.endpoint else { return }
        exchange.pointee.isWaiting = false
        exchange.pointee.connectDeadline = 0
        switch exchange.pointee.queue {
        case .http1: endpoint.pointee.waitingHTTP1.remove(exchange)
        case .http2: endpoint.pointee.waitingHTTP2.remove(exchange)
        case .webSocket: endpoint.pointee.waitingWebSocket.remove(exchange)
        }
    }

    /// A connection can take exchanges: those that wait go on.
    private func serveWaiting(_ connection: ConnectionPointer) {
        guard let endpoint = connection.pointee.endpoint else { return }
        if connection.pointee.wire == .http1 {
            if let exchange = endpoint.pointee.waitingHTTP1.pop() { resume(exchange, on: connection) }
            return
        }
        while let state = connection.pointee.http2, connection.pointee.isPooled,
            takesWaiting(state, endpoint), let exchange = endpoint.pointee.waitingHTTP2.pop()
        {
            resume(exchange, on: connection)
        }
    }

    func resume(_ exchange: ExchangePointer, on connection: ConnectionPointer) {
        exchange.pointee.isWaiting = false
        attach(exchange, to: connection)
        exchange.pointee.phase = .send
        exchange.advance()
    }

    // MARK: - Making connections

    func openConnection(to endpoint: EndpointPointer, http1: Bool) {
        let config = endpoint.pointee.cluster.pointee.config
        let limit = Int(config.maxConnections)
        // Beyond it exchanges wait for a connection that becomes free.
        guard limit == 0 || endpoint.pointee.connections < limit else { return }
        let fd = socket(
            endpoint.pointee.address.family,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else {
            pointee.statistics.resourceFailures.increment()
            return connectFailed(endpoint, http1: http1, .overload)
        }
        if endpoint.pointee.address.family != AF_UNIX {
            var one: Int32 = 1
            setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        }
        let connection = newConnection(fd, .upstream)
        connection.pointee.endpoint = endpoint
        connection.pointee.stage = .connecting
        connection.pointee.isConnecting = true
        connection.pointee.wantsHTTP1 = http1
        endpoint.countConnections(1)
        endpoint.countConnecting(connection, 1)
        let result = endpoint.pointee.address.withSockaddr { Glibc.connect(fd, $0, $1) }
        if result != 0, errno != EINPROGRESS {
            return connectionFailed(connection, .connectFailed)
        }
        setDeadline(connection, after: UInt64(min(config.proxy?.connectTimeout ?? .max, config.connectTimeout)))
        guard
            causeway_epoll_add(
                pointee.epoll, fd, Event.input | Event.output | Event.readHangup | Event.edge, connection) == 0
        else { return connectionFailed(connection, .overload) }
        if result == 0 { finishConnect(connection) }
    }

    /// The connect(2) has come to an end.
    func finishConnect(_ connection: ConnectionPointer) {
        var error: Int32 = 0
        var size = socklen_t(4)
        getsockopt(connection.pointee.fd, SOL_SOCKET, SO_ERROR, &error, &size)
        guard error == 0 else { return connectionFailed(connection, .connectFailed) }
        connection.pointee.isConnecting = false
        if let target = connection.pointee.endpoint?.pointee.tunnel { return askForTunnel(connection, to: target) }
        connected(connection)
    }

    /// There is a way for bytes to the endpoint.
    func connected(_ connection: ConnectionPointer) {
        guard let endpoint = connection.pointee.endpoint else { return }
        guard let tls = endpoint.pointee.cluster.pointee.config.tls else {
            return upstreamReady(connection, isHTTP2: !connection.pointee.wantsHTTP1)
        }
        guard startTLS(connection, server: false), let ssl = connection.pointee.ssl else {
            return connectionFailed(connection, .overload)
        }
        if connection.pointee.wantsHTTP1 { SSL_set_alpn_protos(ssl, nil, 0) }
        if let material = endpoint.pointee.cluster.pointee.tlsMaterial, !material.use(on: ssl) {
            return connectionFailed(connection, .upstreamTLS)
        }
        let name = tls.serverName ?? endpoint.pointee.host.string
        if SocketAddress(literal: name, port: 0) == nil {
            guard causeway_set_server_name(ssl, name, tls.verify ? 1 : 0) == 1 else {
                return connectionFailed(connection, .upstreamTLS)
            }
        } else if tls.verify {
            // An address is checked against the certificate's IP names; SNI carries host names only (RFC 6066 §3).
            causeway_verify_address(ssl, name)
        }
        // Another connection's bytes may be at hand, where its handshake has just made this one necessary.
        let input = pointee.tls.pointee.input_length
        pointee.tls.pointee.input_length = 0
        _ = handshake(connection)
        pointee.tls.pointee.input_length = input
    }

    func upstreamHandshakeDone(_ connection: ConnectionPointer, isHTTP2: Bool) {
        guard isHTTP2 || connection.pointee.wantsHTTP1 else { return connectionFailed(connection, .upstreamTLS) }
        upstreamReady(connection, isHTTP2: isHTTP2 && !connection.pointee.wantsHTTP1)
    }

    private func upstreamReady(_ connection: ConnectionPointer, isHTTP2: Bool) {
        guard let endpoint = connection.pointee.endpoint else { return }
        endpoint.countConnecting(connection, -1)
        endpoint.connected()
        connection.pointee.stage = .idle
        pointee.statistics.upstreamConnections.increment()
        setDeadline(connection, after: endpoint.pointee.cluster.pointee.idleTimeout)
        if isHTTP2 {
            startHTTP2(connection, server: false)
            endpoint.pointee.unsettled += 1
            addToPool(connection)
            serveWaiting(connection)
        } else {
            startHTTP1(connection, server: false)
            if endpoint.pointee.waitingHTTP1.head == nil {
                addToPool(connection)
            } else {
                serveWaiting(connection)
            }
        }
        // Those who wanted it may have gone meanwhile.
        if connection.pointee.stage == .idle { becameIdle(connection) }
    }

    /// A connection that never came to be.
    func connectionFailed(_ connection: ConnectionPointer, _ error: ProxyError) {
        guard let endpoint = connection.pointee.endpoint, !connection.pointee.isClosed else { return }
        let http1 = connection.pointee.wantsHTTP1
        connection.pointee.stage = .idle
        endpoint.countConnecting(connection, -1)
        endpoint.failed(now: milliseconds)
        endpoint.suspectAddress()
        pointee.statistics.upstreamConnectFailures.increment()
        endpoint.pointee.counters.connectFailures.increment()
        close(connection, because: .connectFailed)
        connectFailed(endpoint, http1: http1, error)
    }

    private func connectFailed(_ endpoint: EndpointPointer, http1: Bool, _ error: ProxyError) {
        if http1 {
            if let exchange = endpoint.pointee.waitingHTTP1.pop() {
                exchange.pointee.isWaiting = false
                exchange.fail(error)
            }
            return
        }
        // Others may still be on their way, or connected: then those who wait, wait for them.
        guard endpoint.pointee.connecting == 0 else { return }
        guard endpoint.pointee.http2Count == 0 else { return wakeLeastCrowded(endpoint) }
        webSocketsWithoutHTTP2(endpoint, error)
        var left = endpoint.pointee.waitingHTTP2.count
        while left > 0, let exchange = endpoint.pointee.waitingHTTP2.pop() {
            exchange.pointee.isWaiting = false
            exchange.fail(error)
            left -= 1
        }
    }

    /// A connection takes no more, or has ended, while exchanges wait: another one for them, or their end where it never
    /// spoke.
    func upstreamGone(_ endpoint: EndpointPointer, wasSettled: Bool) {
        if endpoint.pointee.waitingHTTP1.count > endpoint.pointee.connectingHTTP1 {
            openConnection(to: endpoint, http1: true)
        }
        guard endpoint.pointee.waitingHTTP2.head != nil || endpoint.pointee.waitingWebSocket.head != nil,
            endpoint.pointee.connecting + endpoint.pointee.unsettled == 0
        else { return }
        guard endpoint.pointee.http2 == nil else { return wakeLeastCrowded(endpoint) }
        if wasSettled {
            openConnection(to: endpoint, http1: false)
        } else {
            endpoint.failed(now: milliseconds)
            connectFailed(endpoint, http1: false, .upstreamProtocol)
        }
    }

    // MARK: - The pool

    func addToPool(_ connection: ConnectionPointer) {
        guard let endpoint = connection.pointee.endpoint, !connection.pointee.isPooled else { return }
        let isHTTP2 = connection.pointee.wire == .http2
        let head = isHTTP2 ? endpoint.pointee.http2 : endpoint.pointee.idle
        connection.pointee.isPooled = true
        connection.pointee.previousPooled = nil
        connection.pointee.nextPooled = head
        head?.pointee.previousPooled = connection
        if isHTTP2 {
            endpoint.pointee.http2 = connection
            endpoint.pointee.http2Count += 1
        } else {
            endpoint.pointee.idle = connection
        }
    }

    /// Takes no more exchanges from here on.
    func removeFromPool(_ connection: ConnectionPointer) {
        guard let endpoint = connection.pointee.endpoint, connection.pointee.isPooled else { return }
        connection.pointee.isPooled = false
        let next = connection.pointee.nextPooled
        let isHTTP2 = connection.pointee.wire == .http2
        if let previous = connection.pointee.previousPooled {
            previous.pointee.nextPooled = next
        } else if isHTTP2 {
            endpoint.pointee.http2 = next
        } else {
            endpoint.pointee.idle = next
        }
        next?.pointee.previousPooled = connection.pointee.previousPooled
        if isHTTP2 { endpoint.pointee.http2Count -= 1 }
    }

    /// An HTTP/1.1 connection whose exchange is over.
    func releaseHTTP1(_ connection: ConnectionPointer, reusable: Bool) {
        guard let state = connection.pointee.http1, let endpoint = connection.pointee.endpoint,
            !connection.pointee.isClosed
        else { return }
        state.pointee.served += 1
        let keeps =
            reusable && state.pointee.keepsAlive && !connection.pointee.isBroken && state.pointee.receive == .complete
            && keepsIdle(connection, endpoint) && connection.pointee.inbound.isEmpty
        guard keeps else {
            // What was written for a complete message still goes out.
            if connection.pointee.output.isEmpty, connection.pointee.unsent.isEmpty {
                close(connection, because: .released)
            } else {
                endAfterFlush(connection)
            }
            return
        }
        state.pointee.receive = .head
        addToPool(connection)
        becameIdle(connection)
        // A long answer was held up by its reader; now it is all there.
        resumeReading(connection)
        // Who waits is served at the flush: what stands behind this answer in the bytes at hand is no answer to anybody.
        if endpoint.pointee.waitingHTTP1.head != nil { markDirty(connection) }
    }

    /// Whether a connection without an exchange stays: not where the configuration says so, nor at an endpoint that has
    /// left it, unless somebody waits there.
    func keepsIdle(_ connection: ConnectionPointer, _ endpoint: EndpointPointer) -> Bool {
        let waits =
            connection.pointee.wire == .http2
            ? endpoint.pointee.waitingHTTP2.head != nil || endpoint.pointee.waitingWebSocket.head != nil
            : endpoint.pointee.waitingHTTP1.head != nil
        return waits || !(endpoint.pointee.isRetired || endpoint.pointee.cluster.pointee.idleTimeout == 0)
    }

    /// At the flush of an upstream connection: SETTINGS allowed more streams, or an exchange on it has ended.
    func upstreamCapacityChanged(_ connection: ConnectionPointer) {
        guard let endpoint = connection.pointee.endpoint else { return }
        guard connection.pointee.isPooled else {
            // It takes no more: who waited for it needs another.
            if connection.pointee.wire == .http2, endpoint.pointee.waitingHTTP2.head != nil {
                upstreamGone(endpoint, wasSettled: true)
            }
            return
        }
        if connection.pointee.wire == .http2 {
            if endpoint.pointee.waitingHTTP2.head != nil { serveWaiting(connection) }
            if endpoint.pointee.waitingWebSocket.head != nil { serveWebSockets(connection) }
        } else if endpoint.pointee.waitingHTTP1.head != nil {
            removeFromPool(connection)
            serveWaiting(connection)
        }
    }

    /// GOAWAY of the upstream: what lies above its last stream was not processed and goes elsewhere (RFC 9113 §6.8).
    func upstreamGoAway(_ connection: ConnectionPointer, lastStream: Int32) {
        guard let state = connection.pointee.http2 else { return }
        removeFromPool(connection)
        pointee.statistics.upstreamGoAways.increment()
        var unprocessed: [HalfPointer] = []
        state.pointee.streams.forEach { if $0.pointee.stream > lastStream { unprocessed.append($0) } }
        for half in unprocessed {
            detach(half)
            half.pointee.exchange.fail(.upstreamRefused)
        }
        if state.pointee.streams.count == 0 { endAfterFlush(connection) }
        if let endpoint = connection.pointee.endpoint { upstreamGone(endpoint, wasSettled: true) }
    }
}

extension ExchangePointer {
    /// A destination by weight (all 0: the first).
    func pickCluster() -> ClusterPointer? { pickCluster(loop.nextRandom) }

    /// `random` is asked where there are several.
    @inline(__always)
    func pickCluster(_ random: () -> UInt64) -> ClusterPointer? {
        guard let route = pointee.route, route.pointee.destinationCount > 0 else { return nil }
        let destinations = route.pointee.destinations
        guard route.pointee.destinationCount > 1 else { return destinations[0].cluster }
        guard route.pointee.totalWeight > 0 else { return destinations[0].cluster }
        var ticket = random() % route.pointee.totalWeight
        for i in 0..<route.pointee.destinationCount {
            let weight = UInt64(destinations[i].weight)
            if ticket < weight { return destinations[i].cluster }
            ticket -= weight
        }
        return destinations[0].cluster
    }

    /// Until the route's own time is over, or the cluster's, which bounds every connection in the making: the end of such a one
    /// comes first, so that what it was waited for counts once and spends one try.
    func waitForConnection(to endpoint: EndpointPointer) {
        let bound = endpoint.pointee.cluster.pointee.connectTimeout
        var timeout = bound + 1
        if let own = pointee.route?.pointee.connect, own < bound { timeout = UInt64(own) }
        pointee.connectDeadline = loop.milliseconds + timeout
        armTimer()
    }

    func connectTimedOut() {
        pointee.connectDeadline = 0
        pointee.endpoint?.failed(now: loop.milliseconds)
        pointee.endpoint?.suspectAddress()
        fail(.connectTimeout)
    }
}
