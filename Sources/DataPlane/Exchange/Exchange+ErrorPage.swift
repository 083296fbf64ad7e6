// Answers that a route wants to say in words of its own: in place of such a one the client gets what the fallback's service has to
// say about it, as with custom-http-errors of ingress-nginx. That service is asked by GET for `/`, without the request's body; the
// status is its own to give.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

extension ExchangePointer {
    /// The head of a response has come, and nothing of it has gone to the client. True: it is dropped, and its error page is on its way.
    @inline(__always)
    func asksForErrorPage(afterStatus status: Int, endsStream: Bool) -> Bool {
        guard pointee.route?.pointee.errorStatuses != nil, wantsErrorPage(status) else { return false }
        // As before another try: a stream that is over must not be reset, and HTTP/1.1 ends with what stands behind this answer.
        pointee.upstream.pointee.endReceived =
            endsStream && pointee.upstream.pointee.connection?.pointee.wire == .http2
        leaveUpstream()
        // It counts for its endpoint as if it were delivered.
        pointee.status = Int32(status)
        judgeEndpoint()
        askForErrorPage(status)
        return true
    }

    /// The gateway would answer itself.
    func asksForErrorPage(after error: ProxyError) -> Bool {
        let row = error.row
        guard row.source == .upstream, wantsErrorPage(row.http) else { return false }
        loop.pointee.statistics.failures(error).increment()
        leaveUpstream()
        askForErrorPage(row.http)
        return true
    }

    /// A request that is still being sent goes on towards whom it was for: its answer stays as it is.
    private func wantsErrorPage(_ status: Int) -> Bool {
        guard let statuses = pointee.route?.pointee.errorStatuses, statuses.contains(status) else { return false }
        return !pointee.responseStarted && pointee.errorStatus == 0 && !pointee.isGRPC && !pointee.isWebSocket
            && !pointee.isMirror && pointee.downstream.pointee.endReceived
    }

    private func askForErrorPage(_ status: Int) {
        let half = pointee.upstream
        hold(-half.pointee.pending.count)
        half.dropPending()
        half.pointee.trailers.release()
        dropReplay()
        pointee.errorStatus = UInt16(status)
        pointee.tries = 0
        // Nothing is left to send that could not be sent again.
        pointee.isReplayable = true
        pointee.isIdempotent = true
        pointee.failedEndpoint = nil
        beginAnew(endQueued: true)
    }

    /// Turns the client's head, in the loop's list, into the question for an error page; other fields follow as for any request.
    func composeErrorPageRequest() {
        let fields = loop.pointee.fields
        var asked = fields[FieldSlot.path]
        asked.name = constant("x-original-uri", "").name
        asked.namelen = 14
        fields[FieldSlot.method] = constant(":method", pointee.isHEAD ? "HEAD" : "GET")
        fields[FieldSlot.path] = constant(":path", "/")
        var count = FieldSlot.regular
        var accept: nghttp2_nv?
        for index in FieldSlot.regular..<loop.pointee.fieldCount {
            let field = fields[index]
            if field.isNamed("accept") { accept = field }
            // Of the body, and what only the gateway says.
            if field.isNamed("content-length") || field.isNamed("content-type") || field.isNamed("content-encoding")
                || field.isNamed("expect") || field.isNamed("x-code") || field.isNamed("x-original-uri")
                || field.isNamed("x-format") || field.isNamed("x-ingress-name")
            {
                continue
            }
            fields[count] = field
            count &+= 1
        }
        fields[count] = asked
        fields[count + 1] = statusField()
        count &+= 2
        if var accept {
            accept.name = constant("x-format", "").name
            accept.namelen = 8
            fields[count] = accept
            count &+= 1
        }
        if let route = pointee.route {
            fields[count] = route.pointee.name.field("x-ingress-name")
            count &+= 1
        }
        loop.pointee.fieldCount = count
    }

    private func statusField() -> nghttp2_nv {
        let digits = loop.pointee.rewriteBuffer
        var rest = pointee.errorStatus
        for place in stride(from: 2, through: 0, by: -1) {
            digits[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        var field = constant("x-code", "")
        field.value = digits
        field.valuelen = 3
        return field
    }
}

/// Statuses from 400 to 599.
struct StatusSet {
    private var bits: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init(_ ranges: [StatusRange]) {
        for status in ranges.flatMap({ $0.low...max($0.low, $0.high) }) where (400...599).contains(status) {
            let place = Int(status) - 400
            withUnsafeMutableBytes(of: &bits) { $0[place / 8] |= 1 << UInt8(place % 8) }
        }
    }

    func contains(_ status: Int) -> Bool {
        let place = status - 400
        guard (0..<200).contains(place) else { return false }
        return withUnsafeBytes(of: bits) { $0[place / 8] & (1 << UInt8(place % 8)) != 0 }
    }
}

extension nghttp2_nv {
    /// Names are in lower case by then.
    fileprivate func isNamed(_ name: StaticString) -> Bool {
        namelen == name.utf8CodeUnitCount && memcmp(self.name, name.utf8Start, namelen) == 0
    }
}
