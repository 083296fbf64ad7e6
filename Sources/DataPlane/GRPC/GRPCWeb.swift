// gRPC-Web (grpc/doc/PROTOCOL-WEB.md) in front of gRPC: the same messages in the same framing, trailers as the last frame of
// the body, and both as base64 for clients that cannot take bytes. Over HTTP/1.1 and HTTP/2, on the routes that gRPC has.

internal import CNghttp2
internal import Glibc

/// What an exchange keeps for a client that speaks gRPC-Web, in memory of its own.
struct GRPCWebState {
    var requestIsText: Bool
    var answerIsText: Bool
    /// A page of some origin asks: answers carry what its browser wants to see.
    var hasOrigin: Bool
    var decoder = Base64Decoder()
}

extension ExchangePointer {
    /// The head in the loop's list is one of gRPC-Web.
    func expectGRPCWeb(_ form: GRPCForm) {
        var answer = form
        var hasOrigin = false
        for index in FieldSlot.regular..<loop.pointee.fieldCount {
            let field = loop.pointee.fields[index]
            guard field.namelen == 6 else { continue }
            if memcmp(field.name, "origin", 6) == 0 { hasOrigin = true }
            if memcmp(field.name, "accept", 6) == 0 {
                // The answer's form is the client's choice, where it makes one.
                let wanted = GRPCForm(field)
                if wanted == .web || wanted == .webText { answer = wanted }
            }
        }
        let web = UnsafeMutablePointer<GRPCWebState>.allocate(capacity: 1)
        web.initialize(
            to: GRPCWebState(
                requestIsText: form == .webText, answerIsText: answer == .webText, hasOrigin: hasOrigin))
        pointee.web = web
    }

    // MARK: - Towards the upstream

    /// `application/grpc` with what followed the client's own name for it.
    func nativeContentType(_ field: inout nghttp2_nv) {
        convertContentType(&field, to: .native)
    }

    private func convertContentType(_ field: inout nghttp2_nv, to form: GRPCForm) {
        let given = GRPCForm(field)
        // A second content-type, beside the one that made this gRPC-Web, may say anything.
        guard given != .none else { return }
        let from = given.nameLength
        let to = form.nameLength
        let buffer = loop.pointee.contentTypeBuffer
        let all: StaticString = "application/grpc-web-text"
        memcpy(buffer, all.utf8Start, to)
        var length = to
        // Parameters, as `; charset=utf-8`, say nothing about messages.
        let parameters = memchr(field.value + from, Int32(UInt8(ascii: ";")), field.valuelen - from)
        let end = parameters.map { UnsafeRawPointer($0) - UnsafeRawPointer(field.value) } ?? field.valuelen
        let suffix = end - from
        if suffix > 0, suffix <= Loop.contentTypeSize - to {
            memcpy(buffer + to, field.value + from, suffix)
            length += suffix
        }
        field.value = buffer
        field.valuelen = length
    }

    /// Decodes text of the request into the loop's `text`, and credits what it was longer. False: no base64.
    func decodeText(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) -> Bool {
        guard let web = pointee.web else { return false }
        loop.pointee.text.removeAll()
        let text = UnsafeRawBufferPointer(start: bytes, count: count)
        guard web.pointee.decoder.decode(text, into: &loop.pointee.text) else { return false }
        if count > loop.pointee.text.count { loop.delivered(half, count - loop.pointee.text.count) }
        return !end || web.pointee.decoder.isBetweenGroups
    }

    // MARK: - Towards the client

    /// Turns the upstream's response head, in the loop's list, into gRPC-Web's.
    func composeWebAnswer() {
        guard let web = pointee.web else { return }
        let fields = loop.pointee.fields
        var kept = FieldSlot.regular
        var allowsOrigin = false
        for index in FieldSlot.regular..<loop.pointee.fieldCount {
            var field = fields[index]
            if field.namelen == 12, memcmp(field.name, "content-type", 12) == 0 {
                convertContentType(&field, to: web.pointee.answerIsText ? .webText : .web)
            } else if field.namelen == 14, memcmp(field.name, "content-length", 14) == 0 {
                // The trailers come on top.
                continue
            } else if field.namelen == 27, memcmp(field.name, "access-control-allow-origin", 27) == 0 {
                allowsOrigin = true
            }
            fields[kept] = field
            kept += 1
        }
        loop.pointee.facts.contentLength = nil
        if web.pointee.hasOrigin, !allowsOrigin || hasCORSPolicy {
            if !allowsOrigin, !hasCORSPolicy {
                fields[kept] = WebPages.allowOrigin
                kept += 1
            }
            fields[kept] = WebPages.exposeHeaders
            kept += 1
        }
        loop.pointee.fieldCount = kept
    }

    /// Bytes of the answer's body, in the client's form.
    @inline(__always)
    func relayAnswer(_ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        if let web = pointee.web, web.pointee.answerIsText { return relayText(bytes, count, end: end) }
        loop.relay(pointee.downstream, bytes, count, end: end)
    }

    @inline(never)
    private func relayText(_ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        loop.pointee.text.removeAll()
        appendBase64(UnsafeRawBufferPointer(start: bytes, count: count), to: &loop.pointee.text)
        let size = loop.pointee.text.count
        loop.relay(pointee.downstream, size > 0 ? UnsafePointer(loop.pointee.text.start) : bytes, size, end: end)
    }

    /// The trailers in the loop's list as the last frame of the body.
    func sendWebTrailers() {
        var trailers = GRPCWebTrailers()
        for index in FieldSlot.regular..<max(FieldSlot.regular, loop.pointee.fieldCount) {
            let field = loop.pointee.fields[index]
            trailers.append(
                name: UnsafeRawBufferPointer(start: field.name, count: field.namelen),
                value: UnsafeRawBufferPointer(start: field.value, count: field.valuelen))
        }
        var frame = trailers.finish()
        defer { frame.release() }
        relayAnswer(frame.start, frame.count, end: true)
        if pointee.downstream.pointee.endSent { endSent(on: pointee.downstream) }
    }
}
