// Mirrors ProxyError.swift: one expectation for each row of the table. The values are an interface.

import DataPlane
import Testing

struct ProxyErrorTests {
    private struct Expected {
        let error: ProxyError
        let http: Int
        let grpc: Int
        let close: Int
        /// nil: as `close`.
        var closeUpstream: Int?
        let flag: String
    }

    private static let table: [Expected] = [
        .init(error: .badRequest, http: 400, grpc: 13, close: 1002, flag: "DPE"),
        .init(error: .headersTooLarge, http: 431, grpc: 8, close: 1009, flag: "DPE"),
        .init(error: .requestTimeout, http: 408, grpc: 4, close: 1001, flag: "DT"),
        .init(error: .pathRejected, http: 400, grpc: 13, close: 1002, flag: "DPE"),
        .init(error: .noRoute, http: 404, grpc: 12, close: 1011, flag: "NR"),
        .init(error: .misdirected, http: 421, grpc: 14, close: 1011, flag: "MD"),
        .init(error: .addressDenied, http: 403, grpc: 7, close: 1008, flag: "AD"),
        .init(error: .unauthenticated, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .unauthenticatedBasic, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenMalformed, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenAlgorithm, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenIssuerUnknown, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenKeyUnknown, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenSignature, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenExpired, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenNotYetValid, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .tokenAudience, http: 401, grpc: 16, close: 1008, flag: "UA"),
        .init(error: .consumerForbidden, http: 403, grpc: 7, close: 1008, flag: "AD"),
        .init(error: .rateLimited, http: 429, grpc: 8, close: 1013, flag: "RL"),
        .init(error: .concurrencyLimited, http: 429, grpc: 8, close: 1013, flag: "RL"),
        .init(error: .webSocketOnGRPCRoute, http: 400, grpc: 12, close: 1002, flag: "NR"),
        .init(error: .grpcOverHTTP1, http: 502, grpc: 12, close: 1002, flag: "NR"),
        .init(error: .webSocketVersion, http: 426, grpc: 12, close: 1002, flag: "DPE"),
        .init(error: .webSocketBadHandshake, http: 400, grpc: 13, close: 1002, flag: "DPE"),
        .init(error: .connectUnsupported, http: 501, grpc: 12, close: 1002, flag: "DPE"),
        .init(error: .noHealthyUpstream, http: 503, grpc: 14, close: 1013, flag: "UH"),
        .init(error: .nameUnresolved, http: 503, grpc: 14, close: 1013, flag: "UH"),
        .init(error: .connectFailed, http: 503, grpc: 14, close: 1013, flag: "UF"),
        .init(error: .connectTimeout, http: 503, grpc: 14, close: 1013, flag: "UF"),
        .init(error: .proxyRefused, http: 503, grpc: 14, close: 1013, flag: "UF"),
        .init(error: .upstreamTLS, http: 503, grpc: 14, close: 1013, flag: "UF"),
        .init(error: .upstreamReset, http: 502, grpc: 14, close: 1011, flag: "UR"),
        .init(error: .upstreamRefused, http: 503, grpc: 14, close: 1013, flag: "UR"),
        .init(error: .upstreamClosed, http: 502, grpc: 14, close: 1011, flag: "UC"),
        .init(error: .upstreamProtocol, http: 502, grpc: 13, close: 1011, flag: "UPE"),
        .init(error: .upstreamHandshake, http: 502, grpc: 14, close: 1011, flag: "UPE"),
        .init(error: .webSocketUnsupported, http: 502, grpc: 14, close: 1011, flag: "UPE"),
        .init(error: .responseHeadersTooLarge, http: 502, grpc: 8, close: 1011, flag: "UPE"),
        .init(error: .notGRPC, http: 502, grpc: 2, close: 1011, flag: "UPE"),
        .init(error: .missingStatus, http: 502, grpc: 13, close: 1011, flag: "UPE"),
        .init(error: .responseTimeout, http: 504, grpc: 14, close: 1011, flag: "UT"),
        .init(error: .sendTimeout, http: 504, grpc: 14, close: 1011, flag: "UT"),
        .init(error: .streamIdle, http: 504, grpc: 14, close: 1001, flag: "SI"),
        .init(error: .totalTimeout, http: 504, grpc: 4, close: 1001, flag: "UT"),
        .init(error: .deadlineExceeded, http: 504, grpc: 4, close: 1001, flag: "DE"),
        .init(error: .requestProgress, http: 408, grpc: 4, close: 1001, flag: "DT"),
        .init(error: .downstreamMessageTooBig, http: 413, grpc: 8, close: 1009, closeUpstream: 1001, flag: "ML"),
        .init(error: .upstreamMessageTooBig, http: 502, grpc: 8, close: 1011, closeUpstream: 1009, flag: "ML"),
        .init(error: .downstreamClosed, http: 499, grpc: 1, close: 1006, flag: "DC"),
        .init(error: .clientStalled, http: 408, grpc: 4, close: 1001, flag: "SI"),
        .init(error: .clientAbusive, http: 429, grpc: 8, close: 1008, flag: "AB"),
        .init(error: .streamRefused, http: 503, grpc: 14, close: 1013, flag: "UO"),
        .init(error: .overload, http: 503, grpc: 8, close: 1013, flag: "UO"),
        .init(error: .draining, http: 503, grpc: 14, close: 1001, flag: "DR"),
        .init(error: .endedByOperator, http: 503, grpc: 14, close: 1012, flag: "EO"),
        .init(error: .routeChanged, http: 503, grpc: 14, close: 1012, flag: "RC"),
    ]

    @Test func everyKindHasItsRow() {
        #expect(Self.table.map(\.error) == ProxyError.allCases)
        for expected in Self.table {
            let row = expected.error.row
            #expect(row.http == expected.http, "\(expected.error)")
            #expect(row.grpc == expected.grpc, "\(expected.error)")
            #expect(row.webSocketClose == expected.close, "\(expected.error)")
            #expect(row.webSocketCloseUpstream == expected.closeUpstream ?? expected.close, "\(expected.error)")
            #expect("\(row.flag)" == expected.flag, "\(expected.error)")
            #expect(!"\(row.reason)".isEmpty, "\(expected.error)")
        }
    }

    /// Only what the upstream provably has not processed may be sent again.
    @Test func retriesOnlyWhatWasNotProcessed() {
        let retried = ProxyError.allCases.filter(\.isRetryable)
        #expect(retried == [.connectFailed, .connectTimeout, .proxyRefused, .upstreamTLS, .upstreamRefused])
    }
}
