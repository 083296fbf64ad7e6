// Preflights of browsers (Fetch standard, "CORS-preflight fetch"): answered here, for the route that the request itself would
// take, before methods are matched and before credentials are asked for: a preflight carries none.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    /// Answers a preflight for a route with a CORS policy, or for one of gRPC, which has a default. False: it is a request like any other.
    func answersPreflight(_ head: RequestHead, _ snapshot: LoopSnapshotPointer) -> Bool {
        guard head.method.count == 7, head.method.elementsEqual("OPTIONS".utf8),
            let method = headField("access-control-request-method"), let origin = headField("origin")
        else { return false }
        var asked = head
        asked.method = UnsafeRawBufferPointer(start: method.value, count: method.valuelen)
        let table = snapshot.pointee.shared.takeUnretainedValue().table
        guard let match = table.match(asked), let route = loop.route(match.route),
            let connection = pointee.downstream.pointee.connection
        else { return false }
        let policy = route.pointee.filters?.pointee.cors
        guard policy != nil || route.pointee.isGRPC else { return false }
        pointee.route = route.retain()
        pointee.isGRPC = false
        replyPreflight(on: connection) { reply in
            guard let cors = policy else {
                return WebPages.preflight(headers: headField("access-control-request-headers"), reply)
            }
            guard cors.allows(UnsafeRawBufferPointer(start: origin.value, count: origin.valuelen)) else { return }
            cors.preflight(
                origin: origin, method: method, headers: headField("access-control-request-headers"), reply)
        }
        return true
    }
}
