// Why an exchange ended other than by its upstream's answer: one table from kind to HTTP status, gRPC status, WebSocket
// close code and response flag (Envoy's letters where they exist), with the words that the client and the log see.

/// Whose fault an error is.
package enum ErrorSource: UInt8 {
    case downstream
    case upstream
    case local
}

package enum ProxyError: UInt8, CaseIterable, Error {
    case badRequest = 1
    case headersTooLarge
    case requestTimeout
    case pathRejected
    case noRoute
    case misdirected
    case addressDenied
    case unauthenticated
    case unauthenticatedBasic
    case tokenMalformed
    case tokenAlgorithm
    case tokenIssuerUnknown
    case tokenKeyUnknown
    case tokenSignature
    case tokenExpired
    case tokenNotYetValid
    case tokenAudience
    case consumerForbidden
    case rateLimited
    case concurrencyLimited
    case webSocketOnGRPCRoute
    case grpcOverHTTP1
    case webSocketVersion
    case webSocketBadHandshake
    case connectUnsupported
    case noHealthyUpstream
    case nameUnresolved
    case connectFailed
    case connectTimeout
    case proxyRefused
    case upstreamTLS
    case upstreamReset
    case upstreamRefused
    case upstreamClosed
    case upstreamProtocol
    case upstreamHandshake
    case webSocketUnsupported
    case responseHeadersTooLarge
    case notGRPC
    case missingStatus
    case responseTimeout
    case sendTimeout
    case streamIdle
    case totalTimeout
    case deadlineExceeded
    case requestProgress
    case downstreamMessageTooBig
    case upstreamMessageTooBig
    case downstreamClosed
    case clientStalled
    case clientAbusive
    case streamRefused
    case overload
    case draining
    case endedByOperator
    case routeChanged

    /// One row of the table.
    package struct Row {
        package let source: ErrorSource
        package let http: Int
        /// gRPC status codes (grpc.io, "Status codes and their use in gRPC").
        package let grpc: Int
        /// RFC 6455 §7.4.1, towards the client.
        package let webSocketClose: Int
        /// Towards the service: another one where the two sides are not in the same case.
        package let webSocketCloseUpstream: Int
        package let flag: StaticString
        package let reason: StaticString
    }

    package var row: Row {
        switch self {
        case .badRequest: Row(.downstream, 400, 13, 1002, "DPE", "the request is malformed")
        case .headersTooLarge: Row(.downstream, 431, 8, 1009, "DPE", "the request's header fields are too large")
        case .requestTimeout: Row(.downstream, 408, 4, 1001, "DT", "the request did not arrive in time")
        case .pathRejected: Row(.downstream, 400, 13, 1002, "DPE", "the path is not acceptable")
        case .noRoute: Row(.local, 404, 12, 1011, "NR", "no route matches")
        case .misdirected:
            Row(.downstream, 421, 14, 1011, "MD", "misdirected: this connection was opened for another host")
        case .addressDenied: Row(.downstream, 403, 7, 1008, "AD", "this address may not use the route")
        case .unauthenticated, .unauthenticatedBasic:
            Row(.downstream, 401, 16, 1008, "UA", "a credential of a known consumer is required")
        case .tokenMalformed: Row(.downstream, 401, 16, 1008, "UA", "the token is malformed, or has no iss or exp")
        case .tokenAlgorithm:
            Row(.downstream, 401, 16, 1008, "UA", "the token's algorithm or extension is not accepted")
        case .tokenIssuerUnknown:
            Row(.downstream, 401, 16, 1008, "UA", "the token's issuer and subject are of no consumer")
        case .tokenKeyUnknown: Row(.downstream, 401, 16, 1008, "UA", "the token's key is none of its issuer's")
        case .tokenSignature: Row(.downstream, 401, 16, 1008, "UA", "the token's signature is wrong")
        case .tokenExpired: Row(.downstream, 401, 16, 1008, "UA", "the token has expired")
        case .tokenNotYetValid: Row(.downstream, 401, 16, 1008, "UA", "the token is not valid yet")
        case .tokenAudience: Row(.downstream, 401, 16, 1008, "UA", "the token is for another audience")
        case .consumerForbidden: Row(.downstream, 403, 7, 1008, "AD", "this consumer may not use the route")
        case .rateLimited: Row(.downstream, 429, 8, 1013, "RL", "the route's rate limit is reached")
        case .concurrencyLimited:
            Row(.downstream, 429, 8, 1013, "RL", "the route's limit of requests at once is reached")
        case .webSocketOnGRPCRoute:
            Row(.downstream, 400, 12, 1002, "NR", "a gRPC route does not take WebSocket handshakes")
        case .grpcOverHTTP1:
            Row(
                .local, 502, 12, 1002, "NR",
                "gRPC needs HTTP/2 to the service: the route's protocol must be GRPC or GRPCS")
        case .webSocketVersion: Row(.downstream, 426, 12, 1002, "DPE", "WebSocket version 13 is required")
        case .webSocketBadHandshake: Row(.downstream, 400, 13, 1002, "DPE", "the WebSocket handshake is malformed")
        case .connectUnsupported:
            Row(.downstream, 501, 12, 1002, "DPE", "CONNECT is taken for WebSockets only (:protocol websocket)")
        case .noHealthyUpstream: Row(.upstream, 503, 14, 1013, "UH", "no endpoint of the service is available")
        case .nameUnresolved: Row(.upstream, 503, 14, 1013, "UH", "the service's host name has no address")
        case .connectFailed: Row(.upstream, 503, 14, 1013, "UF", "the connection to the service failed")
        case .connectTimeout: Row(.upstream, 503, 14, 1013, "UF", "the connection to the service timed out")
        case .proxyRefused:
            Row(.upstream, 503, 14, 1013, "UF", "the proxy server did not open a tunnel to the service")
        case .upstreamTLS: Row(.upstream, 503, 14, 1013, "UF", "TLS to the service failed")
        case .upstreamReset: Row(.upstream, 502, 14, 1011, "UR", "the service reset the stream")
        case .upstreamRefused: Row(.upstream, 503, 14, 1013, "UR", "the service refused the stream")
        case .upstreamClosed: Row(.upstream, 502, 14, 1011, "UC", "the service closed the connection")
        case .upstreamProtocol: Row(.upstream, 502, 13, 1011, "UPE", "the service broke the protocol")
        case .upstreamHandshake: Row(.upstream, 502, 14, 1011, "UPE", "the service's WebSocket answer is wrong")
        case .webSocketUnsupported:
            Row(
                .upstream, 502, 14, 1011, "UPE",
                "the service speaks HTTP/2 and takes WebSockets neither there (RFC 8441) nor by HTTP/1.1")
        case .responseHeadersTooLarge: Row(.upstream, 502, 8, 1011, "UPE", "the response's header fields are too large")
        case .notGRPC: Row(.upstream, 502, 2, 1011, "UPE", "the service did not answer in gRPC")
        case .missingStatus: Row(.upstream, 502, 13, 1011, "UPE", "the service ended the call without a status")
        case .responseTimeout: Row(.upstream, 504, 14, 1011, "UT", "the service did not answer in time")
        case .sendTimeout: Row(.upstream, 504, 14, 1011, "UT", "the service did not take the request in time")
        case .streamIdle: Row(.local, 504, 14, 1001, "SI", "the stream was idle for too long")
        case .totalTimeout: Row(.local, 504, 4, 1001, "UT", "the route's total timeout has passed")
        case .deadlineExceeded: Row(.downstream, 504, 4, 1001, "DE", "the call's deadline has passed")
        case .requestProgress: Row(.downstream, 408, 4, 1001, "DT", "the request body made no progress")
        case .downstreamMessageTooBig:
            Row(
                .downstream, 413, 8, 1009, "ML", "the client sent a WebSocket frame or message over the route's limit",
                closeUpstream: 1001)
        case .upstreamMessageTooBig:
            Row(
                .upstream, 502, 8, 1011, "ML", "the service sent a WebSocket frame or message over the route's limit",
                closeUpstream: 1009)
        case .downstreamClosed: Row(.downstream, 499, 1, 1006, "DC", "the client went away")
        case .clientStalled: Row(.downstream, 408, 4, 1001, "SI", "the client did not take the response")
        case .clientAbusive:
            Row(
                .downstream, 429, 8, 1008, "AB", "the client's connection was ended: it did too much of what is limited"
            )
        case .streamRefused:
            Row(.downstream, 503, 14, 1013, "UO", "the connection has all the streams, or all the memory, that it may")
        case .overload: Row(.local, 503, 8, 1013, "UO", "the gateway is out of a resource")
        case .draining: Row(.local, 503, 14, 1001, "DR", "the gateway is shutting down")
        case .endedByOperator: Row(.local, 503, 14, 1012, "EO", "an operator ended the stream")
        case .routeChanged: Row(.local, 503, 14, 1012, "RC", "the route has changed, and its policy ends its streams")
        }
    }

    /// Whether the upstream provably has not processed the request, so that another endpoint may be tried.
    package var isRetryable: Bool {
        switch self {
        case .connectFailed, .connectTimeout, .proxyRefused, .upstreamTLS, .upstreamRefused: true
        default: false
        }
    }
}

extension ProxyError.Row {
    init(
        _ source: ErrorSource, _ http: Int, _ grpc: Int, _ close: Int, _ flag: StaticString, _ reason: StaticString,
        closeUpstream: Int? = nil
    ) {
        self.init(
            source: source, http: http, grpc: grpc, webSocketClose: close,
            webSocketCloseUpstream: closeUpstream ?? close,
            flag: flag, reason: reason)
    }
}
