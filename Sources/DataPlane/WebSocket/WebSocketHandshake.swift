// The WebSocket handshake (RFC 6455 §4): the key is remembered, and only a 101 with the right answer to it opens the tunnel.

internal import CNghttp2
internal import COpenSSL
internal import Glibc

extension ExchangePointer {
    /// Remembers what must be answered to this key (§4.2.2, item 5.4).
    func expectWebSocket(key: UnsafeRawBufferPointer) {
        pointee.isWebSocket = true
        let tunnel = UnsafeMutablePointer<WebSocketTunnel>.allocate(capacity: 1)
        tunnel.initialize(to: WebSocketTunnel())
        pointee.tunnel = tunnel
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { text in
            let guid: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            guard let base = text.baseAddress, key.count == 24, let keyBytes = key.baseAddress else { return }
            memcpy(base, keyBytes, 24)
            memcpy(base + 24, guid.utf8Start, 36)
            withUnsafeMutableBytes(of: &tunnel.pointee.accept) { digest in
                _ = SHA1(base, 60, digest.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
        }
    }

    /// `sec-websocket-accept` for the remembered key, in the loop's scratch memory.
    func acceptText() -> UnsafeRawBufferPointer {
        let text = loop.pointee.keyBuffer
        guard let tunnel = pointee.tunnel else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let length = withUnsafeBytes(of: tunnel.pointee.accept) { digest in
            EVP_EncodeBlock(text, digest.baseAddress?.assumingMemoryBound(to: UInt8.self), 20)
        }
        return UnsafeRawBufferPointer(start: text, count: Int(length))
    }

    func accepts(_ accept: UnsafeRawBufferPointer) -> Bool {
        let wanted = acceptText()
        guard let sent = accept.baseAddress, let start = wanted.baseAddress, accept.count == 28 else { return false }
        return wanted.count == 28 && memcmp(start, sent, 28) == 0
    }
}

extension ProxyError {
    /// The head was refused before it was taken for a handshake.
    var isBadHandshake: Bool { self == .webSocketVersion || self == .webSocketBadHandshake }
}

extension LoopPointer {
    /// A 101 from the upstream.
    func receiveSwitch(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>, _ exchange: ExchangePointer,
        _ head: HTTP1Head
    ) {
        guard exchange.pointee.isWebSocket, head.upgradesToWebSocket, exchange.accepts(head.webSocketKey) else {
            return exchange.fail(exchange.pointee.isWebSocket ? .upstreamHandshake : .upstreamProtocol)
        }
        state.pointee.receive = .tunnel
        state.pointee.framing = .tunnel
        exchange.openTunnel()
    }
}
