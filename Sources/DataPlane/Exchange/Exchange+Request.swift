// The request on its way upstream: the head with what the gateway adds and takes away, the body, the trailers.

internal import CNghttp2
internal import ConfigModel
internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    /// Sends the head on the connection that the upstream half is attached to.
    func sendRequestHead() {
        let half = pointee.upstream
        guard let connection = half.pointee.connection else { return fail(.upstreamClosed) }
        if loop.pointee.fieldsOwner != self {
            loop.pointee.fieldCount = loop.loadFields(pointee.head, from: 0)
        }
        composeRequest()
        // A handshake is all that goes out before it is accepted: what the client sends behind it is held.
        half.pointee.headSent = !pointee.isWebSocket
        if connection.pointee.wire == .http2 {
            sendRequestHeadHTTP2(connection, half)
        } else {
            loop.writeRequestHeadHTTP1(connection, self)
        }
        loop.pointee.fieldsOwner = nil
        if half.pointee.endSent { return }
        // A replay: the body that went to the connection before.
        if !pointee.replay.isEmpty {
            var sent = ByteQueue()
            swap(&sent, &pointee.replay)
            sent.append(
                half.pointee.pending.isEmpty ? sent.start : half.pointee.pending.start, half.pointee.pending.count)
            half.dropPending()
            half.pointee.pending = sent
            loop.pointee.statistics.bytesHeld.add(sent.count)
        }
    }

    private func sendRequestHeadHTTP2(_ connection: ConnectionPointer, _ half: HalfPointer) {
        guard let state = connection.pointee.http2 else { return }
        half.pointee.stream = state.pointee.nextStream
        state.pointee.nextStream &+= 2
        // Ids run out (RFC 9113 §5.1.1): the next exchange gets another connection.
        if state.pointee.nextStream > Int32.max - 4 { loop.removeFromPool(connection) }
        half.pointee.sendWindow = state.pointee.peerInitialWindow
        half.pointee.receiveWindow = HTTP2State.streamWindow
        state.pointee.streams.insert(half)
        if pointee.isWebSocket {
            return loop.writeExtendedConnect(connection, half.pointee.stream)
        }
        let fields = loop.pointee.fields
        // Pseudo-header fields must be contiguous: the slot of :protocol is empty, so the others move up by one.
        fields[4] = fields[FieldSlot.path]
        fields[3] = fields[FieldSlot.authority]
        fields[2] = fields[FieldSlot.scheme]
        fields[1] = fields[FieldSlot.method]
        let ends = requestEndsWithHead
        loop.writeHeaders(
            connection, half.pointee.stream, fields + 1, loop.pointee.fieldCount - 1, endsStream: ends,
            trace: appendsTrace ? self : nil)
        if ends { half.pointee.endSent = true }
    }

    /// No body and no trailers follow.
    var requestEndsWithHead: Bool {
        pointee.downstream.pointee.endReceived && pointee.upstream.pointee.pending.isEmpty
            && pointee.upstream.pointee.trailers.isEmpty && pointee.replay.isEmpty && !pointee.isWebSocket
    }

    /// Turns the client's head, in the loop's list, into the upstream's, in place.
    private func composeRequest() {
        let fields = loop.pointee.fields
        let secure = pointee.cluster?.pointee.usesTLS ?? false
        fields[FieldSlot.scheme] = constant(":scheme", secure ? "https" : "http")
        if pointee.errorStatus != 0 {
            composeErrorPageRequest()
        } else if let route = pointee.route {
            if let authority = route.pointee.authority { fields[FieldSlot.authority] = authority }
            if route.pointee.rewritesPath { rewritePath(route) }
        }
        if pointee.hasSessionCookie {
            // Fields point into it: it must not move. What is left is never longer than what came.
            loop.pointee.cookies.removeAll()
            _ = loop.pointee.cookies.reserve(pointee.head.count)
        }
        var count = FieldSlot.regular
        var index = FieldSlot.regular
        let end = loop.pointee.fieldCount
        let forwarded = pointee.downstream.pointee.connection.map { forwardedFor($0, end) }
        while index < end {
            var field = fields[index]
            index &+= 1
            if keepsRequestField(&field) {
                fields[count] = field
                count &+= 1
            }
        }
        if let connection = pointee.downstream.pointee.connection, let forwarded {
            fields[count] = forwarded
            fields[count + 1] = constant("x-forwarded-proto", pointee.clientIsSecure ? "https" : "http")
            count &+= 2
            if connection.pointee.handshakePolicy != nil, let shown = connection.forwardedClientCertificate() {
                fields[count] = shown
                count &+= 1
            }
        }
        if pointee.madeTrace, !appendsTrace {
            fields[count] = traceParent()
            count &+= 1
        }
        if pointee.web != nil {
            fields[count] = constant("te", "trailers")
            count &+= 1
        }
        if let filters = pointee.route?.pointee.filters { count = editRequest(filters, count: count) }
        loop.pointee.fieldCount = count
    }

    /// Whether a client's field goes upstream; may change it.
    @inline(__always)
    private func keepsRequestField(_ field: inout nghttp2_nv) -> Bool {
        let name = field.name.unsafelyUnwrapped
        switch field.namelen {
        case 2:
            return pointee.web == nil || memcmp(name, "te", 2) != 0
        case 4:
            return memcmp(name, "host", 4) != 0
        case 6:
            if memcmp(name, "cookie", 6) == 0 {
                field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
                // Cookies ignore ports: a browser sends the admin page's session here, too.
                if pointee.hasSessionCookie { return loop.removeSessionCookie(&field) }
            }
            return true
        case 9:
            if memcmp(name, "x-api-key", 9) == 0 { field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) }
            return true
        case 10:
            // The state belongs to a trace: not to one that is made here (W3C Trace Context §4.3).
            return !pointee.madeTrace || memcmp(name, "tracestate", 10) != 0
        case 11:
            if memcmp(name, "traceparent", 11) == 0 {
                field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
                return !pointee.madeTrace
            }
            return true
        case 12:
            if memcmp(name, "grpc-timeout", 12) == 0, pointee.isGRPC, pointee.deadline > 0 {
                loop.reduceTimeout(&field, self)
            }
            if pointee.web != nil, memcmp(name, "content-type", 12) == 0 { nativeContentType(&field) }
            return true
        case 13:
            if memcmp(name, "authorization", 13) == 0 { field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) }
            return true
        case 14:
            // Messages are as long as their frames say; text has another length than they.
            if pointee.web != nil, memcmp(name, "content-length", 14) == 0 { return false }
            return memcmp(name, "x-mse-consumer", 14) != 0
        case 15:
            return memcmp(name, "x-forwarded-for", 15) != 0
        case 16:
            return pointee.trustsForwarded || memcmp(name, "x-forwarded-host", 16) != 0
        case 17:
            return memcmp(name, "x-forwarded-proto", 17) != 0
        case 23:
            return memcmp(name, "x-forwarded-client-cert", 23) != 0
        default:
            return true
        }
    }

    /// Whether there is room for the path that the route makes of this one. Asked before anything else is done for the request.
    func rewriteFits(_ route: LoopRoutePointer) -> Bool {
        let field = loop.pointee.fields[FieldSlot.path]
        // As if the query, which stays, were of the path: enough for all but long ones.
        let longest = route.pointee.compiled._withUnsafeGuaranteedRef { $0.longestRewrite(of: field.valuelen) }
        if longest <= Loop.rewriteSize { return true }
        guard let (path, query) = loop.splitPath(field), let length = rewrittenPath(route, path) else { return true }
        return length + 1 + query.count <= Loop.rewriteSize
    }

    /// Writes the new path into the loop's memory for it; returns its length, which may be larger. nil: the path stays.
    private func rewrittenPath(_ route: LoopRoutePointer, _ path: UnsafeRawBufferPointer) -> Int? {
        let space = UnsafeMutableRawBufferPointer(start: loop.pointee.rewriteBuffer, count: Loop.rewriteSize)
        return route.pointee.compiled._withUnsafeGuaranteedRef { $0.rewrittenPath(of: path, into: space) }
    }

    private func rewritePath(_ route: LoopRoutePointer) {
        guard let (path, query) = loop.splitPath(loop.pointee.fields[FieldSlot.path]),
            let length = rewrittenPath(route, path), length + 1 + query.count <= Loop.rewriteSize
        else { return }
        var total = length
        if !query.isEmpty {
            loop.pointee.rewriteBuffer[total] = UInt8(ascii: "?")
            memcpy(loop.pointee.rewriteBuffer + total + 1, query.baseAddress.unsafelyUnwrapped, query.count)
            total += 1 + query.count
        }
        loop.pointee.fields[FieldSlot.path].value = loop.pointee.rewriteBuffer
        loop.pointee.fields[FieldSlot.path].valuelen = total
    }

    // MARK: - Body

    /// Body bytes from either side.
    func receivedBody(on half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        guard !pointee.isFinished else { return }
        pointee.lastProgress = loop.pointee.milliseconds
        if end { half.pointee.endReceived = true }
        if pointee.isTunnel {
            if let limits = pointee.route?.pointee.webSocketLimits {
                return receivedFrames(half, bytes, count, end: end, within: limits)
            }
            noteFrames(half, bytes, count)
        }
        passOn(half, bytes, count, end: end)
    }

    /// Body bytes from one side go to the other.
    func passOn(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        if half.pointee.isUpstream { return receivedResponseBody(bytes, count, end: end) }
        pointee.requestBytes &+= count
        pointee.requestReceived &+= count
        if pointee.requestLength >= 0, !pointee.isTunnel,
            pointee.requestReceived > pointee.requestLength || (end && pointee.requestReceived < pointee.requestLength)
        {
            // Content-Length against DATA (RFC 9113 §8.1.1): nothing ambiguous may reach the upstream.
            loop.failStream(half, .protocolError)
            return
        }
        if let web = pointee.web, web.pointee.requestIsText {
            guard decodeText(half, bytes, count, end: end) else { return fail(.badRequest) }
            let size = loop.pointee.text.count
            let plain = size > 0 ? UnsafePointer(loop.pointee.text.start) : bytes
            pointee.requestFrames.consume(plain, size)
            if pointee.mirror != nil { mirrorBody(plain, size, end: end) }
            loop.relay(pointee.upstream, plain, size, end: end)
        } else {
            if pointee.isGRPC { pointee.requestFrames.consume(bytes, count) }
            if pointee.mirror != nil { mirrorBody(bytes, count, end: end) }
            loop.relay(pointee.upstream, bytes, count, end: end)
        }
        if pointee.isFinished { return }
        if pointee.upstream.pointee.connection == nil { holdRequestBody(half) }
        if pointee.phase == .relay { requestProgressed() }
        if pointee.upstream.pointee.endSent { endSent(on: pointee.upstream) }
    }

    /// Before an upstream is there, an HTTP/1.1 sender is left unread above a limit (HTTP/2 has its window).
    private func holdRequestBody(_ half: HalfPointer) {
        if let connection = half.pointee.connection, connection.pointee.wire == .http1,
            pointee.upstream.pointee.pending.count > Half.pendingLimit
        {
            connection.pointee.isReadPaused = true
        }
    }

    /// A part of the request body has gone to the upstream connection: kept while another try may need it.
    func sentBody(on half: HalfPointer, _ bytes: UnsafePointer<UInt8>?, _ count: Int) {
        guard half.pointee.isUpstream, count > 0, let bytes else { return }
        guard pointee.isReplayable, !pointee.responseStarted else { return }
        if pointee.replay.count &+ count <= replaySize {
            pointee.replay.append(bytes, count)
            hold(count)
        } else {
            pointee.isReplayable = false
            dropReplay()
        }
    }

    private var replaySize: Int { Int(pointee.origin?.pointee.listener?.pointee.limits.replaySize ?? 0) }

    @inline(__always)
    func dropReplay() {
        guard !pointee.replay.isEmpty else { return }
        hold(-pointee.replay.count)
        pointee.replay.removeAll()
    }

    /// Trailers from either side, in the loop's list from `FieldSlot.regular` on. They end the message.
    func receivedTrailers(on half: HalfPointer) {
        guard !pointee.isFinished else { return }
        half.pointee.endReceived = true
        pointee.lastProgress = loop.pointee.milliseconds
        if half.pointee.isUpstream {
            if pointee.isMirror { return discardResponse(0, end: true) }
            if pointee.responseLength >= 0, pointee.responseReceived != pointee.responseLength {
                return upstreamBrokeRules()
            }
            if pointee.isGRPC {
                noteGRPCStatus()
                if pointee.grpcStatus < 0 { return fail(.missingStatus) }
            }
        } else if pointee.requestLength >= 0, pointee.requestReceived != pointee.requestLength {
            loop.failStream(half, .protocolError)
            return
        } else if let web = pointee.web, !web.pointee.decoder.isBetweenGroups {
            return fail(.badRequest)
        }
        if !half.pointee.isUpstream {
            dropForgedTrailers()
            if pointee.mirror != nil { mirrorTrailers() }
        }
        sendTrailers(to: half.peer)
    }

    /// Takes out of a client's trailers what a service that merges them into the head would take for the gateway's word, or for what the
    /// gateway has checked (RFC 9110 §6.5.1: framing, routing and authentication have no place in trailers).
    private func dropForgedTrailers() {
        let claims = pointee.snapshot?.pointee.shared._withUnsafeGuaranteedRef { $0.consumers.claimHeaders }
        loop.dropFields { isForHeadsOnly($0) || claims?.holds($0) == true }
    }

    /// Goes with `keepsRequestField`.
    private func isForHeadsOnly(_ field: nghttp2_nv) -> Bool {
        guard let name = field.name else { return false }
        return switch field.namelen {
        case 4: memcmp(name, "host", 4) == 0
        case 6: memcmp(name, "cookie", 6) == 0
        case 9: memcmp(name, "x-api-key", 9) == 0 || memcmp(name, "forwarded", 9) == 0
        case 13: memcmp(name, "authorization", 13) == 0
        case 14: memcmp(name, "content-length", 14) == 0 || memcmp(name, "x-mse-consumer", 14) == 0
        case 15: memcmp(name, "x-forwarded-for", 15) == 0
        case 16: memcmp(name, "x-forwarded-host", 16) == 0
        case 17: memcmp(name, "x-forwarded-proto", 17) == 0
        case 23: memcmp(name, "x-forwarded-client-cert", 23) == 0
        default: false
        }
    }

    /// Sends the trailers in the loop's list, or queues them behind what waits.
    func sendTrailers(to target: HalfPointer) {
        if !target.pointee.isUpstream, pointee.web != nil { return sendWebTrailers() }
        let first = FieldSlot.regular
        let count = loop.pointee.fieldCount - first
        // Trailers are not kept for another try.
        if target.pointee.isUpstream, count > 0 { pointee.isReplayable = false }
        if count == 0 {
            target.pointee.endQueued = true
            return loop.pump(target)
        }
        if let connection = target.pointee.connection, target.pointee.headSent, target.pointee.pending.isEmpty,
            connection.pointee.wire == .http2
        {
            loop.writeHeaders(
                connection, target.pointee.stream, loop.pointee.fields + first, count, endsStream: true)
            loop.pointee.fieldsOwner = nil
            target.pointee.endSent = true
            return endSent(on: target)
        }
        for index in first..<first + count { storeField(loop.pointee.fields[index], in: &target.pointee.trailers) }
        target.pointee.endQueued = true
        if target.pointee.headSent { loop.pump(target) }
    }

    /// The end of a message has been framed on this half.
    func endSent(on half: HalfPointer) {
        guard !pointee.isFinished else { return }
        if half.pointee.isUpstream {
            pointee.progressCheck = 0
            armResponseTimer()
        } else if !pointee.isTunnel {
            complete()
        }
        guard pointee.isTunnel, pointee.downstream.pointee.endSent else { return }
        let upstream = pointee.upstream
        if upstream.pointee.endSent { return complete() }
        // The service has said its last word, to a client that has said its own: that one may never end its half of the stream.
        guard !half.pointee.isUpstream, upstream.pointee.endReceived, bothClosed else { return }
        guard upstream.pointee.connection != nil else { return complete() }
        upstream.pointee.endQueued = true
        loop.pump(upstream)
    }

    /// Both close frames of a WebSocket have passed (RFC 6455 §7.1.4): nothing is missing.
    var bothClosed: Bool {
        pointee.tunnel.map { $0.pointee.fromClient.sawClose && $0.pointee.fromUpstream.sawClose } ?? false
    }
}
