// How a WebSocket finds its way to an upstream of HTTP/2. Only SETTINGS tell whether the upstream takes extended CONNECT
// (RFC 8441 §3), so the first handshake waits for them. Where it is not offered, or HTTP/2 does not come about at all, the
// handshake goes by HTTP/1.1; an upstream that does not speak that either gets the client a 502 with the reason.

internal import Glibc

/// Which of an endpoint's queues an exchange waits in.
enum WaitingKind: UInt8 {
    case http1
    case http2
    case webSocket
}

/// What is known of an endpoint.
enum ExtendedConnect: UInt8 {
    case unknown
    case offered
    case absent
}

extension LoopPointer {
    /// Attaches a WebSocket to a connection of an endpoint that speaks HTTP/2. False: it waits (or has failed already).
    func acquireWebSocket(for exchange: ExchangePointer, on endpoint: EndpointPointer) -> Bool {
        if endpoint.pointee.extendedConnect == .absent {
            if milliseconds < endpoint.pointee.withoutExtendedConnectUntil { return fallBack(exchange, on: endpoint) }
            endpoint.pointee.extendedConnect = .unknown
        }
        if let connection = connectionWithRoom(endpoint, forWebSocket: true) {
            attach(exchange, to: connection)
            return true
        }
        guard endpoint.pointee.waitingWebSocket.count < ClusterState.maxWaiting else {
            exchange.fail(.overload)
            return false
        }
        exchange.pointee.isWaiting = true
        exchange.pointee.queue = .webSocket
        exchange.waitForConnection(to: endpoint)
        endpoint.pointee.waitingWebSocket.append(exchange)
        openForWebSockets(endpoint)
        return false
    }

    private func openForWebSockets(_ endpoint: EndpointPointer) {
        guard endpoint.pointee.connecting + endpoint.pointee.unsettled == 0,
            endpoint.pointee.http2Count < ClusterState.maxHTTP2ConnectionsPerEndpoint
        else { return }
        openConnection(to: endpoint, http1: false)
    }

    private func fallBack(_ exchange: ExchangePointer, on endpoint: EndpointPointer) -> Bool {
        exchange.pointee.fellBack = true
        return acquireConnection(for: exchange, on: endpoint, http1: true)
    }

    /// SETTINGS of an upstream.
    func noteExtendedConnect(_ connection: ConnectionPointer, offered: Bool) {
        guard let endpoint = connection.pointee.endpoint else { return }
        endpoint.pointee.extendedConnect = offered ? .offered : .absent
        if !offered { endpoint.pointee.withoutExtendedConnectUntil = milliseconds + EndpointState.findingLasts }
    }

    /// At the flush of a pooled HTTP/2 connection while WebSockets wait.
    func serveWebSockets(_ connection: ConnectionPointer) {
        guard let endpoint = connection.pointee.endpoint, let state = connection.pointee.http2,
            state.pointee.settingsReceived
        else { return }
        guard state.pointee.peerTakesExtendedConnect else { return fallBackAll(endpoint) }
        while connection.pointee.isPooled, state.pointee.streams.count < Int(state.pointee.peerMaxStreams),
            let exchange = endpoint.pointee.waitingWebSocket.pop()
        {
            resume(exchange, on: connection)
        }
        if endpoint.pointee.waitingWebSocket.head != nil { openForWebSockets(endpoint) }
    }

    private func fallBackAll(_ endpoint: EndpointPointer) {
        var left = endpoint.pointee.waitingWebSocket.count
        while left > 0, let exchange = endpoint.pointee.waitingWebSocket.pop() {
            left -= 1
            exchange.pointee.isWaiting = false
            if fallBack(exchange, on: endpoint) {
                exchange.pointee.phase = .send
                exchange.advance()
            }
        }
    }

    /// No HTTP/2 connection came about: where something answered, HTTP/1.1 may be what it speaks.
    func webSocketsWithoutHTTP2(_ endpoint: EndpointPointer, _ error: ProxyError) {
        guard endpoint.pointee.waitingWebSocket.head != nil else { return }
        if error == .upstreamTLS || error == .upstreamProtocol {
            endpoint.pointee.extendedConnect = .absent
            endpoint.pointee.withoutExtendedConnectUntil = milliseconds + EndpointState.findingLasts
            return fallBackAll(endpoint)
        }
        var left = endpoint.pointee.waitingWebSocket.count
        while left > 0, let exchange = endpoint.pointee.waitingWebSocket.pop() {
            left -= 1
            exchange.pointee.isWaiting = false
            exchange.fail(error)
        }
    }
}

extension EndpointState {
    /// Milliseconds after which an upstream that did not offer extended CONNECT is asked again.
    static let findingLasts: UInt64 = 60_000
}
