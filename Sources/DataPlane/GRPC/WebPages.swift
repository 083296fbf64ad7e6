// What browsers want to see before a page may call a service of another origin (Fetch, "CORS protocol"). For gRPC-Web there is
// one default: any origin may call, without cookies or other credentials of the browser's, and may read the call's status.
// A policy of the route's own takes its place where it has one.

internal import CNghttp2
internal import Glibc

enum WebPages {
    /// `*` never goes with credentials: the browser sends none, or refuses the answer.
    static var allowOrigin: nghttp2_nv { constant("access-control-allow-origin", "*") }
    static var exposeHeaders: nghttp2_nv {
        constant("access-control-expose-headers", "grpc-status, grpc-message, grpc-status-details-bin")
    }

    /// The fields of the answer to a preflight, given to `add` one by one.
    static func preflight(headers asked: nghttp2_nv?, _ add: (nghttp2_nv) -> Void) {
        add(allowOrigin)
        add(constant("access-control-allow-methods", "POST"))
        if let asked {
            var allowed = constant("access-control-allow-headers", "")
            allowed.value = asked.value
            allowed.valuelen = asked.valuelen
            add(allowed)
        }
        add(constant("access-control-max-age", "7200"))
    }
}

extension ExchangePointer {
    var hasCORSPolicy: Bool { pointee.route?.pointee.filters?.pointee.cors != nil }
}
