// WebSockets over HTTP/2 (RFC 8441): a client's extended CONNECT becomes the handshake that routes, filters and HTTP/1.1
// upstreams know, a GET with a key made here; towards an upstream that offers it a handshake becomes an extended CONNECT.

internal import CNghttp2
internal import COpenSSL
internal import Glibc

extension LoopPointer {
    /// The head in the list is a CONNECT.
    var isConnect: Bool {
        let method = pointee.fields[FieldSlot.method]
        return method.valuelen == 7 && memcmp(method.value, "CONNECT", 7) == 0
    }

    /// Without `:protocol` there is neither scheme nor path (RFC 9113 §8.5), with it there are both (RFC 8441 §4).
    var connectIsWellFormed: Bool {
        let scheme = pointee.fields[FieldSlot.scheme]
        let path = pointee.fields[FieldSlot.path]
        if pointee.fields[FieldSlot.protocol].name == nil { return scheme.name == nil && path.name == nil }
        return scheme.valuelen > 0 && path.valuelen > 0
    }

    /// Turns a well-formed CONNECT in the list into a handshake, or says why it is not taken.
    func takeConnect() -> ProxyError? {
        let fields = pointee.fields
        let wanted = fields[FieldSlot.protocol]
        guard wanted.name != nil, equals(wanted, "websocket") else { return .connectUnsupported }
        // A tunnel has no length, whatever it says.
        guard pointee.facts.contentLength == nil else { return .webSocketBadHandshake }
        var versionIs13 = false
        var keys = 0
        let key = makeWebSocketKey()
        for index in FieldSlot.regular..<pointee.fieldCount {
            let field = fields[index]
            if field.namelen == 21, memcmp(field.name, "sec-websocket-version", 21) == 0 {
                versionIs13 = equals(field, "13")
            } else if field.namelen == 17, memcmp(field.name, "sec-websocket-key", 17) == 0 {
                // Not used here (RFC 8441 §5): ours goes in its place.
                keys += 1
                fields[index].value = key.value
                fields[index].valuelen = key.valuelen
            }
        }
        guard keys <= 1 else { return .webSocketBadHandshake }
        guard versionIs13 else { return .webSocketVersion }
        if keys == 0 {
            fields[pointee.fieldCount] = key
            pointee.fieldCount += 1
        }
        fields[FieldSlot.method] = constant(":method", "GET")
        fields[FieldSlot.protocol] = nghttp2_nv()
        pointee.pendingHead.upgradesToWebSocket = true
        pointee.pendingHead.webSocketKey = UnsafeRawBufferPointer(start: key.value, count: key.valuelen)
        return nil
    }

    /// A key of 16 random bytes (RFC 6455 §4.1, item 7), in the loop's scratch memory until the next one.
    private func makeWebSocketKey() -> nghttp2_nv {
        let text = pointee.keyBuffer
        let raw = text + 32
        RAND_bytes(raw, 16)
        var field = constant("sec-websocket-key", "")
        field.value = text
        field.valuelen = Int(EVP_EncodeBlock(text, raw, 16))
        return field
    }

    /// The composed request head in the list as an extended CONNECT, which knows no key.
    func writeExtendedConnect(_ connection: ConnectionPointer, _ stream: Int32) {
        let fields = pointee.fields
        fields[FieldSlot.method] = constant(":method", "CONNECT")
        fields[FieldSlot.protocol] = constant(":protocol", "websocket")
        var kept = FieldSlot.regular
        for index in FieldSlot.regular..<pointee.fieldCount {
            let field = fields[index]
            if field.namelen == 17, memcmp(field.name, "sec-websocket-key", 17) == 0 { continue }
            fields[kept] = field
            kept += 1
        }
        pointee.fieldCount = kept
        writeHeaders(connection, stream, fields, kept, endsStream: false)
    }
}

extension ProxyError {
    /// Of a handshake that went by HTTP/1.1 to a service of HTTP/2: it does not speak HTTP/1.1.
    var afterFallingBack: ProxyError {
        switch self {
        case .upstreamProtocol, .upstreamClosed, .upstreamTLS: .webSocketUnsupported
        default: self
        }
    }
}
