// The objects inside a route. Members and defaults as the API shows them; what they may hold is in Route+Rules.swift.

extension Console {
    /// How a path, header or parameter is compared.
    package struct PathPredicate: Codable, Hashable, Sendable {
        /// `EQUAL`, `PRE` or `REGULAR`.
        @JSONField package var matchType = ""
        @JSONField package var matchValue = ""
        /// Absent: true.
        @JSONField package var caseSensitive: Bool? = nil

        package init(_ kind: MatchType, _ value: String, caseSensitive: Bool? = nil) {
            matchType = kind.rawValue
            matchValue = value
            self.caseSensitive = caseSensitive
        }

        package var kind: MatchType? { MatchType(rawValue: matchType) }
    }

    /// A condition on one header or query parameter.
    package struct KeyedPredicate: Codable, Hashable, Sendable {
        @JSONField package var key = ""
        @JSONField package var matchType = ""
        @JSONField package var matchValue = ""
        /// Taken and given back; only the path is ever compared without case.
        @JSONField package var caseSensitive: Bool? = nil

        package init(key: String, _ kind: MatchType, _ value: String) {
            self.key = key
            matchType = kind.rawValue
            matchValue = value
        }

        package var kind: MatchType? { MatchType(rawValue: matchType) }
    }

    /// A service that gets a share of the route's requests.
    package struct UpstreamService: Codable, Hashable, Sendable {
        /// As listed by `/v1/services`, e.g. `greeter.static`.
        @JSONField package var name = ""
        @JSONField package var port: Int? = nil
        @JSONField package var version: String? = nil
        /// Relative to the sum over the route; absent: 100.
        @JSONField package var weight: Int? = nil

        package init(name: String, port: Int? = nil, weight: Int? = nil) {
            self.name = name
            self.port = port
            self.weight = weight
        }
    }

    package struct Rewrite: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        /// EQUAL, PRE: replaces what matched. REGULAR: a substitution with groups as `$1`.
        @JSONField package var path: String? = nil
        @JSONField package var host: String? = nil

        package init(path: String? = nil, host: String? = nil) {
            self.path = path
            self.host = host
        }
    }

    /// Milliseconds; 0: off; absent: the default of the route's kind.
    package struct Timeouts: Codable, Hashable, Sendable {
        @JSONField package var responseHeaders: Int? = nil
        @JSONField package var streamIdle: Int? = nil
        @JSONField package var total: Int? = nil

        package init(responseHeaders: Int? = nil, streamIdle: Int? = nil, total: Int? = nil) {
            self.responseHeaders = responseHeaders
            self.streamIdle = streamIdle
            self.total = total
        }
    }

    /// What happens to running streams when the route changes or goes.
    package struct StreamPolicy: Codable, Hashable, Sendable {
        /// `keep`, `drain` or `close`.
        @JSONField package var mode = ""
        /// Milliseconds until `drain` ends them.
        @JSONField package var after: Int? = nil

        package enum Mode: String, Sendable, CaseIterable {
            case keep, drain, close
        }

        package init(_ mode: Mode, after: Int? = nil) {
            self.mode = mode.rawValue
            self.after = after
        }
    }

    package struct ProxyNextUpstream: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        @JSONField package var attempts: Int? = nil
        /// Seconds a try.
        @JSONField package var timeout: Int? = nil
        @JSONField package var conditions: [String]? = nil

        package init() {}
    }

    package struct CORS: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        @JSONField package var allowOrigins: [String]? = nil
        @JSONField package var allowMethods: [String]? = nil
        @JSONField package var allowHeaders: [String]? = nil
        @JSONField package var exposeHeaders: [String]? = nil
        /// Seconds.
        @JSONField package var maxAge: Int? = nil
        @JSONField package var allowCredentials: Bool? = nil

        package init() {}
    }

    package struct HeaderControl: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        @JSONField package var request: Stage? = nil
        @JSONField package var response: Stage? = nil

        package init() {}

        package struct Stage: Codable, Hashable, Sendable {
            @JSONField package var add: [Header]? = nil
            @JSONField package var set: [Header]? = nil
            @JSONField package var remove: [String]? = nil

            package init() {}
        }

        package struct Header: Codable, Hashable, Sendable {
            @JSONField package var key = ""
            @JSONField package var value = ""

            package init() {}
        }
    }

    package struct Auth: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        @JSONField package var allowedCredentialTypes: [String]? = nil
        @JSONField package var allowedConsumers: [String]? = nil

        package init(enabled: Bool) {
            self.enabled = enabled
        }
    }

    package struct Mock: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        @JSONField package var status: Int? = nil
        @JSONField package var content: String? = nil
        /// Absent: `text/plain; charset=utf-8`.
        @JSONField package var contentType: String? = nil
    }

    package struct Redirect: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        @JSONField package var status: Int? = nil
        @JSONField package var url: String? = nil
    }

    package struct RateLimit: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        /// Requests a second.
        @JSONField package var qps: Int? = nil
        /// Requests that may come at once after a pause; absent: as many as come in a second.
        @JSONField package var burst: Int? = nil
        /// Whether each client address has a limit of its own.
        @JSONField package var perAddress: Bool? = nil
    }

    package struct ConcurrencyLimit: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        /// Requests, calls and WebSockets that run at once.
        @JSONField package var max: Int? = nil
        /// Whether each client address has a limit of its own.
        @JSONField package var perAddress: Bool? = nil
    }

    package struct WebSocket: Codable, Hashable, Sendable {
        /// Bytes of payload that a frame may declare; absent or 0: no limit.
        @JSONField package var maxFrameSize: Int? = nil
        /// The same of a message, all its frames together.
        @JSONField package var maxMessageSize: Int? = nil
    }

    package struct IPAccess: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        /// Addresses and ranges such as `10.0.0.0/8`; empty: all but those denied.
        @JSONField package var allow: [String]? = nil
        /// Wins over `allow`.
        @JSONField package var deny: [String]? = nil
    }

    package struct Mirror: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        /// As listed by `/v1/services`.
        @JSONField package var service = ""
        /// Of a hundred requests; absent: all.
        @JSONField package var percentage: Double? = nil

        package init() {}
    }
}
