// An open WebSocket: from the upstream's consent on, bytes go both ways as they are, whichever of HTTP/1.1 and HTTP/2 each
// side speaks. FIN and END_STREAM stand for each other, and so do RST and RST_STREAM (RFC 8441 §5).

internal import CNghttp2
internal import COpenSSL
internal import Glibc

/// What an exchange keeps for a WebSocket, in memory of its own: others do without.
struct WebSocketTunnel {
    /// SHA-1 of the client's key, as the upstream must answer it (RFC 6455 §4.2.2).
    var accept: (UInt64, UInt64, UInt64, UInt32) = (0, 0, 0, 0)
    var fromClient = WebSocketFrames()
    var fromUpstream = WebSocketFrames()
    /// The first that was seen or sent; 0: none.
    var closeCode: UInt16 = 0
}

extension ExchangePointer {
    /// The upstream has agreed. Its answer's fields are in the loop's list; the client hears of it in its own protocol.
    func openTunnel() {
        let downstream = pointee.downstream
        let upstream = pointee.upstream
        guard let client = downstream.pointee.connection else { return complete() }
        pointee.isTunnel = true
        upstream.pointee.headReceived = true
        startResponse()
        pointee.lastProgress = loop.milliseconds
        // The route's total timeout ends at the upgrade: none counts a whole stream (design 3.5).
        pointee.deadline = 0
        dropHandshakeFields()
        if let filters = pointee.route?.pointee.filters { editResponse(filters) }
        downstream.pointee.headSent = true
        if let state = client.pointee.http1 {
            pointee.status = 101
            loop.writeSwitch(client, self)
            state.pointee.receive = .tunnel
            state.pointee.framing = .tunnel
            // What the client sent behind its request was held back until now.
            client.pointee.isReadPaused = false
            loop.markReady(client)
        } else {
            pointee.status = 200
            let first = FieldSlot.regular - 1
            loop.pointee.fields[first] = constant(":status", "200")
            loop.writeHeaders(
                client, downstream.pointee.stream, loop.pointee.fields + first, loop.pointee.fieldCount - first,
                endsStream: false)
        }
        loop.pointee.fieldsOwner = nil
        loop.pointee.statistics.webSocketsOpened.increment()
        // Most are silent for most of their time.
        shortenHead()
        pointee.replay.slim()
        loop.watchQuiet(client)
        if let connection = upstream.pointee.connection { loop.watchQuiet(connection) }
        upstream.pointee.headSent = true
        if downstream.pointee.endReceived { upstream.pointee.endQueued = true }
        loop.pump(upstream)
    }

    /// No other try can follow: only the log and the list of streams read the head yet, and of it the method, the authority and
    /// the path.
    private func shortenHead() {
        let before = pointee.head.count
        if loop.loadFields(pointee.head, from: 0) > FieldSlot.regular,
            let name = loop.pointee.fields[FieldSlot.regular].name
        {
            pointee.head.shorten(to: UnsafePointer(name) - 8 - UnsafePointer(pointee.head.start))
        }
        pointee.head.fit()
        hold(pointee.head.count - before)
    }

    /// Takes out of the answer what belongs to the upstream's side of the handshake, and a length that a tunnel has not.
    private func dropHandshakeFields() {
        let fields = loop.pointee.fields
        var kept = FieldSlot.regular
        for index in FieldSlot.regular..<max(FieldSlot.regular, loop.pointee.fieldCount) {
            let field = fields[index]
            if field.namelen == 20, memcmp(field.name, "sec-websocket-accept", 20) == 0 { continue }
            if field.namelen == 14, memcmp(field.name, "content-length", 14) == 0 { continue }
            fields[kept] = field
            kept += 1
        }
        loop.pointee.fieldCount = kept
    }

    /// Bytes of a tunnel go by.
    func noteFrames(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) {
        guard let tunnel = pointee.tunnel else { return }
        let seen = UnsafeRawBufferPointer(start: bytes, count: count)
        if half.pointee.isUpstream {
            tunnel.pointee.fromUpstream.consume(seen)
        } else {
            tunnel.pointee.fromClient.consume(seen)
        }
        if tunnel.pointee.closeCode == 0 {
            tunnel.pointee.closeCode = max(tunnel.pointee.fromUpstream.closeCode, tunnel.pointee.fromClient.closeCode)
        }
    }
}

extension ExchangePointer {
    /// Ends a WebSocket: each side gets a close frame with the code of the error's row where one fits between two frames, and is
    /// cut where none does. The side at fault comes first: its code is what the log has.
    func closeTunnel(_ error: ProxyError) {
        guard !pointee.isFinished else { return }
        pointee.error = error
        loop.pointee.statistics.failures(error).increment()
        let code = UInt16(error.row.webSocketClose)
        let first = error.row.source == .upstream ? pointee.upstream : pointee.downstream
        sendClose(code, to: first)
        sendClose(code, to: first.peer)
        complete()
    }

    private func sendClose(_ code: UInt16, to half: HalfPointer) {
        guard let tunnel = pointee.tunnel, half.pointee.connection != nil, half.pointee.headSent,
            !half.pointee.endQueued, !half.pointee.endSent, half.pointee.pending.isEmpty
        else { return }
        // What this side has been sent.
        let sent = half.pointee.isUpstream ? tunnel.pointee.fromClient : tunnel.pointee.fromUpstream
        guard sent.isBetweenFrames, !sent.sawClose else { return }
        let close = WebSocketFrames.close(code: code, masked: half.pointee.isUpstream)
        loop.relay(half, close, close.count, end: true)
        if half.pointee.endSent, tunnel.pointee.closeCode == 0 { tunnel.pointee.closeCode = code }
    }
}

extension LoopPointer {
    /// 101 to an HTTP/1.1 client, with the answer to its own key.
    func writeSwitch(_ client: ConnectionPointer, _ exchange: ExchangePointer) {
        client.pointee.output.append(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ")
        client.pointee.output.append(exchange.acceptText())
        client.pointee.output.append("\r\n")
        for index in FieldSlot.regular..<max(FieldSlot.regular, pointee.fieldCount) {
            let field = pointee.fields[index]
            client.pointee.output.append(field.name, field.namelen)
            client.pointee.output.append(": ")
            if field.valuelen > 0 { client.pointee.output.append(field.value, field.valuelen) }
            client.pointee.output.append("\r\n")
        }
        client.pointee.output.append("\r\n")
        markDirty(client)
    }

    /// The client has broken off: the upstream sees a reset, not an orderly end.
    func breakOff(_ half: HalfPointer) {
        guard let connection = half.pointee.connection, connection.pointee.wire == .http1 else { return }
        detach(half)
        closeWithReset(connection, because: .released)
    }
}
