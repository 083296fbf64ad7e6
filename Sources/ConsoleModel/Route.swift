// A route of the console, field by field as the API shows it. Its parts are in Route+Parts.swift, its rules in
// Route+Rules.swift, what its annotations mean in Route+Annotations.swift.

extension Console {
    /// Which requests go to which services, and how.
    package struct Route: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        /// Number of the version that last wrote it; given on PUT it must be the current one.
        @JSONField package var version: String? = nil
        /// Names of domains; empty: any host.
        @JSONField package var domains: [String] = []
        @JSONField package var path: PathPredicate? = nil
        /// Empty or absent: any method.
        @JSONField package var methods: [String]? = nil
        @JSONField package var headers: [KeyedPredicate]? = nil
        @JSONField package var urlParams: [KeyedPredicate]? = nil
        @JSONField package var services: [UpstreamService] = []
        /// `HTTP`, `HTTP2`, `HTTP2S`, `HTTPS`, `GRPC`, `GRPCS`; absent: what the service source says, else HTTP.
        @JSONField package var `protocol`: String? = nil
        @JSONField package var rewrite: Rewrite? = nil
        @JSONField package var timeouts: Timeouts? = nil
        /// The whole exchange, as in `30s`; the same as `timeouts.total`.
        @JSONField package var timeout: String? = nil
        @JSONField package var streamPolicy: StreamPolicy? = nil
        /// In place of what the service sources say.
        @JSONField package var loadBalancing: LoadBalancing? = nil
        @JSONField package var proxyNextUpstream: ProxyNextUpstream? = nil
        @JSONField package var cors: CORS? = nil
        @JSONField package var headerControl: HeaderControl? = nil
        @JSONField package var authConfig: Auth? = nil
        @JSONField package var mock: Mock? = nil
        @JSONField package var redirect: Redirect? = nil
        @JSONField package var rateLimit: RateLimit? = nil
        @JSONField package var concurrencyLimit: ConcurrencyLimit? = nil
        @JSONField package var webSocket: WebSocket? = nil
        /// Client addresses that may come.
        @JSONField package var ipAccess: IPAccess? = nil
        /// A service that gets copies of requests.
        @JSONField package var mirror: Mirror? = nil
        /// Annotations: full key to value.
        @JSONField package var customConfigs: [String: String] = [:]
        @JSONField package var customLabels: [String: String] = [:]
        /// Read-only, always false: every route here is one that the console can show.
        @JSONField package var readonly: Bool? = nil

        package init() {}

        package init(name: String, domains: [String] = [], path: PathPredicate, services: [UpstreamService]) {
            self.name = name
            self.domains = domains
            self.path = path
            self.services = services
        }
    }

    package enum MatchType: String, Sendable, CaseIterable {
        case equal = "EQUAL"
        case prefix = "PRE"
        case regular = "REGULAR"
    }
}

extension Console.Route {
    package var explicitProtocol: BackendProtocol? { `protocol`.flatMap(BackendProtocol.init(text:)) }

    /// How a checked route speaks to a service of `source`: the field wins over the annotation, both over the source.
    package func backendProtocol(towards source: Console.ServiceSource?) -> BackendProtocol {
        let annotations = annotations
        let spoken = explicitProtocol ?? annotations.backendProtocol ?? source?.backendProtocol ?? .http
        // As in nginx, the version is for what is not gRPC.
        guard let http2 = annotations.speaksHTTP2, !spoken.isGRPC, explicitProtocol == nil else { return spoken }
        return http2 ? (spoken.usesTLS ? .http2s : .http2) : (spoken.usesTLS ? .https : .http)
    }

    /// The timeouts of a checked route in milliseconds; `nil`: the default of the route's kind. Fields win over
    /// annotations.
    package var effectiveTimeouts: Console.Timeouts {
        let annotated = annotations
        var result = Console.Timeouts()
        result.total = timeouts?.total ?? timeout.flatMap(TimeText.milliseconds) ?? annotated.total
        result.responseHeaders = timeouts?.responseHeaders ?? annotated.read
        result.streamIdle = timeouts?.streamIdle ?? annotated.read
        return result
    }

    /// Every service that the route names, in whatever field.
    package var namedServices: [String] {
        services.map(\.name) + [mirror?.service, effectiveMirror?.service, fallbackService].compactMap(\.self)
    }

    /// The balancing of a checked route, if it has its own: the field wins over the annotations.
    package var effectiveLoadBalancing: Console.LoadBalancing? { loadBalancing ?? annotations.loadBalancing }

    /// When a checked route asks for retries beyond what is safe anyway.
    package var effectiveRetries: Console.ProxyNextUpstream? {
        proxyNextUpstream.flatMap { $0.enabled ?? true ? $0 : nil }
    }

    /// The rewrite of a checked route, if it changes anything.
    package var effectiveRewrite: Console.Rewrite? {
        guard let rewrite, rewrite.enabled ?? true, rewrite.path != nil || rewrite.host != nil else { return nil }
        return rewrite
    }

    /// Every regular expression with the field that holds it, for the engine that will run them to judge.
    package var regularExpressions: [(field: String, pattern: String, caseSensitive: Bool)] {
        var found: [(field: String, pattern: String, caseSensitive: Bool)] = []
        if let path, path.kind == .regular {
            found.append(("path.matchValue", path.matchValue, path.caseSensitive ?? true))
        }
        for (field, predicates) in [("headers", headers ?? []), ("urlParams", urlParams ?? [])] {
            for (index, predicate) in predicates.enumerated() where predicate.kind == .regular {
                found.append(("\(field)[\(index)].matchValue", predicate.matchValue, true))
            }
        }
        return found + annotatedExpressions
    }
}

/// Times as people write them in routes and annotations.
package enum TimeText {
    /// `30`, `30s`, `1500ms`, `5m`, `2h`; a bare number is seconds. `nil`: not a time, or longer than seven days.
    package static func milliseconds(_ text: String) -> Int? {
        let digits = text.prefix(while: { $0.isASCII && $0.isNumber })
        guard let value = Int(digits) else { return nil }
        let unit: Int
        switch text.dropFirst(digits.count) {
        case "", "s": unit = 1_000
        case "ms": unit = 1
        case "m": unit = 60_000
        case "h": unit = 3_600_000
        default: return nil
        }
        let (result, overflow) = value.multipliedReportingOverflow(by: unit)
        return overflow || result > Syntax.longestTime ? nil : result
    }
}
