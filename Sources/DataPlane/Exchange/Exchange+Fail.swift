// How an exchange fails: another try where that may be (`Exchange+Retry.swift`), else an answer in the client's own terms:
// gRPC clients get a gRPC status, others an HTTP status, never HTML.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    func fail(_ error: ProxyError) {
        guard !pointee.isFinished else { return }
        // Nobody waits for an answer, and it is no failure of the request.
        if pointee.isMirror { return complete() }
        // The answer to the first failure did not get through.
        if pointee.error != nil { return complete() }
        if triesAgain(after: error) { return }
        let error = pointee.fellBack ? error.afterFallingBack : error
        if asksForErrorPage(after: error) { return }
        let half = pointee.downstream
        if half.pointee.endQueued, !pointee.isTunnel, !pointee.isLeaving {
            // The response is whole and on its way: the client has some time to take it.
            return leave()
        }
        pointee.error = error
        loop.pointee.statistics.failures(error).increment()
        if pointee.isWaiting { loop.stopWaiting(self) }
        releaseUpstream(.cancel)
        guard let connection = half.pointee.connection else { return complete() }
        if !half.pointee.headSent {
            reply(error, on: connection)
        } else if pointee.isGRPC, connection.pointee.wire == .http2 || pointee.web != nil, !pointee.isLeaving {
            failWithTrailers(error)
        } else {
            // The response is cut: RST_STREAM, or the end of the connection.
            complete()
        }
        if !pointee.isFinished { leave() }
    }

    /// All that is left is to get the answer out. No other deadline counts any more; a client that does not take it is cut
    /// off at this one.
    private func leave() {
        pointee.isLeaving = true
        pointee.deadline = loop.milliseconds + Connection.endTimeout
        pointee.deadlineIsCallers = false
        pointee.connectDeadline = 0
        pointee.responseDeadline = 0
        pointee.idleTimeout = 0
        pointee.progressCheck = 0
        pointee.sendTimeout = 0
        pointee.sendCheck = 0
        armTimer()
    }

    // MARK: - Answers made here

    private func reply(_ error: ProxyError, on connection: ConnectionPointer) {
        let row = error.row
        if error == .streamRefused {
            // The client may send it again, here or elsewhere (RFC 9113 §8.7).
            pointee.status = Int32(row.http)
            if pointee.isGRPC { pointee.grpcStatus = Int32(row.grpc) }
            loop.resetStream(connection, pointee.downstream.pointee.stream, .refusedStream)
            loop.detach(pointee.downstream)
            return complete()
        }
        if pointee.isGRPC {
            let status = pointee.grpcOverride >= 0 ? Int(pointee.grpcOverride) : row.grpc
            return replyGRPC(status, row.reason, on: connection)
        }
        let needsClose = row.source == .downstream && connection.pointee.wire == .http1
        if needsClose { pointee.closesDownstream = true }
        replyHTTP(row.http, extra: challenge(error), text: row.reason, on: connection)
    }

    /// What a 401 must say (RFC 9110 §11.6.1), of tokens by RFC 6750 §3.
    private func challenge(_ error: ProxyError) -> nghttp2_nv? {
        switch error {
        case .unauthenticated: constant("www-authenticate", "Bearer realm=\"gateway\"")
        case .unauthenticatedBasic: constant("www-authenticate", "Basic realm=\"gateway\", charset=\"UTF-8\"")
        case .tokenMalformed:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token is malformed, or has no iss or exp\""
            )
        case .tokenAlgorithm:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token's algorithm or extension is not accepted\""
            )
        case .tokenIssuerUnknown:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token's issuer and subject are of no consumer\""
            )
        case .tokenKeyUnknown:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token's key is none of its issuer's\""
            )
        case .tokenSignature:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token's signature is wrong\""
            )
        case .tokenExpired:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token has expired\"")
        case .tokenNotYetValid:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token is not valid yet\"")
        case .tokenAudience:
            constant(
                "www-authenticate",
                "Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"the token is for another audience\""
            )
        default: nil
        }
    }

    /// Trailers-only (gRPC over HTTP/2, "Responses"), which clients of gRPC-Web read as well.
    func replyGRPC(_ status: Int, _ message: StaticString, on connection: ConnectionPointer) {
        pointee.status = 200
        pointee.grpcStatus = Int32(status)
        loop.beginReply(status: 200)
        if let web = pointee.web {
            loop.addReply(
                web.pointee.answerIsText
                    ? constant("content-type", "application/grpc-web-text+proto")
                    : constant("content-type", "application/grpc-web+proto"))
            loop.addReply(constant("content-length", "0"))
            if web.pointee.hasOrigin {
                if !hasCORSPolicy { loop.addReply(WebPages.allowOrigin) }
                loop.addReply(WebPages.exposeHeaders)
            }
        } else {
            loop.addReply(constant("content-type", "application/grpc"))
        }
        loop.addReply(decimal: status, named: "grpc-status")
        loop.addReply(constant("grpc-message", message))
        addCORSToReply()
        send(reply: nil, on: connection)
    }

    /// A short answer in plain text.
    func replyHTTP(_ status: Int, extra: nghttp2_nv?, text: StaticString, on connection: ConnectionPointer) {
        pointee.status = Int32(status)
        loop.beginReply(status: status)
        if let extra { loop.addReply(extra) }
        if status == 426 { loop.addReply(constant("sec-websocket-version", "13")) }
        loop.addReply(constant("content-type", "text/plain; charset=utf-8"))
        loop.addReply(decimal: text.utf8CodeUnitCount + 1, named: "content-length")
        addCORSToReply()
        withUnsafeTemporaryAllocation(byteCount: text.utf8CodeUnitCount + 1, alignment: 1) { line in
            line.copyMemory(from: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
            line[text.utf8CodeUnitCount] = UInt8(ascii: "\n")
            send(reply: UnsafeRawBufferPointer(line), on: connection)
        }
    }

    /// The answer to a preflight: without a body, and without allowing anything where `fields` adds nothing.
    func replyPreflight(on connection: ConnectionPointer, _ fields: ((nghttp2_nv) -> Void) -> Void) {
        pointee.status = 204
        loop.beginReply(status: 204)
        fields { loop.addReply($0) }
        send(reply: nil, on: connection)
    }

    /// An answer with a body of the configuration's.
    func replyHTTP(
        _ status: Int, contentType: nghttp2_nv, body: UnsafeRawBufferPointer, on connection: ConnectionPointer
    ) {
        pointee.status = Int32(status)
        loop.beginReply(status: status)
        let hasBody = status != 204 && status != 304
        if hasBody {
            loop.addReply(contentType)
            loop.addReply(decimal: body.count, named: "content-length")
        }
        addCORSToReply()
        send(reply: hasBody && !body.isEmpty ? body : nil, on: connection)
    }

    /// Sends what `beginReply` and `addReply` have put together.
    private func send(reply body: UnsafeRawBufferPointer?, on connection: ConnectionPointer) {
        let half = pointee.downstream
        let hasBody = body != nil && !pointee.isHEAD
        half.pointee.headSent = true
        if connection.pointee.wire == .http2 {
            loop.writeHeaders(
                connection, half.pointee.stream, loop.pointee.reply, loop.pointee.replyCount, endsStream: !hasBody)
            if !hasBody { half.pointee.endSent = true }
        } else {
            loop.writeReplyHeadHTTP1(connection, self)
        }
        if let body, let start = body.baseAddress, hasBody {
            loop.relay(half, start.assumingMemoryBound(to: UInt8.self), body.count, end: true)
        } else if !half.pointee.endSent {
            half.pointee.endQueued = true
            loop.pump(half)
        }
        if half.pointee.endSent { complete() }
    }

    /// The response has begun: the status goes out behind the messages that are still queued.
    private func failWithTrailers(_ error: ProxyError) {
        let status = pointee.grpcOverride >= 0 ? Int(pointee.grpcOverride) : error.row.grpc
        pointee.grpcStatus = Int32(status)
        pointee.upstream.pointee.endReceived = true
        let fields = loop.pointee.fields
        loop.pointee.fieldsOwner = nil
        loop.beginReply(status: 200)
        loop.addReply(decimal: status, named: "grpc-status")
        fields[FieldSlot.regular] = loop.pointee.reply[1]
        fields[FieldSlot.regular + 1] = constant("grpc-message", error.row.reason)
        loop.pointee.fieldCount = FieldSlot.regular + 2
        sendTrailers(to: pointee.downstream)
    }

    /// 308 to the same URL under https (`enableHttps: force`); gRPC clients get UNAVAILABLE, they follow no redirects.
    func redirectToHTTPS(_ head: RequestHead) -> Phase? {
        guard let connection = pointee.downstream.pointee.connection else { return nil }
        if pointee.isGRPC {
            replyGRPC(14, "this host is served over https only", on: connection)
            return nil
        }
        var location = ByteQueue()
        defer { location.release() }
        location.append("https://")
        location.append(hostWithoutPort(head.authority))
        if let port = loop.pointee.snapshot?.pointee.shared.takeUnretainedValue().redirectPort, port != 443 {
            location.append(UInt8(ascii: ":"))
            location.append(decimal: Int(port))
        }
        location.append(head.path)
        if !head.query.isEmpty {
            location.append(UInt8(ascii: "?"))
            location.append(head.query)
        }
        var field = constant("location", "")
        field.value = location.start
        field.valuelen = location.count
        replyHTTP(308, extra: field, text: "this host is served over https only", on: connection)
        return nil
    }
}

/// The host of an authority: without port, brackets kept.
func hostWithoutPort(_ authority: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var end = authority.count
    var i = authority.count - 1
    while i >= 0 {
        let byte = authority[i]
        if byte == UInt8(ascii: ":") {
            end = i
            break
        }
        if byte < 48 || byte > 57 { break }
        i -= 1
    }
    return UnsafeRawBufferPointer(rebasing: authority[..<end])
}
