// The WebSocket handshake (RFC 6455 §4): the client's key is remembered, and only a 101 with the right answer to it opens
// the tunnel. From then on bytes are relayed as they are, both ways.

internal import CNghttp2
internal import COpenSSL
internal import Glibc

extension ExchangePointer {
    /// Remembers what the upstream must answer to this key (§4.2.2, item 5.4).
    func expectWebSocket(key: UnsafeRawBufferPointer) {
        pointee.isWebSocket = true
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { text in
            let guid: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            guard let base = text.baseAddress, key.count == 24, let keyBytes = key.baseAddress else { return }
            memcpy(base, keyBytes, 24)
            memcpy(base + 24, guid.utf8Start, 36)
            withUnsafeMutableBytes(of: &pointee.webSocketAccept) { digest in
                _ = SHA1(base, 60, digest.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
        }
    }

    /// Whether `accept` is base64 of the remembered hash.
    func accepts(_ accept: UnsafeRawBufferPointer) -> Bool {
        guard accept.count == 28, let sent = accept.baseAddress else { return false }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { text in
            guard let base = text.baseAddress else { return false }
            return withUnsafeBytes(of: pointee.webSocketAccept) { digest in
                let length = EVP_EncodeBlock(base, digest.baseAddress?.assumingMemoryBound(to: UInt8.self), 20)
                return length == 28 && memcmp(base, sent, 28) == 0
            }
        }
    }
}

extension LoopPointer {
    /// A 101 from the upstream.
    func receiveSwitch(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>, _ exchange: ExchangePointer,
        _ head: HTTP1Head
    ) {
        let downstream = exchange.pointee.downstream
        guard exchange.pointee.isWebSocket, head.upgradesToWebSocket, exchange.accepts(head.webSocketKey),
            let client = downstream.pointee.connection, let clientState = client.pointee.http1
        else { return exchange.fail(exchange.pointee.isWebSocket ? .upstreamHandshake : .upstreamProtocol) }
        exchange.pointee.status = 101
        exchange.pointee.isTunnel = true
        exchange.pointee.upstream.pointee.headReceived = true
        exchange.startResponse()
        exchange.pointee.lastProgress = milliseconds
        // The route's total timeout ends at the upgrade: none counts a whole stream (design 3.5).
        exchange.pointee.deadline = 0
        downstream.pointee.headSent = true
        client.pointee.output.append(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n")
        for index in FieldSlot.regular..<pointee.fieldCount {
            let field = pointee.fields[index]
            client.pointee.output.append(field.name, field.namelen)
            client.pointee.output.append(": ")
            client.pointee.output.append(field.value, field.valuelen)
            client.pointee.output.append("\r\n")
        }
        client.pointee.output.append("\r\n")
        markDirty(client)
        pointee.statistics.webSocketsOpened.increment()
        state.pointee.receive = .tunnel
        state.pointee.framing = .tunnel
        clientState.pointee.receive = .tunnel
        clientState.pointee.framing = .tunnel
        // What the client sent behind its request was held back until now.
        client.pointee.isReadPaused = false
        markReady(client)
    }
}
