// Runs a route's filters: those that may answer in the place of an upstream, in their order, and those that change the fields
// of request and response on their way.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    /// The phase behind the filters; nil when one of them has answered.
    func runFilters(_ filters: FiltersPointer) -> Phase? {
        guard let head = requestHead() else { return fail(with: .pathRejected) }
        let client = pointee.client
        if let access = filters.pointee.access, !access.lets(in: client) { return fail(with: .addressDenied) }
        if filters.pointee.httpsOnly, !pointee.clientIsSecure { return redirectToHTTPS(head) }
        if let redirect = filters.pointee.redirect, !redirect.rootOnly || isRoot(head) { return answer(redirect) }
        if let authentication = filters.pointee.authentication {
            switch authentication.judge(head, loop) {
            case .allowed(let consumer, let token):
                pointee.consumer = Int32(truncatingIfNeeded: consumer)
                if let token { take(token) }
            case .forbidden(let consumer):
                pointee.consumer = Int32(truncatingIfNeeded: consumer)
                return fail(with: .consumerForbidden)
            case .refused(let error): return fail(with: error)
            }
        }
        if let limiter = filters.pointee.limiter {
            let passes = limiter._withUnsafeGuaranteedRef { $0.takes(client.address, now: loop.pointee.now) }
            if !passes { return fail(with: .rateLimited) }
        }
        if let concurrency = filters.pointee.concurrency {
            let limit = filters.pointee.maxConcurrency
            switch concurrency._withUnsafeGuaranteedRef({ $0.take(client.address, limit: limit) }) {
            case .taken(let cell): pointee.concurrencyCell = cell
            case .full: return fail(with: .concurrencyLimited)
            }
        }
        if let direct = filters.pointee.direct { return answer(direct) }
        return .admit
    }

    private func fail(with error: ProxyError) -> Phase? {
        fail(error)
        return nil
    }

    private func isRoot(_ head: RequestHead) -> Bool {
        head.path.count == 1 && head.path[0] == UInt8(ascii: "/")
    }

    /// gRPC clients follow no redirects.
    private func answer(_ redirect: RedirectFilter) -> Phase? {
        guard let connection = pointee.downstream.pointee.connection else { return nil }
        if pointee.isGRPC {
            replyGRPC(14, "the route redirects to another URL", on: connection)
        } else {
            replyHTTP(
                redirect.status, extra: redirect.location.field("location"), text: "this is elsewhere", on: connection)
        }
        return nil
    }

    private func answer(_ direct: DirectResponseFilter) -> Phase? {
        guard let connection = pointee.downstream.pointee.connection else { return nil }
        if pointee.isGRPC {
            replyGRPC(Self.grpcStatus(ofHTTP: direct.status), "the route answers without a service", on: connection)
        } else {
            replyHTTP(
                direct.status, contentType: direct.contentType.field("content-type"), body: direct.body.bytes,
                on: connection)
        }
        return nil
    }

    // MARK: - Fields

    /// What the route changes of the request; returns the new count of the list.
    func editRequest(_ filters: FiltersPointer, count: Int) -> Int {
        var count = count
        if let edits = filters.pointee.requestHeaders {
            count = edits.apply(loop.pointee.fields, from: FieldSlot.regular, count: count)
        }
        // As Higress tells its upstreams; what clients send under that name is dropped.
        if let name = consumerName {
            loop.pointee.fields[count] = name.field("x-mse-consumer")
            count &+= 1
        }
        return count
    }

    /// Whose credential was shown, also where it does not suffice.
    var consumerName: FixedText? {
        let number = Int(pointee.consumer)
        guard number >= 0, let snapshot = pointee.snapshot else { return nil }
        return snapshot.pointee.shared._withUnsafeGuaranteedRef { $0.consumers.name(of: number) }
    }

    /// What the route changes of the response in the loop's list.
    func editResponse(_ filters: FiltersPointer) {
        let fields = loop.pointee.fields
        var count = loop.pointee.fieldCount
        if let cors = filters.pointee.cors, let origin = allowedOrigin(cors) {
            count = withoutCORS(fields, count)
            cors.response(to: origin) {
                fields[count] = $0
                count &+= 1
            }
        }
        if let edits = filters.pointee.responseHeaders {
            count = edits.apply(fields, from: FieldSlot.regular, count: count)
        }
        loop.pointee.fieldCount = count
        if let affinity = filters.pointee.affinity { addSessionCookie(affinity) }
    }

    /// The fields that let a browser read an answer that was made here.
    func addCORSToReply() {
        guard let cors = pointee.route?.pointee.filters?.pointee.cors, let origin = allowedOrigin(cors) else { return }
        cors.response(to: origin) { loop.addReply($0) }
    }

    private func withoutCORS(_ fields: UnsafeMutablePointer<nghttp2_nv>, _ count: Int) -> Int {
        var kept = FieldSlot.regular
        for index in FieldSlot.regular..<count {
            let field = fields[index]
            if field.namelen > 15, memcmp(field.name, "access-control-", 15) == 0 { continue }
            fields[kept] = field
            kept &+= 1
        }
        return kept
    }

    /// The request's `origin`, if the route answers it. It points into the kept head.
    private func allowedOrigin(_ cors: CORSFilter) -> nghttp2_nv? {
        guard let origin = headField("origin"),
            cors.allows(UnsafeRawBufferPointer(start: origin.value, count: origin.valuelen))
        else { return nil }
        return origin
    }

    /// A field of the request head as it came (lower case name), from the exchange's own memory.
    func headField(_ name: StaticString) -> nghttp2_nv? {
        guard !pointee.head.isEmpty else { return nil }
        var p = pointee.head.start
        let end = p + pointee.head.count
        while p < end {
            let raw = UnsafeRawPointer(p)
            let nameLength = Int(raw.loadUnaligned(as: UInt32.self) & 0x7fff_ffff)
            let valueLength = Int(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            if nameLength == name.utf8CodeUnitCount, memcmp(p + 8, name.utf8Start, nameLength) == 0 {
                return nghttp2_nv(
                    name: p + 8, value: p + 8 + nameLength, namelen: nameLength, valuelen: valueLength, flags: 0)
            }
            p += 8 + nameLength + valueLength
        }
        return nil
    }
}
