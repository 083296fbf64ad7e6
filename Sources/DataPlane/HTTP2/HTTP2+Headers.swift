// Header blocks from the peer: HEADERS and CONTINUATION, HPACK, the rules of RFC 9113 §8 for fields, and the hand-over to
// an exchange. A block is always decoded, also for a dead stream: HPACK contexts must not drift apart.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

/// What came of a header block.
enum DecodedBlock {
    case fields
    /// Broken rules of RFC 9113 §8: a stream error.
    case malformed
    /// Decoded to its end, but larger than the limit.
    case tooLarge
    /// The compression context is lost: a connection error.
    case undecodable
    /// Not decoded to its end, because it is far over the limit: the same, and meant.
    case bomb
}

/// Which pseudo-header fields a block may carry.
enum BlockKind {
    case request
    case response
    case trailers
}

extension LoopPointer {
    func receiveHeaders(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ flags: UInt8, _ stream: Int32,
        _ payload: UnsafeMutablePointer<UInt8>, _ length: Int
    ) -> HTTP2Error? {
        guard stream != 0 else { return .protocolError }
        var start = payload
        var size = length
        if flags & FrameFlag.padded != 0 {
            guard size >= 1 else { return .frameSizeError }
            let padding = Int(start[0])
            start += 1
            size -= 1
            guard padding <= size else { return .protocolError }
            size -= padding
        }
        if flags & FrameFlag.priority != 0 {
            // What they say is ignored (RFC 9113 §5.3.2).
            guard size >= 5 else { return .frameSizeError }
            start += 5
            size -= 5
        }
        let endsStream = flags & FrameFlag.endStream != 0
        if flags & FrameFlag.endHeaders != 0 {
            return receiveBlock(connection, state, stream, start, size, endsStream)
        }
        state.pointee.blockStream = stream
        state.pointee.blockEndsStream = endsStream
        state.pointee.continuations = 0
        state.pointee.block.append(start, size)
        return nil
    }

    func receiveContinuation(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ flags: UInt8, _ stream: Int32,
        _ payload: UnsafeMutablePointer<UInt8>, _ length: Int
    ) -> HTTP2Error? {
        guard state.pointee.blockStream != 0, stream == state.pointee.blockStream else { return .protocolError }
        state.pointee.continuations &+= 1
        state.pointee.block.append(payload, length)
        // CONTINUATION flood (CVE-2024-27316): bounded in frames and in bytes before anything is decoded.
        let limit = Int(connection.pointee.listener?.pointee.limits.maxContinuations ?? 64)
        guard limit == 0 || Int(state.pointee.continuations) <= limit,
            state.pointee.block.count <= maxHeaderList(connection) &* 2
        else { return abused(state, .continuationFlood) }
        guard flags & FrameFlag.endHeaders != 0 else { return nil }
        let endsStream = state.pointee.blockEndsStream
        state.pointee.blockStream = 0
        let size = state.pointee.block.count
        let start = size > 0 ? state.pointee.block.start : payload
        let error = receiveBlock(connection, state, stream, start, size, endsStream)
        state.pointee.block.removeAll()
        return error
    }

    @inline(__always)
    private func receiveBlock(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ stream: Int32,
        _ block: UnsafeMutablePointer<UInt8>, _ size: Int, _ endsStream: Bool
    ) -> HTTP2Error? {
        if let half = state.pointee.streams.find(stream) {
            return receiveBlock(of: half, connection, state, block, size, endsStream)
        }
        guard state.pointee.isServer, stream & 1 == 1, stream > state.pointee.lastPeerStream else {
            // A stream that is gone here: the block only keeps the compression context right.
            if isIdle(state, stream) { return .protocolError }
            if let error = decodeOnly(connection, state, block, size) { return error }
            guard state.pointee.isServer else { return nil }
            // Given up by our GOAWAY, or reset here: the peer may not know yet (RFC 9113 §5.1). One block may follow, trailers.
            if stream > state.pointee.goAwayPromised { return spend(connection, state, 1, .streamLimit) }
            return state.pointee.resetStreams.remove(stream) ? nil : .streamClosed
        }
        state.pointee.lastPeerStream = stream
        switch decode(connection, state, block, size, .request) {
        case .undecodable:
            return .compressionError
        case .bomb:
            return abused(state, .hpackBomb)
        case .malformed:
            pointee.statistics.requestsMalformed.increment()
            resetStream(connection, stream, .protocolError)
        case .tooLarge:
            beginExchange(on: connection, stream: stream, endsStream: endsStream, failure: .headersTooLarge)
        case .fields:
            guard requestIsWellFormed(endsStream: endsStream) else {
                pointee.statistics.requestsMalformed.increment()
                resetStream(connection, stream, .protocolError)
                return nil
            }
            let limit = Int(connection.pointee.listener?.pointee.limits.maxConcurrentStreams ?? 256)
            if stream > state.pointee.goAwayPromised {
                // Our GOAWAY said so: the client takes it elsewhere (RFC 9113 §6.8).
                return spend(connection, state, 1, .streamLimit)
            } else if state.pointee.streams.count >= limit {
                pointee.statistics.streamsRefused.increment()
                beginExchange(on: connection, stream: stream, endsStream: endsStream, failure: .streamRefused)
                return spend(connection, state, 1, .streamLimit)
            } else if let budget = exhaustedBudget(connection) {
                refuseStream(connection, stream, endsStream: endsStream, budget)
            } else if isConnect {
                state.pointee.controlEarned &+= 4
                let failure = takeConnect()
                beginExchange(on: connection, stream: stream, endsStream: endsStream, failure: failure)
                pointee.pendingHead = HTTP1Head()
            } else {
                state.pointee.controlEarned &+= 4
                beginExchange(on: connection, stream: stream, endsStream: endsStream, failure: nil)
            }
        }
        return nil
    }

    /// A block that only keeps the compression context right.
    private func decodeOnly(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>,
        _ block: UnsafeMutablePointer<UInt8>, _ size: Int
    ) -> HTTP2Error? {
        switch decode(connection, state, block, size, .trailers) {
        case .undecodable: .compressionError
        case .bomb: abused(state, .hpackBomb)
        default: nil
        }
    }

    /// No memory for another stream. A client that has used up its own share is told to try again; where others have, it
    /// gets an answer.
    private func refuseStream(
        _ connection: ConnectionPointer, _ stream: Int32, endsStream: Bool, _ budget: AbuseKind
    ) {
        pointee.statistics.abuse(budget).increment()
        if budget == .memoryConnection {
            pointee.statistics.streamsRefused.increment()
            beginExchange(on: connection, stream: stream, endsStream: endsStream, failure: .streamRefused)
        } else {
            beginExchange(on: connection, stream: stream, endsStream: endsStream, failure: .overload)
        }
    }

    /// A block on a stream that exists: response head, 1xx, or trailers.
    @inline(__always)
    private func receiveBlock(
        of half: HalfPointer, _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>,
        _ block: UnsafeMutablePointer<UInt8>, _ size: Int, _ endsStream: Bool
    ) -> HTTP2Error? {
        let isHead = half.pointee.isUpstream && !half.pointee.headReceived
        if half.pointee.endReceived {
            if let error = decodeOnly(connection, state, block, size) { return error }
            failStream(half, .streamClosed)
            return nil
        }
        switch decode(connection, state, block, size, isHead ? .response : .trailers) {
        case .undecodable:
            return .compressionError
        case .bomb:
            return abused(state, .hpackBomb)
        case .malformed:
            failStream(half, .protocolError)
        case .tooLarge:
            half.pointee.exchange.fail(half.pointee.isUpstream ? .responseHeadersTooLarge : .headersTooLarge)
        case .fields:
            if isHead {
                half.pointee.exchange.receivedResponseHead(endsStream: endsStream)
            } else if !endsStream {
                failStream(half, .protocolError)
            } else {
                half.pointee.exchange.receivedTrailers(on: half)
            }
        }
        return nil
    }

    /// The pseudo-header fields that a request must have (RFC 9113 §8.3.1). `host` may stand in for `:authority`, and must
    /// not contradict it. CONNECT has rules of its own. A body that is announced must come (§8.1.1): an HTTP/1.1 upstream
    /// would take the next request on its connection for it.
    private func requestIsWellFormed(endsStream: Bool) -> Bool {
        let fields = pointee.fields
        let method = fields[FieldSlot.method]
        guard method.valuelen > 0, nghttp2_check_method(method.value, method.valuelen) != 0,
            isConnect
                ? connectIsWellFormed
                : isAcceptableScheme(fields[FieldSlot.scheme]) && isAcceptablePath(fields[FieldSlot.path], method)
                    && fields[FieldSlot.protocol].name == nil,
            pointee.facts.hosts <= 1, !endsStream || pointee.facts.contentLength ?? 0 == 0
        else { return false }
        if pointee.facts.host > 0 {
            let host = fields[pointee.facts.host]
            let authority = fields[FieldSlot.authority]
            if authority.name == nil {
                var field = constant(":authority", "")
                field.value = host.value
                field.valuelen = host.valuelen
                fields[FieldSlot.authority] = field
            } else if !isSame(authority, host) {
                return false
            }
        }
        let authority = fields[FieldSlot.authority]
        return authority.name != nil && isAcceptableAuthority(authority)
    }

    /// RFC 3986 §3.1, the first character not told apart: nothing here acts on a scheme.
    @inline(__always)
    private func isAcceptableScheme(_ scheme: nghttp2_nv) -> Bool {
        if scheme.valuelen == 4, memcmp(scheme.value, "http", 4) == 0 { return true }
        if scheme.valuelen == 5, memcmp(scheme.value, "https", 5) == 0 { return true }
        guard scheme.valuelen > 0 else { return false }
        for i in 0..<scheme.valuelen {
            switch scheme.value[i] {
            case 43, 45, 46, 48...57, 65...90, 97...122: continue
            default: return false
            }
        }
        return true
    }

    /// Origin form without blanks and the like, or the `*` of OPTIONS (RFC 9113 §8.3.1). What else the rule for paths
    /// refuses is a well-formed request that gets 400.
    @inline(__always)
    private func isAcceptablePath(_ path: nghttp2_nv, _ method: nghttp2_nv) -> Bool {
        guard path.valuelen > 0, nghttp2_check_path(path.value, path.valuelen) != 0 else { return false }
        if path.value[0] == UInt8(ascii: "/") { return true }
        return path.valuelen == 1 && path.value[0] == UInt8(ascii: "*") && method.valuelen == 7
            && memcmp(method.value, "OPTIONS", 7) == 0
    }

    private func isSame(_ a: nghttp2_nv, _ b: nghttp2_nv) -> Bool {
        guard a.valuelen == b.valuelen else { return false }
        return a.value.withMemoryRebound(to: CChar.self, capacity: a.valuelen) { x in
            b.value.withMemoryRebound(to: CChar.self, capacity: b.valuelen) { strncasecmp(x, $0, a.valuelen) == 0 }
        }
    }

    @inline(__always)
    func maxHeaderList(_ connection: ConnectionPointer) -> Int {
        guard let listener = connection.pointee.listener else { return pointee.maxResponseHeaderList }
        return min(Loop.arenaSize, Int(listener.pointee.limits.maxHeaderListSize))
    }

    /// Decodes a block into `fields`: pseudo-header fields in their slots (`FieldSlot`), the others from
    /// `FieldSlot.regular` on. Values live in the arena until the next decode.
    private func decode(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>,
        _ block: UnsafeMutablePointer<UInt8>, _ size: Int, _ kind: BlockKind
    ) -> DecodedBlock {
        if state.pointee.inflater == nil, nghttp2_hd_inflate_new(&state.pointee.inflater) != 0 { return .undecodable }
        let inflater = state.pointee.inflater
        let limit = maxHeaderList(connection)
        let factor = Int(connection.pointee.listener?.pointee.limits.headerDecodeFactor ?? 4)
        let most = factor == 0 ? Int.max : factor &* limit
        let arena = pointee.arena
        let fields = pointee.fields
        for slot in 0..<FieldSlot.regular { fields[slot] = nghttp2_nv() }
        var input = UnsafePointer(block)
        var left = size
        var used = 0
        var listSize = 0
        var next = FieldSlot.regular
        var malformed = false
        var regularSeen = false
        var facts = FieldFacts()
        while true {
            var field = nghttp2_nv()
            var flags: Int32 = 0
            let consumed = nghttp2_hd_inflate_hd2(inflater, &field, &flags, input, left, 1)
            guard consumed >= 0 else { return .undecodable }
            input += consumed
            left &-= consumed
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                let bytes = field.namelen &+ field.valuelen
                listSize &+= bytes &+ 32
                // Decoded to its end even over the limit, so that the context stays in step; but not without bound.
                if listSize > most { return .bomb }
                if listSize > limit || next >= Loop.maxFields || malformed { continue }
                let name = arena + used
                memcpy(name, field.name, field.namelen)
                memcpy(name + field.namelen, field.value, field.valuelen)
                used &+= bytes
                let copy = nghttp2_nv(
                    name: name, value: name + field.namelen, namelen: field.namelen, valuelen: field.valuelen,
                    flags: field.flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue))
                if field.namelen > 0, name[0] == UInt8(ascii: ":") {
                    guard !regularSeen, kind != .trailers, let slot = FieldSlot.slot(of: copy, kind),
                        fields[slot].name == nil,
                        nghttp2_check_header_value_rfc9113(copy.value, copy.valuelen) != 0
                    else {
                        malformed = true
                        continue
                    }
                    fields[slot] = copy
                } else {
                    regularSeen = true
                    guard nghttp2_check_header_name(copy.name, copy.namelen) != 0,
                        nghttp2_check_header_value_rfc9113(copy.value, copy.valuelen) != 0,
                        facts.note(copy, at: next)
                    else {
                        malformed = true
                        continue
                    }
                    fields[next] = copy
                    next &+= 1
                }
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
                nghttp2_hd_inflate_end_headers(inflater)
                break
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0, left == 0 { break }
        }
        pointee.fieldCount = next
        pointee.facts = facts
        if listSize > limit || next >= Loop.maxFields { return .tooLarge }
        return malformed ? .malformed : .fields
    }
}
