// Incoming HTTP/1.1, on both sides: heads, bodies and trailers as they arrive, one message at a time. What belongs to the
// next message stays in the connection's `inbound` until the exchange is over (pipelining).

internal import CNghttp2
internal import Glibc

extension LoopPointer {
    func startHTTP1(_ connection: ConnectionPointer, server: Bool) {
        let state = UnsafeMutablePointer<HTTP1State>.allocate(capacity: 1)
        state.initialize(to: HTTP1State(isServer: server))
        connection.pointee.http1 = state
        connection.pointee.wire = .http1
    }

    /// Returns how many bytes were used.
    func receiveHTTP1(_ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        guard let state = connection.pointee.http1 else { return count }
        var used = 0
        while !connection.pointee.isClosed, !connection.pointee.closesAfterFlush {
            let p = bytes + used
            let n = count - used
            switch state.pointee.receive {
            case .head:
                if n == 0 { return used }
                guard pointee.turn > 0 else {
                    connection.pointee.isTurnOver = true
                    return used
                }
                guard let taken = receiveHead(connection, state, p, n) else { return used }
                used += taken
            case .length, .untilClose, .tunnel, .chunkData:
                let takes = state.pointee.receive == .length || state.pointee.receive == .chunkData
                let size = takes ? min(n, state.pointee.remaining) : n
                if size == 0, !takes || state.pointee.remaining > 0 { return used }
                receiveBody(connection, state, p, size)
                used += size
            case .chunkSize:
                guard let taken = receiveChunkSize(connection, state, p, n) else { return used }
                used += taken
            case .chunkEnd:
                guard n >= 2 else { return used }
                guard p[0] == 13, p[1] == 10 else {
                    brokenMessage(connection, state)
                    return count
                }
                used += 2
                state.pointee.receive = .chunkSize
            case .trailers:
                guard let taken = receiveTrailers(connection, state, p, n) else { return used }
                used += taken
            case .complete:
                // The next message: kept, and the socket left unread once there is enough of it.
                state.pointee.hasUnparsed = n > 0
                if n > Half.highWater { connection.pointee.isReadPaused = true }
                return used
            }
        }
        return count
    }

    private func receiveHead(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) -> Int? {
        if state.pointee.isServer {
            // Empty lines before a request are ignored (RFC 9112 §2.2).
            if count >= 2, bytes[0] == 13, bytes[1] == 10 { return 2 }
            if connection.pointee.stage == .idle { expectHead(connection) }
        } else {
            guard let half = state.pointee.half else {
                // Bytes that nobody asked for.
                close(connection, because: .transport)
                return count
            }
            half.pointee.exchange.pointee.mayHaveMissedConnection = false
            if memcmp(bytes, "HTTP/1.", min(count, 7)) != 0 {
                // Another protocol answers: there may never be an end of a head.
                half.pointee.exchange.fail(.upstreamProtocol)
                return count
            }
        }
        guard let end = headEnd(bytes, count, searched: state.pointee.searched) else {
            state.pointee.searched = count
            if count > maxHeaderList(connection) {
                if state.pointee.isServer {
                    refuseHead(connection, state, .headersTooLarge)
                } else if let half = state.pointee.half {
                    half.pointee.exchange.fail(.responseHeadersTooLarge)
                }
                return count
            }
            return nil
        }
        state.pointee.searched = 0
        if state.pointee.isServer {
            receiveRequest(connection, state, bytes, end)
        } else {
            receiveResponse(connection, state, bytes, end)
        }
        return end
    }

    // MARK: - Requests

    private func receiveRequest(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) {
        guard count <= maxHeaderList(connection) else { return refuseHead(connection, state, .headersTooLarge) }
        guard let head = parseRequestHead(bytes, count) else {
            return refuseHead(connection, state, hadTooManyFields() ? .headersTooLarge : .badRequest)
        }
        if let error = requestProblem(head) { return refuseHead(connection, state, error) }
        if connection.pointee.ssl != nil { pointee.fields[FieldSlot.scheme] = constant(":scheme", "https") }
        state.pointee.keepsAlive = head.keepsAlive && !connection.pointee.isDraining
        state.pointee.framing = .none
        let length = pointee.facts.contentLength ?? 0
        if head.upgradesToWebSocket {
            state.pointee.receive = .complete
        } else if head.isChunked {
            state.pointee.receive = .chunkSize
        } else if length > 0 {
            state.pointee.receive = .length
            state.pointee.remaining = length
        } else {
            state.pointee.receive = .complete
        }
        let ends = state.pointee.receive == .complete && !head.upgradesToWebSocket
        if pointee.facts.expectsContinue, !ends, !head.isHTTP10 {
            // The gateway takes the body as it comes: it says so itself. HTTP/1.0 has no 100 (RFC 9110 §10.1.1).
            connection.pointee.output.append("HTTP/1.1 100 Continue\r\n\r\n")
            markDirty(connection)
            pointee.facts.expectsContinue = false
        }
        pointee.turn &-= 1
        pointee.pendingHead = head
        let budget = exhaustedBudget(connection)
        if let budget { pointee.statistics.abuse(budget).increment() }
        beginExchange(on: connection, stream: 0, endsStream: ends, failure: budget == nil ? nil : .overload)
        pointee.pendingHead = HTTP1Head()
    }

    /// What is wrong with a request that parsed; nil: nothing.
    private func requestProblem(_ head: HTTP1Head) -> ProxyError? {
        let authority = pointee.fields[FieldSlot.authority]
        // HTTP/1.0 may leave Host away, but whoever it is passed on to needs one.
        guard isAcceptableAuthority(authority) else { return .badRequest }
        let method = pointee.fields[FieldSlot.method]
        if method.valuelen == 7, memcmp(method.value, "CONNECT", 7) == 0 { return .badRequest }
        guard head.upgradesToWebSocket else { return nil }
        guard method.valuelen == 3, memcmp(method.value, "GET", 3) == 0, !head.isHTTP10,
            head.webSocketKey.count == 24, !head.isChunked, (pointee.facts.contentLength ?? 0) == 0
        else { return .webSocketBadHandshake }
        return head.webSocketVersionIs13 ? nil : .webSocketVersion
    }

    /// Answers a head that was not understood, and ends the connection: what follows cannot be told apart.
    func refuseHead(_ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>, _ error: ProxyError) {
        state.pointee.receive = .complete
        state.pointee.keepsAlive = false
        state.pointee.framing = .none
        for slot in 0..<FieldSlot.regular { pointee.fields[slot] = nghttp2_nv() }
        pointee.fieldCount = FieldSlot.regular
        pointee.facts = FieldFacts()
        // Late and too large are another thing, as over HTTP/2.
        if error != .requestTimeout, error != .headersTooLarge { pointee.statistics.requestsMalformed.increment() }
        beginExchange(on: connection, stream: 0, endsStream: true, failure: error)
    }

    // MARK: - Responses

    private func receiveResponse(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) {
        guard let half = state.pointee.half else { return }
        let exchange = half.pointee.exchange
        guard count <= maxHeaderList(connection) else { return exchange.fail(.responseHeadersTooLarge) }
        guard let head = parseResponseHead(bytes, count) else {
            return exchange.fail(hadTooManyFields() ? .responseHeadersTooLarge : .upstreamProtocol)
        }
        if head.status == 101 { return receiveSwitch(connection, state, exchange, head) }
        if head.status < 200 { return exchange.receivedResponseHead(endsStream: false) }
        state.pointee.keepsAlive = head.keepsAlive
        let hasBody = !exchange.pointee.isHEAD && head.status != 204 && head.status != 304
        if !hasBody {
            state.pointee.receive = .complete
        } else if head.isChunked {
            state.pointee.receive = .chunkSize
        } else if let length = pointee.facts.contentLength {
            state.pointee.receive = length > 0 ? .length : .complete
            state.pointee.remaining = length
        } else {
            state.pointee.receive = .untilClose
            state.pointee.keepsAlive = false
        }
        exchange.receivedResponseHead(endsStream: state.pointee.receive == .complete)
    }

    // MARK: - Bodies

    private func receiveBody(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) {
        var ends = false
        if state.pointee.receive == .length || state.pointee.receive == .chunkData {
            state.pointee.remaining -= count
            if state.pointee.remaining == 0 {
                if state.pointee.receive == .length {
                    ends = true
                    state.pointee.receive = .complete
                } else {
                    state.pointee.receive = .chunkEnd
                }
            }
        }
        guard let half = state.pointee.half else { return }
        half.pointee.outstanding &+= count
        half.pointee.exchange.receivedBody(on: half, bytes, count, end: ends)
    }

    /// `1*HEXDIG [chunk-ext] CRLF` (RFC 9112 §7.1). Extensions are dropped.
    private func receiveChunkSize(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) -> Int? {
        guard let found = memchr(bytes, 10, min(count, HTTP1State.maxChunkLine))?.assumingMemoryBound(to: UInt8.self)
        else {
            if count >= HTTP1State.maxChunkLine {
                brokenMessage(connection, state)
                return count
            }
            return nil
        }
        let end = found - bytes
        var size = 0
        var digits = 0
        while digits < end, let digit = hexDigit(bytes[digits]) {
            guard digits < 15 else { break }
            size = size << 4 | digit
            digits += 1
        }
        guard digits > 0, end >= 1, bytes[end - 1] == 13, digits == end - 1 || isExtension(bytes, digits, end - 1)
        else {
            brokenMessage(connection, state)
            return count
        }
        state.pointee.remaining = size
        state.pointee.receive = size > 0 ? .chunkData : .trailers
        return end + 1
    }

    private func isExtension(_ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int) -> Bool {
        guard bytes[from] == UInt8(ascii: ";") else { return false }
        return nghttp2_check_header_value(bytes + from, to - from) != 0
    }

    private func receiveTrailers(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) -> Int? {
        let end: Int
        if count >= 2, bytes[0] == 13, bytes[1] == 10 {
            end = 2
        } else if let found = headEnd(bytes, count, searched: 0) {
            end = found
        } else {
            end = count > maxHeaderList(connection) ? count : 0
        }
        if end == 0 { return nil }
        guard end <= maxHeaderList(connection) else {
            brokenMessage(connection, state, tooLarge: true)
            return count
        }
        guard parseTrailers(bytes, end) else {
            brokenMessage(connection, state, tooLarge: hadTooManyFields())
            return count
        }
        state.pointee.receive = .complete
        if let half = state.pointee.half { half.pointee.exchange.receivedTrailers(on: half) }
        return end
    }

    /// A message that cannot be read on. Downstream: 400 where nothing was answered yet; upstream: the exchange fails.
    private func brokenMessage(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP1State>, tooLarge: Bool = false
    ) {
        state.pointee.keepsAlive = false
        state.pointee.receive = .complete
        guard let half = state.pointee.half else { return close(connection, because: .transport) }
        if half.pointee.isUpstream {
            half.pointee.exchange.fail(tooLarge ? .responseHeadersTooLarge : .upstreamProtocol)
        } else {
            half.pointee.exchange.fail(tooLarge ? .headersTooLarge : .badRequest)
        }
    }

    private func hexDigit(_ byte: UInt8) -> Int? {
        switch byte {
        case 48...57: Int(byte - 48)
        case 97...102: Int(byte - 87)
        case 65...70: Int(byte - 55)
        default: nil
        }
    }

    /// `host [":" port]` without userinfo (RFC 9110 §4.2.4), in characters that belong there.
    func isAcceptableAuthority(_ field: nghttp2_nv) -> Bool {
        guard field.valuelen > 0, field.valuelen <= 512, nghttp2_check_authority(field.value, field.valuelen) != 0
        else {
            return false
        }
        return memchr(field.value, Int32(UInt8(ascii: "@")), field.valuelen) == nil
    }
}
