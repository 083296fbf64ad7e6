// An open WebSocket: from the upstream's consent on, bytes go both ways as they are, whichever of HTTP/1.1 and HTTP/2 each
// side speaks. FIN and END_STREAM stand for each other, and so do RST and RST_STREAM (RFC 8441 §5).

internal import CNghttp2
internal import COpenSSL
internal import ConfigModel
internal import Glibc

/// What an exchange keeps for a WebSocket, in memory of its own: others do without.
struct WebSocketTunnel {
    /// SHA-1 of the client's key, as the upstream must answer it (RFC 6455 §4.2.2).
    var accept: (UInt64, UInt64, UInt64, UInt32) = (0, 0, 0, 0)
    /// The first that was seen or sent; 0: none.
    var closeCode: UInt16 = 0
    var fromClient = WebSocketFrames()
    var fromUpstream = WebSocketFrames()
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
        let isOver = !upstream.pointee.pending.isEmpty && !lookAtEarlyFrames()
        loop.pump(upstream)
        if isOver { closeTunnel(.downstreamMessageTooBig) }
    }

    /// What a client over HTTP/2 sent before the upstream's consent waits for it, and no frame of it has been seen yet. False: one is
    /// over a limit; it is taken out again, as a header is whose length is not whole.
    private func lookAtEarlyFrames() -> Bool {
        guard let tunnel = pointee.tunnel else { return true }
        let half = pointee.upstream
        let count = half.pointee.pending.count
        let limits = pointee.route?.pointee.webSocketLimits
        let passage = tunnel.pointee.consume(half.pointee.pending.start, count, fromUpstream: false, within: limits)
        let back = limits == nil ? 0 : count - passage.count
        half.pointee.pending.shorten(to: count - back)
        loop.pointee.statistics.bytesHeld.add(-back)
        hold(-back)
        pointee.requestBytes &-= back
        return !passage.exceeds
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
        _ = pointee.tunnel?.pointee.consume(bytes, count, fromUpstream: half.pointee.isUpstream, within: nil)
    }

    /// The same where the route limits frames or messages: the first that is over a limit ends the WebSocket, and nothing of it goes
    /// on. What is left of a header at the end of the stream goes nowhere: no frame comes of it.
    func receivedFrames(
        _ half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool, within limits: WebSocketLimits
    ) {
        guard let tunnel = pointee.tunnel else { return }
        let isUpstream = half.pointee.isUpstream
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 9) { header in
            guard let held = header.baseAddress else { return }
            let heldCount = tunnel.pointee.copyHeldHeader(fromUpstream: isUpstream, to: held)
            let passage = tunnel.pointee.consume(bytes, count, fromUpstream: isUpstream, within: limits)
            if passage.count > 0, heldCount > 0 { passOn(half, held, heldCount, end: false) }
            let ends = end && !passage.exceeds
            if passage.count > 0 || ends, !pointee.isFinished { passOn(half, bytes, passage.count, end: ends) }
            if passage.exceeds { closeTunnel(isUpstream ? .upstreamMessageTooBig : .downstreamMessageTooBig) }
        }
    }
}

extension WebSocketTunnel {
    fileprivate mutating func consume(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, fromUpstream: Bool, within limits: WebSocketLimits?
    ) -> WebSocketFrames.Passage {
        let seen = UnsafeRawBufferPointer(start: bytes, count: count)
        let passage =
            fromUpstream ? self.fromUpstream.consume(seen, within: limits) : fromClient.consume(seen, within: limits)
        if closeCode == 0 { closeCode = max(self.fromUpstream.closeCode, fromClient.closeCode) }
        return passage
    }

    fileprivate func copyHeldHeader(fromUpstream: Bool, to bytes: UnsafeMutablePointer<UInt8>) -> Int {
        fromUpstream ? self.fromUpstream.copyHeldHeader(to: bytes) : fromClient.copyHeldHeader(to: bytes)
    }
}

extension ExchangePointer {
    /// Ends a WebSocket: each side gets a close frame with its code of the error's row where one fits between two frames, and is
    /// cut where none does. The side at fault comes first: its code is what the log has.
    func closeTunnel(_ error: ProxyError) {
        guard !pointee.isFinished else { return }
        pointee.error = error
        loop.pointee.statistics.failures(error).increment()
        let first = error.row.source == .upstream ? pointee.upstream : pointee.downstream
        sendClose(error.row, to: first)
        sendClose(error.row, to: first.peer)
        complete()
    }

    private func sendClose(_ row: ProxyError.Row, to half: HalfPointer) {
        guard let tunnel = pointee.tunnel, half.pointee.connection != nil, half.pointee.headSent,
            !half.pointee.endQueued, !half.pointee.endSent, half.pointee.pending.isEmpty
        else { return }
        // What this side has been sent.
        let sent = half.pointee.isUpstream ? tunnel.pointee.fromClient : tunnel.pointee.fromUpstream
        guard sent.isBetweenFrames, !sent.sawClose else { return }
        let code = UInt16(half.pointee.isUpstream ? row.webSocketCloseUpstream : row.webSocketClose)
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
