// Outgoing HTTP/1.1, on both sides: heads as text, bodies in the framing that the head announced.

internal import CNghttp2
internal import Glibc

extension LoopPointer {
    // MARK: - Heads

    /// The composed request head in the loop's list, as HTTP/1.1.
    func writeRequestHeadHTTP1(_ connection: ConnectionPointer, _ exchange: ExchangePointer) {
        guard let state = connection.pointee.http1 else { return }
        let half = exchange.pointee.upstream
        let fields = pointee.fields
        state.pointee.receive = .head
        write(connection, fields[FieldSlot.method])
        connection.pointee.output.append(UInt8(ascii: " "))
        write(connection, fields[FieldSlot.path])
        connection.pointee.output.append(" HTTP/1.1\r\nhost: ")
        write(connection, fields[FieldSlot.authority])
        connection.pointee.output.append("\r\n")
        var hasLength = false
        var cookies = 0
        for index in FieldSlot.regular..<pointee.fieldCount {
            let field = fields[index]
            if field.namelen == 14, memcmp(field.name, "content-length", 14) == 0 { hasLength = true }
            if field.namelen == 6, memcmp(field.name, "cookie", 6) == 0 {
                cookies += 1
                continue
            }
            if field.namelen == 2, memcmp(field.name, "te", 2) == 0 { continue }
            writeField(connection, field)
        }
        if cookies > 0 { writeCookies(connection) }
        if exchange.pointee.isWebSocket {
            connection.pointee.output.append("upgrade: websocket\r\nconnection: Upgrade\r\n")
            state.pointee.framing = .none
        } else if hasLength {
            state.pointee.framing = .length
        } else if exchange.requestEndsWithHead {
            state.pointee.framing = .none
        } else {
            connection.pointee.output.append("transfer-encoding: chunked\r\n")
            state.pointee.framing = .chunked
        }
        connection.pointee.output.append("\r\n")
        markDirty(connection)
        if exchange.requestEndsWithHead { half.pointee.endSent = true }
    }

    /// HTTP/2 clients may split `cookie`; HTTP/1.1 wants one field (RFC 9113 §8.2.3).
    private func writeCookies(_ connection: ConnectionPointer) {
        connection.pointee.output.append("cookie: ")
        var first = true
        for index in FieldSlot.regular..<pointee.fieldCount {
            let field = pointee.fields[index]
            guard field.namelen == 6, memcmp(field.name, "cookie", 6) == 0 else { continue }
            if !first { connection.pointee.output.append("; ") }
            first = false
            write(connection, field)
        }
        connection.pointee.output.append("\r\n")
    }

    /// The upstream's response head in the loop's list, as HTTP/1.1.
    func writeResponseHeadHTTP1(
        _ connection: ConnectionPointer, _ exchange: ExchangePointer, _ status: Int, interim: Bool, ended: Bool = false
    ) {
        writeStatusLine(connection, status)
        for index in FieldSlot.regular..<pointee.fieldCount { writeField(connection, pointee.fields[index]) }
        if interim {
            connection.pointee.output.append("\r\n")
            return markDirty(connection)
        }
        let hasLength = pointee.facts.contentLength != nil
        finishResponseHead(connection, exchange, status, hasLength: hasLength, ended: ended)
    }

    /// The reply that was put together here.
    func writeReplyHeadHTTP1(_ connection: ConnectionPointer, _ exchange: ExchangePointer) {
        let status = Int(exchange.pointee.status)
        writeStatusLine(connection, status)
        var hasLength = false
        for index in 1..<pointee.replyCount {
            let field = pointee.reply[index]
            if field.namelen == 14 { hasLength = true }
            writeField(connection, field)
        }
        finishResponseHead(connection, exchange, status, hasLength: hasLength, ended: false)
    }

    /// Framing (RFC 9112 §6.3) and the fate of the connection.
    private func finishResponseHead(
        _ connection: ConnectionPointer, _ exchange: ExchangePointer, _ status: Int, hasLength: Bool, ended: Bool
    ) {
        guard let state = connection.pointee.http1 else { return }
        let half = exchange.pointee.downstream
        let bodiless = exchange.pointee.isHEAD || status == 204 || status == 304
        if bodiless {
            state.pointee.framing = .none
        } else if hasLength {
            state.pointee.framing = .length
        } else if ended {
            connection.pointee.output.append("content-length: 0\r\n")
            state.pointee.framing = .none
        } else if exchange.pointee.isHTTP10 {
            state.pointee.framing = .untilClose
            state.pointee.keepsAlive = false
        } else {
            connection.pointee.output.append("transfer-encoding: chunked\r\n")
            state.pointee.framing = .chunked
        }
        // A handshake that was not accepted ends the connection: what comes behind it may be frames already.
        if exchange.pointee.closesDownstream || exchange.pointee.isWebSocket || connection.pointee.isDraining {
            state.pointee.keepsAlive = false
        }
        if exchange.pointee.error == .webSocketVersion {
            // What to upgrade to (RFC 9110 §15.5.22). The connection ends, as with each handshake that was refused.
            connection.pointee.output.append("upgrade: websocket\r\nconnection: close, Upgrade\r\n")
        } else if !state.pointee.keepsAlive {
            connection.pointee.output.append("connection: close\r\n")
        } else if exchange.pointee.isHTTP10 {
            connection.pointee.output.append("connection: keep-alive\r\n")
        }
        connection.pointee.output.append("\r\n")
        markDirty(connection)
        if ended { half.pointee.endSent = true }
    }

    private func writeStatusLine(_ connection: ConnectionPointer, _ status: Int) {
        connection.pointee.output.append("HTTP/1.1 ")
        connection.pointee.output.append(decimal: status)
        connection.pointee.output.append(UInt8(ascii: " "))
        connection.pointee.output.append(reasonPhrase(status))
        connection.pointee.output.append("\r\n")
    }

    @inline(__always)
    private func write(_ connection: ConnectionPointer, _ value: nghttp2_nv) {
        if let bytes = value.value { connection.pointee.output.append(bytes, value.valuelen) }
    }

    private func writeField(_ connection: ConnectionPointer, _ field: nghttp2_nv) {
        connection.pointee.output.append(field.name, field.namelen)
        connection.pointee.output.append(": ")
        write(connection, field)
        connection.pointee.output.append("\r\n")
    }

    // MARK: - Bodies

    /// Body bytes in the connection's framing; returns how many were taken.
    func writeBodyHTTP1(
        _ connection: ConnectionPointer, _ half: HalfPointer, _ bytes: UnsafePointer<UInt8>?, _ count: Int, end: Bool
    ) -> Int {
        guard let state = connection.pointee.http1, connection.pointee.takesBody || count == 0 else { return 0 }
        if count > 0, let bytes {
            switch state.pointee.framing {
            case .chunked:
                writeChunkSize(connection, count)
                connection.pointee.output.append(bytes, count)
                connection.pointee.output.append("\r\n")
            case .length, .untilClose, .tunnel:
                connection.pointee.output.append(bytes, count)
            case .none:
                // A response to HEAD and the like has no place for a body.
                break
            }
            markDirty(connection)
            noteOutput(connection)
        }
        if end {
            half.pointee.endSent = true
            if state.pointee.framing == .chunked { connection.pointee.output.append("0\r\n\r\n") }
            if state.pointee.framing == .tunnel { connection.pointee.finishesAfterFlush = true }
            markDirty(connection)
        }
        return count
    }

    func writeTrailersHTTP1(_ connection: ConnectionPointer, _ fields: UnsafeMutablePointer<nghttp2_nv>, _ count: Int) {
        // Only the chunked framing has a place for trailers.
        guard connection.pointee.http1?.pointee.framing == .chunked else { return }
        connection.pointee.output.append("0\r\n")
        for index in 0..<count { writeField(connection, fields[index]) }
        connection.pointee.output.append("\r\n")
        markDirty(connection)
    }

    private func writeChunkSize(_ connection: ConnectionPointer, _ size: Int) {
        let digits = connection.pointee.output.reserve(18)
        var shift = 60
        var length = 0
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: size >> shift) & 15
            if digit != 0 || length > 0 || shift == 0 {
                digits[length] = digit < 10 ? 48 + digit : 87 + digit
                length += 1
            }
            shift -= 4
        }
        digits[length] = 13
        digits[length + 1] = 10
        connection.pointee.output.commit(length + 2)
    }

    // MARK: - Ends

    /// The exchange on a downstream connection is over: the next request, or the end of the connection.
    func finishHTTP1Exchange(_ connection: ConnectionPointer, _ half: HalfPointer) {
        guard let state = connection.pointee.http1 else { return }
        state.pointee.isCut = !half.pointee.endSent
        let isClean = half.pointee.endSent && half.pointee.endReceived && !half.pointee.exchange.pointee.isTunnel
        detach(half)
        guard !connection.pointee.isClosed else { return }
        state.pointee.served += 1
        guard isClean, state.pointee.keepsAlive else { return endAfterFlush(connection) }
        state.pointee.receive = .head
        becameIdle(connection)
        if state.pointee.hasUnparsed || connection.pointee.isReadPaused {
            connection.pointee.isReadPaused = false
            markReady(connection)
        }
    }
}

/// RFC 9110 §15; the phrase carries no meaning, unknown codes have none.
private func reasonPhrase(_ status: Int) -> StaticString {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 103: "Early Hints"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 421: "Misdirected Request"
    case 426: "Upgrade Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: ""
    }
}
