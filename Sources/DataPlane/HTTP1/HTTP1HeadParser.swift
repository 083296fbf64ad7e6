// The strict parser of HTTP/1.1 heads (RFC 9112 §2–5): start line and fields, into the loop's list. One framing, no folded
// lines, no bare CR or LF, no control bytes. Whatever two parsers could read in two ways is refused here.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

/// What a head said beyond its fields.
struct HTTP1Head {
    var isHTTP10 = false
    var isChunked = false
    var keepsAlive = true
    var upgradesToWebSocket = false
    var status = 0
    /// The request's sec-websocket-key or the response's -accept.
    var webSocketKey = UnsafeRawBufferPointer(start: nil, count: 0)
    var webSocketVersionIs13 = false

    /// Two are as good as none (RFC 6455 §11.3.1, §11.3.3).
    fileprivate mutating func noteKey(_ field: nghttp2_nv) {
        let isFirst = webSocketKey.baseAddress == nil
        webSocketKey = UnsafeRawBufferPointer(start: field.value, count: isFirst ? field.valuelen : 0)
    }
}

extension LoopPointer {
    /// Finds the end of a head (behind the empty line), or nil when it is not there yet.
    func headEnd(_ bytes: UnsafePointer<UInt8>, _ count: Int, searched: Int) -> Int? {
        var from = max(0, searched - 3)
        while from < count {
            guard let found = memchr(bytes + from, 10, count - from) else { return nil }
            let at = UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - bytes
            if at >= 3, bytes[at - 1] == 13, bytes[at - 2] == 10 { return at + 1 }
            // A bare LF LF would be an end for a lax parser: let this one see it, and refuse it.
            if at >= 1, bytes[at - 1] == 10 { return at + 1 }
            from = at + 1
        }
        return nil
    }

    /// Parses a request head of `count` bytes, its empty line included. nil: malformed.
    func parseRequestHead(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> HTTP1Head? {
        let text = UnsafeMutableBufferPointer(start: bytes, count: count)
        guard let line = text.firstIndex(of: 13), line + 1 < count, text[line + 1] == 10 else { return nil }
        guard let first = text[..<line].firstIndex(of: 32),
            let second = text[(first + 1)..<line].firstIndex(of: 32), second > first + 1,
            nghttp2_check_method(bytes, first) != 0, line - second == 9, memcmp(bytes + second + 1, "HTTP/1.", 7) == 0
        else { return nil }
        var head = HTTP1Head()
        switch bytes[second + 8] {
        case UInt8(ascii: "1"): break
        case UInt8(ascii: "0"):
            head.isHTTP10 = true
            head.keepsAlive = false
        default: return nil
        }
        for slot in 0..<FieldSlot.regular { pointee.fields[slot] = nghttp2_nv() }
        setField(FieldSlot.method, ":method", bytes, first)
        pointee.fields[FieldSlot.scheme] = constant(":scheme", "http")
        guard parseFields(bytes, line + 2, count, &head, isRequest: true),
            parseTarget(bytes + first + 1, second - first - 1, isHTTP10: head.isHTTP10)
        else { return nil }
        return head
    }

    /// Parses a response head. nil: malformed.
    func parseResponseHead(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> HTTP1Head? {
        let text = UnsafeMutableBufferPointer(start: bytes, count: count)
        guard let line = text.firstIndex(of: 13), line >= 12, line + 1 < count, text[line + 1] == 10,
            memcmp(bytes, "HTTP/1.", 7) == 0, bytes[8] == 32, line == 12 || bytes[12] == 32,
            let status = parseDecimal(bytes + 9, 3)
        else { return nil }
        var head = HTTP1Head()
        head.status = status
        switch bytes[7] {
        case UInt8(ascii: "1"): break
        case UInt8(ascii: "0"):
            head.isHTTP10 = true
            head.keepsAlive = false
        default: return nil
        }
        for slot in 0..<FieldSlot.regular { pointee.fields[slot] = nghttp2_nv() }
        setField(FieldSlot.status, ":status", bytes + 9, 3)
        return parseFields(bytes, line + 2, count, &head, isRequest: false) ? head : nil
    }

    /// Parses a trailer section into the list. False: malformed.
    func parseTrailers(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bool {
        var head = HTTP1Head()
        for slot in 0..<FieldSlot.regular { pointee.fields[slot] = nghttp2_nv() }
        guard parseFields(bytes, 0, count, &head, isRequest: false) else { return false }
        // A trailer must not touch framing (RFC 9110 §6.5.1).
        return !head.isChunked && pointee.facts.contentLength == nil
    }

    private func setField(
        _ slot: Int, _ name: StaticString, _ value: UnsafeMutablePointer<UInt8>, _ count: Int
    ) {
        var field = constant(name, "")
        field.value = value
        field.valuelen = count
        pointee.fields[slot] = field
    }

    /// Why what was parsed last was refused: it has more fields than the list takes.
    func hadTooManyFields() -> Bool {
        defer { pointee.hasTooManyFields = false }
        return pointee.hasTooManyFields
    }

    /// Fields up to the empty line. Names are made lower case in place; hop-by-hop fields act here and go no further.
    private func parseFields(
        _ bytes: UnsafeMutablePointer<UInt8>, _ start: Int, _ count: Int, _ head: inout HTTP1Head, isRequest: Bool
    ) -> Bool {
        var facts = FieldFacts()
        var next = FieldSlot.regular
        var position = start
        var connection = ConnectionOptions()
        var sawTransferEncoding = false
        while true {
            guard position + 2 <= count else { return false }
            if bytes[position] == 13 {
                guard bytes[position + 1] == 10, position + 2 == count else { return false }
                break
            }
            guard next < Loop.maxFields else {
                pointee.hasTooManyFields = true
                return false
            }
            guard let lineEnd = memchr(bytes + position, 13, count - position)?.assumingMemoryBound(to: UInt8.self)
            else { return false }
            let end = lineEnd - bytes
            guard end + 1 < count, bytes[end + 1] == 10,
                let colon = memchr(bytes + position, 58, end - position)?.assumingMemoryBound(to: UInt8.self)
            else { return false }
            let nameEnd = colon - bytes
            guard nameEnd > position else { return false }
            for i in position..<nameEnd where bytes[i] >= 65 && bytes[i] <= 90 { bytes[i] |= 32 }
            var from = nameEnd + 1
            var to = end
            while from < to, bytes[from] == 32 || bytes[from] == 9 { from += 1 }
            while to > from, bytes[to - 1] == 32 || bytes[to - 1] == 9 { to -= 1 }
            let field = nghttp2_nv(
                name: bytes + position, value: bytes + from, namelen: nameEnd - position, valuelen: to - from, flags: 0)
            guard bytes[position] != 58, nghttp2_check_header_name(field.name, field.namelen) != 0,
                nghttp2_check_header_value_rfc9113(field.value, field.valuelen) != 0
            else { return false }
            position = end + 2
            switch hopByHop(field) {
            case .connection:
                guard connection.add(field) else { return false }
                if connection.closes { head.keepsAlive = false }
            case .transferEncoding:
                guard !sawTransferEncoding, !head.isHTTP10, equals(field, "chunked") else { return false }
                sawTransferEncoding = true
                head.isChunked = true
            case .upgrade:
                head.upgradesToWebSocket = equals(field, "websocket")
            case .dropped:
                break
            case .none:
                guard facts.note(field, at: next) else { return false }
                noteWebSocket(field, &head, isRequest)
                pointee.fields[next] = field
                next += 1
            }
        }
        if sawTransferEncoding, facts.contentLength != nil { return false }
        if connection.keepsAlive, head.isHTTP10 { head.keepsAlive = !connection.closes }
        head.upgradesToWebSocket = head.upgradesToWebSocket && connection.upgrades
        pointee.fieldCount = next
        pointee.facts = facts
        pointee.fieldsOwner = nil
        if connection.hasNamed { dropNamed(connection) }
        return true
    }

    private enum HopByHop {
        case none
        case connection
        case transferEncoding
        case upgrade
        /// Means something to this connection only.
        case dropped
    }

    @inline(__always)
    private func hopByHop(_ field: nghttp2_nv) -> HopByHop {
        let name = field.name.unsafelyUnwrapped
        switch field.namelen {
        case 2: return memcmp(name, "te", 2) == 0 && !equals(field, "trailers") ? .dropped : .none
        case 7: return memcmp(name, "upgrade", 7) == 0 ? .upgrade : .none
        case 10:
            if memcmp(name, "connection", 10) == 0 { return .connection }
            return memcmp(name, "keep-alive", 10) == 0 ? .dropped : .none
        case 14: return memcmp(name, "http2-settings", 14) == 0 ? .dropped : .none
        case 16: return memcmp(name, "proxy-connection", 16) == 0 ? .dropped : .none
        case 17: return memcmp(name, "transfer-encoding", 17) == 0 ? .transferEncoding : .none
        default: return .none
        }
    }

    private func noteWebSocket(_ field: nghttp2_nv, _ head: inout HTTP1Head, _ isRequest: Bool) {
        if isRequest, field.namelen == 17, memcmp(field.name, "sec-websocket-key", 17) == 0 {
            head.noteKey(field)
        } else if isRequest, field.namelen == 21, memcmp(field.name, "sec-websocket-version", 21) == 0 {
            head.webSocketVersionIs13 = equals(field, "13")
        } else if !isRequest, field.namelen == 20, memcmp(field.name, "sec-websocket-accept", 20) == 0 {
            head.noteKey(field)
        }
    }

    /// Fields that `Connection` names belong to this connection alone (RFC 9110 §7.6.1).
    private func dropNamed(_ options: ConnectionOptions) {
        var kept = FieldSlot.regular
        var facts = FieldFacts()
        for index in FieldSlot.regular..<pointee.fieldCount {
            let field = pointee.fields[index]
            if options.names(field) { continue }
            _ = facts.note(field, at: kept)
            pointee.fields[kept] = field
            kept += 1
        }
        pointee.fieldCount = kept
        pointee.facts = facts
    }

    /// The request target: origin form, absolute form, or `*` (RFC 9112 §3.2). The authority comes from it or from Host.
    private func parseTarget(_ target: UnsafeMutablePointer<UInt8>, _ count: Int, isHTTP10: Bool) -> Bool {
        let facts = pointee.facts
        guard facts.hosts <= 1 else { return false }
        if facts.host > 0 {
            let host = pointee.fields[facts.host]
            setField(FieldSlot.authority, ":authority", host.value, host.valuelen)
        }
        guard count > 0 else { return false }
        if target[0] == 47 || (count == 1 && target[0] == 42) {
            setField(FieldSlot.path, ":path", target, count)
            return true
        }
        // Absolute form: its authority counts, but Host must be there and well-formed all the same (RFC 9112 §3.2).
        guard facts.host > 0 ? isAcceptableAuthority(pointee.fields[facts.host]) : isHTTP10 else { return false }
        for (scheme, length) in [("http://", 7), ("https://", 8)]
        where count > length && strncasecmp(target, scheme, length) {
            let rest = UnsafeMutableBufferPointer(start: target + length, count: count - length)
            let slash = rest.firstIndex { $0 == 47 || $0 == 63 } ?? rest.count
            guard slash > 0, slash == rest.count || rest[slash] == 47 else { return false }
            setField(FieldSlot.authority, ":authority", target + length, slash)
            if slash == rest.count {
                // No path: `/`, and `*` for OPTIONS (RFC 9112 §3.2.4).
                let method = pointee.fields[FieldSlot.method]
                let isOptions = method.valuelen == 7 && memcmp(method.value, "OPTIONS", 7) == 0
                pointee.fields[FieldSlot.path] = constant(":path", isOptions ? "*" : "/")
            } else {
                setField(FieldSlot.path, ":path", target + length + slash, rest.count - slash)
            }
            return true
        }
        return false
    }

    private func strncasecmp(_ bytes: UnsafePointer<UInt8>, _ text: String, _ count: Int) -> Bool {
        bytes.withMemoryRebound(to: CChar.self, capacity: count) { Glibc.strncasecmp($0, text, count) == 0 }
    }
}

/// What `Connection` fields say.
private struct ConnectionOptions {
    var closes = false
    var keepsAlive = false
    var upgrades = false
    /// Field names to drop, as (start, length) of tokens.
    private var named: [(UnsafePointer<UInt8>, Int)] = []

    var hasNamed: Bool { !named.isEmpty }

    mutating func add(_ field: nghttp2_nv) -> Bool {
        let value = UnsafeBufferPointer(start: field.value, count: field.valuelen)
        for part in value.split(separator: UInt8(ascii: ",")) {
            var token = part.drop { $0 == 32 || $0 == 9 }
            while let last = token.last, last == 32 || last == 9 { token.removeLast() }
            guard let start = UnsafeBufferPointer(rebasing: token).baseAddress else { continue }
            let text = nghttp2_nv(
                name: nil, value: UnsafeMutablePointer(mutating: start), namelen: 0, valuelen: token.count, flags: 0)
            if equals(text, "close") {
                closes = true
            } else if equals(text, "keep-alive") {
                keepsAlive = true
            } else if equals(text, "upgrade") {
                upgrades = true
            } else {
                // Framing and routing are no connection's own (RFC 9110 §7.6.1): naming them is an attack.
                if equals(text, "content-length") || equals(text, "host") || equals(text, "transfer-encoding") {
                    return false
                }
                guard named.count < 32 else { return false }
                named.append((start, token.count))
            }
        }
        return true
    }

    func names(_ field: nghttp2_nv) -> Bool {
        named.contains { start, length in
            length == field.namelen
                && start.withMemoryRebound(to: CChar.self, capacity: length) { token in
                    field.name.withMemoryRebound(to: CChar.self, capacity: length) {
                        Glibc.strncasecmp(token, $0, length) == 0
                    }
                }
        }
    }
}
