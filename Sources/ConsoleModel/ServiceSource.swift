// A service source of the console: addresses, host names, or a registry that services are taken from.

extension Console {
    /// Where a service's endpoints come from.
    package struct ServiceSource: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var version: String? = nil
        /// One of `Kind`'s raw values.
        @JSONField package var type = ""
        /// `static`: `host:port` separated by commas; `dns`: host names separated by commas; `file`: a path on the worker's
        /// machine; registries: their address.
        @JSONField package var domain = ""
        @JSONField package var port: Int? = nil
        /// `http`, `http2`, `http2s`, `https`, `grpc`, `grpcs`: how routes speak to the service unless they say otherwise.
        @JSONField package var `protocol`: String? = nil
        /// Name sent as SNI and checked against the endpoint's certificate.
        @JSONField package var sni: String? = nil
        /// Whether the endpoint's certificate is checked; absent: yes.
        @JSONField package var tlsVerify: Bool? = nil
        /// The authorities that may vouch for endpoints, in PEM; absent: the system's.
        @JSONField package var tlsCa: String? = nil
        /// Name of the certificate that is shown to endpoints that ask for one.
        @JSONField package var tlsClientCertificate: String? = nil
        /// How requests are spread over the endpoints; absent: by turn. A route may say otherwise.
        @JSONField package var loadBalancing: LoadBalancing? = nil
        /// What single addresses of `domain` have of their own.
        @JSONField package var endpoints: [EndpointSettings]? = nil
        /// Bounds of the connections to its endpoints; absent: the settings of the gateway.
        @JSONField package var connections: Connections? = nil
        @JSONField package var healthCheck: HealthCheck? = nil
        @JSONField package var ejection: Ejection? = nil
        /// Milliseconds in which the share of an endpoint that comes (back) grows to its weight; absent: at once.
        @JSONField package var slowStart: Int? = nil
        /// With a smaller share of fit endpoints than this many percent, all are used; absent: 50.
        @JSONField package var panicThreshold: Int? = nil
        /// Name of the proxy server that endpoints are reached through; it resolves their host names.
        @JSONField package var proxyName: String? = nil
        @JSONField package var properties: [String: JSONValue]? = nil
        @JSONField package var authN: AuthN? = nil
        @JSONField package var vport: VirtualPort? = nil

        package init() {}

        package init(name: String, kind: Kind, domain: String, port: Int, protocol: String? = nil) {
            self.name = name
            self.type = kind.rawValue
            self.domain = domain
            self.port = port
            self.`protocol` = `protocol`
        }

        package enum Kind: String, Sendable, CaseIterable {
            case `static`, dns, file, nacos, nacos2, nacos3, zookeeper, consul, eureka

            /// Registries are stored and shown; nothing asks them for services yet.
            package var isRegistry: Bool { self != .static && self != .dns && self != .file }
        }

        /// What is absent is as the gateway's settings have it.
        package struct Connections: Codable, Hashable, Sendable {
            /// Milliseconds to establish one, TLS included.
            @JSONField package var connectTimeout: Int? = nil
            /// Milliseconds for which one without a stream is kept; 0: not kept.
            @JSONField package var idleTimeout: Int? = nil
            /// Of each loop to one endpoint; 0: as many as open files allow.
            @JSONField package var maxPerEndpoint: Int? = nil

            package init() {}

            func check(_ findings: inout Findings) {
                findings.check("connections.connectTimeout", connectTimeout, in: 1...600_000)
                findings.check("connections.idleTimeout", idleTimeout, in: 0...86_400_000)
                findings.check("connections.maxPerEndpoint", maxPerEndpoint, in: 0...10_000_000)
            }
        }

        /// Credentials for a registry. `properties` is write-only.
        package struct AuthN: Codable, Hashable, Sendable {
            @JSONField package var enabled: Bool? = nil
            @JSONField package var properties: Concealed<[String: JSONValue]>? = nil

            package init() {}
        }

        package struct VirtualPort: Codable, Hashable, Sendable {
            @JSONField package var defaultValue: Int? = nil
            @JSONField package var servicesVport: [Named] = []

            package struct Named: Codable, Hashable, Sendable {
                @JSONField package var name = ""
                @JSONField package var value: Int? = nil
            }
        }
    }

    /// One address of a service.
    package struct ServiceEndpoint: Hashable, Sendable {
        /// An IPv4 or IPv6 address without brackets, a host name, `unix:/path`, or `file:/path`: the endpoints in that file.
        package var host: String
        /// 0 for Unix sockets.
        package var port: UInt16
        package var weight = 1
        /// Gets no new requests.
        package var drains = false

        package var text: String {
            if host.hasPrefix("unix:") || host.hasPrefix("file:") { return host }
            return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// How a route's exchanges are spoken towards the service.
package enum BackendProtocol: String, Sendable, CaseIterable {
    case http = "HTTP"
    case http2 = "HTTP2"
    /// HTTP/2 over TLS. Higress has no name for it.
    case http2s = "HTTP2S"
    case https = "HTTPS"
    case grpc = "GRPC"
    case grpcs = "GRPCS"

    /// Any letter case.
    package init?(text: String) {
        self.init(rawValue: text.uppercased())
    }

    package var usesTLS: Bool { self == .https || self == .http2s || self == .grpcs }
    package var usesHTTP2: Bool { self == .http2 || self == .http2s || isGRPC }
    package var isGRPC: Bool { self == .grpc || self == .grpcs }
}

extension Console.ServiceSource {
    package var kind: Kind? { Kind(rawValue: type) }

    /// Whether routes can name a service of this source.
    package var offersService: Bool { kind.map { !$0.isRegistry } ?? false }

    /// The name that routes use, as in `greeter.static`.
    package var serviceName: String { "\(name).\(type)" }

    /// The port that the service list shows. Static endpoints have ports of their own, so there it is only a label.
    package var servicePort: Int { port ?? 80 }

    package var backendProtocol: BackendProtocol? { `protocol`.flatMap(BackendProtocol.init(text:)) }

    package var verifiesTLS: Bool { tlsVerify ?? true }

    /// The addresses of a checked `static`, `dns` or `file` source, in the order given.
    package var serviceEndpoints: [Console.ServiceEndpoint] {
        addresses.compactMap { address in
            var endpoint: Console.ServiceEndpoint
            switch kind {
            case .static:
                guard let parsed = try? Self.endpoint(address).get() else { return nil }
                endpoint = parsed
            case .dns: endpoint = Console.ServiceEndpoint(host: address, port: UInt16(clamping: servicePort))
            case .file:
                endpoint = Console.ServiceEndpoint(host: "file:" + address, port: UInt16(clamping: servicePort))
            default: return nil
            }
            let settings = settings(of: address)
            endpoint.weight = settings.weight ?? 1
            endpoint.drains = settings.drain ?? false
            return endpoint
        }
    }

    /// The parts of `domain` between commas; a path may have commas of its own.
    var addresses: [String] {
        if kind == .file { return [domain] }
        return domain.split(separator: ",", omittingEmptySubsequences: false).map { part in
            String(part.trimmingPrefix(while: { $0 == " " }).reversed().trimmingPrefix(while: { $0 == " " }).reversed())
        }
    }

    /// One address of a static source.
    static func endpoint(_ text: String) -> Result<Console.ServiceEndpoint, SyntaxProblem> {
        if text.hasPrefix("unix:") {
            let path = text.dropFirst(5)
            // sun_path holds 108 bytes with its terminating NUL.
            guard path.hasPrefix("/"), path.utf8.count < 108 else {
                return .failure(SyntaxProblem("'\(text)' must be unix: and an absolute path of at most 107 bytes."))
            }
            return .success(Console.ServiceEndpoint(host: text, port: 0))
        }
        guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") else {
            return .failure(SyntaxProblem("'\(text)' must be address:port, as in 10.0.0.5:8080 or [::1]:8080."))
        }
        var host = String(text[..<colon])
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return .failure(SyntaxProblem("'\(text)' needs a port between 1 and 65535 after the colon."))
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard Syntax.isIPv6(host) else { return .failure(SyntaxProblem("'\(text)' has no valid IPv6 address.")) }
        } else if host.contains(":") {
            return .failure(SyntaxProblem("'\(text)': write an IPv6 address in brackets, as in [::1]:8080."))
        } else if host.utf8.allSatisfy({
            $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }) {
            guard Syntax.isIPv4(host) else { return .failure(SyntaxProblem("'\(text)' has no valid IPv4 address.")) }
        } else if let problem = Syntax.problem(withHost: host.lowercased(), wildcard: false) {
            return .failure(SyntaxProblem("'\(text)': \(problem)"))
        }
        return .success(Console.ServiceEndpoint(host: host.lowercased(), port: port))
    }
}

/// Why a text does not have the shape it needs.
struct SyntaxProblem: Error {
    var message: String
    init(_ message: String) { self.message = message }
}
