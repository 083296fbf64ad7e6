// The response on its way downstream, and what gRPC clients must never miss: a status.

internal import CNghttp2
internal import Glibc

extension ExchangePointer {
    /// A response head of the upstream is in the loop's list: status in its slot, the others from `FieldSlot.regular`.
    func receivedResponseHead(endsStream: Bool) {
        guard !pointee.isFinished else { return }
        let half = pointee.upstream
        let field = loop.pointee.fields[FieldSlot.status]
        guard field.valuelen == 3, let status = parseDecimal(field.value, 3), status >= 100, status <= 599 else {
            return upstreamBrokeRules()
        }
        pointee.lastProgress = loop.pointee.milliseconds
        if status < 200 { return receivedInterim(status, endsStream: endsStream) }
        if triesAgain(afterStatus: status, endsStream: endsStream) { return }
        if asksForErrorPage(afterStatus: status, endsStream: endsStream) { return }
        let facts = loop.pointee.facts
        if pointee.isWebSocket, status < 300, half.pointee.connection?.pointee.wire == .http2 {
            openTunnel()
            if endsStream { receivedBody(on: half, loop.pointee.plainBuffer, 0, end: true) }
            return
        }
        half.pointee.headReceived = true
        pointee.status = Int32(status)
        pointee.responseLength = facts.contentLength ?? -1
        if pointee.isHEAD || status == 204 || status == 304 { pointee.responseLength = -1 }
        if endsStream {
            half.pointee.endReceived = true
            if pointee.responseLength > 0 { return upstreamBrokeRules() }
        }
        startResponse()
        if pointee.isMirror { return discardResponse(0, end: endsStream) }
        if pointee.isGRPC {
            guard facts.grpc == .native else { return notGRPC(status) }
            // A status in a head that something follows says nothing: it is the trailers that end a call.
            if endsStream {
                noteGRPCStatus()
                if pointee.grpcStatus < 0 { return fail(.missingStatus) }
            }
        }
        sendResponseHead(endsStream: endsStream)
    }

    /// 1xx (RFC 9110 §15.2): passed on, but gRPC clients know none, and HTTP/1.0 has none.
    private func receivedInterim(_ status: Int, endsStream: Bool) {
        guard !endsStream, status != 101 else { return upstreamBrokeRules() }
        let downstream = pointee.downstream
        guard !pointee.isGRPC, !pointee.isHTTP10, let connection = downstream.pointee.connection else { return }
        // The 100 that the client waits for is ours to send where it spoke HTTP/1.1 and has it already. Hints for a client that
        // takes nothing would pile up.
        if status == 100 ? !pointee.expectsContinue : !connection.pointee.takesBody { return }
        if loop.pointee.facts.contentLength != nil { dropContentLength() }
        if connection.pointee.wire == .http2 {
            let fields = responseFields()
            loop.writeHeaders(connection, downstream.pointee.stream, fields, responseFieldCount, endsStream: false)
        } else {
            loop.writeResponseHeadHTTP1(connection, self, status, interim: true)
        }
        if status == 100 { pointee.expectsContinue = false }
    }

    /// From here on nothing can be tried again.
    func startResponse() {
        pointee.responseStarted = true
        pointee.answeredAt = loop.pointee.now
        pointee.responseDeadline = 0
        pointee.isReplayable = false
        dropReplay()
    }

    private func sendResponseHead(endsStream: Bool) {
        let half = pointee.downstream
        guard let connection = half.pointee.connection else { return complete() }
        if let filters = pointee.route?.pointee.filters { editResponse(filters) }
        if pointee.web != nil { composeWebAnswer() }
        if pointee.status == 204, loop.pointee.facts.contentLength != nil { dropContentLength() }
        half.pointee.headSent = true
        if connection.pointee.wire == .http2 {
            loop.writeHeaders(
                connection, half.pointee.stream, responseFields(), responseFieldCount, endsStream: endsStream)
            if endsStream { half.pointee.endSent = true }
        } else {
            loop.writeResponseHeadHTTP1(connection, self, Int(pointee.status), interim: false, ended: endsStream)
        }
        loop.pointee.fieldsOwner = nil
        if half.pointee.endSent { endSent(on: half) }
    }

    /// 1xx and 204 must not have one (RFC 9110 §8.6).
    private func dropContentLength() {
        loop.dropFields { $0.namelen == 14 && memcmp($0.name, "content-length", 14) == 0 }
    }

    /// The response's fields as one run: the status moves next to the others.
    private func responseFields() -> UnsafeMutablePointer<nghttp2_nv> {
        let fields = loop.pointee.fields
        fields[FieldSlot.regular - 1] = fields[FieldSlot.status]
        return fields + (FieldSlot.regular - 1)
    }

    private var responseFieldCount: Int { loop.pointee.fieldCount - FieldSlot.regular + 1 }

    func receivedResponseBody(_ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        if pointee.isMirror { return discardResponse(count, end: end) }
        pointee.responseBytes &+= count
        pointee.responseReceived &+= count
        if pointee.isGRPC { pointee.responseFrames.consume(bytes, count) }
        if !pointee.isTunnel {
            let wanted = pointee.responseLength
            if wanted >= 0, pointee.responseReceived > wanted || (end && pointee.responseReceived < wanted) {
                return upstreamBrokeRules()
            }
            if count > 0, pointee.isHEAD || pointee.status == 204 || pointee.status == 304 {
                return upstreamBrokeRules()
            }
            if end, pointee.isGRPC {
                if count > 0 { relayAnswer(bytes, count, end: false) }
                return pointee.isFinished ? () : fail(.missingStatus)
            }
        }
        let half = pointee.downstream
        relayAnswer(bytes, count, end: end)
        if half.pointee.endSent { endSent(on: half) }
    }

    /// The upstream answered a gRPC call with something else: its HTTP status becomes a gRPC status (grpc.io, "HTTP to
    /// gRPC Status Code Mapping").
    private func notGRPC(_ status: Int) {
        pointee.grpcOverride = Int32(Self.grpcStatus(ofHTTP: status))
        pointee.responseStarted = false
        fail(.notGRPC)
    }

    static func grpcStatus(ofHTTP status: Int) -> Int {
        switch status {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }

    func noteGRPCStatus() {
        let index = loop.pointee.facts.grpcStatus
        guard index > 0 else { return }
        let field = loop.pointee.fields[index]
        // An unparsable status counts as UNKNOWN, as clients see it.
        pointee.grpcStatus = Int32(clamping: parseDecimal(field.value, field.valuelen) ?? 2)
    }

    func upstreamBrokeRules() {
        let half = pointee.upstream
        if let connection = half.pointee.connection, connection.pointee.wire == .http2 {
            loop.resetStream(connection, half.pointee.stream, .protocolError)
            loop.detach(half)
        }
        fail(.upstreamProtocol)
    }

    // MARK: - What the connections tell

    /// RST_STREAM from the peer; the half is detached.
    func halfReset(_ half: HalfPointer, _ code: UInt32) {
        guard !pointee.isFinished else { return }
        guard half.pointee.isUpstream else { return clientGone() }
        // After a complete response a reset takes nothing back (RFC 9113 §8.1).
        if half.pointee.endReceived { return }
        if code == HTTP2Error.refusedStream.rawValue { return fail(.upstreamRefused) }
        pointee.grpcOverride =
            switch HTTP2Error(rawValue: code) {
            case .cancel: 1
            case .enhanceYourCalm: 8
            case .inadequateSecurity: 7
            default: 14
            }
        fail(.upstreamReset)
    }

    /// The connection of a half is gone; the half is detached.
    func connectionLost(_ half: HalfPointer) {
        guard !pointee.isFinished else { return }
        guard half.pointee.isUpstream else { return clientGone() }
        if half.pointee.endReceived { return upstreamTakesNoMore() }
        fail(.upstreamClosed)
    }

    /// The upstream has sent all that it had, and its connection is gone: a response still goes out whole. What a tunnel's
    /// client sends has nowhere to go; the tunnel ends when the client has everything.
    private func upstreamTakesNoMore() {
        guard pointee.isTunnel else { return }
        let half = pointee.upstream
        half.pointee.endSent = true
        hold(-half.pointee.pending.count)
        half.dropPending()
        endSent(on: half)
    }

    func peerBrokeRules(_ half: HalfPointer) {
        guard !pointee.isFinished else { return }
        if half.pointee.isUpstream { return fail(.upstreamProtocol) }
        note(.badRequest)
        if pointee.status == 0 { pointee.status = 400 }
        complete()
    }

    /// Why it ends, where there is nobody to be told.
    private func note(_ error: ProxyError) {
        pointee.error = error
        loop.pointee.statistics.failures(error).increment()
    }

    private func clientGone() {
        if bothClosed { return complete() }
        clientEnded(.downstreamClosed)
    }

    /// The client's connection is over, by its own doing or for it.
    func clientEnded(_ error: ProxyError) {
        guard !pointee.isFinished else { return }
        // An answer to a failure that was still on its way: that is why it ended.
        if pointee.error == nil { note(error) }
        if pointee.status == 0 { pointee.status = Int32(error.row.http) }
        if pointee.isTunnel { loop.breakOff(pointee.upstream) }
        complete()
    }
}
