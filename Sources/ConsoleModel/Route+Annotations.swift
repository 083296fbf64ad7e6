// What the keys of `customConfigs` mean: which act, which the console owns, and which are known but act not yet.

/// The annotations of a route that have an effect.
package struct RouteAnnotations: Hashable, Sendable {
    package var backendProtocol: BackendProtocol?
    /// Milliseconds for the whole exchange.
    package var total: Int?
    /// Milliseconds without a byte from the upstream.
    package var read: Int?
    /// Milliseconds for a connection to the upstream.
    package var connect: Int?
    /// Milliseconds in which the upstream must take something of a request that waits for it.
    package var send: Int?
    /// Of `proxy-http-version`: whether services that are not spoken to in gRPC are spoken to in HTTP/2.
    package var speaksHTTP2: Bool?
    /// Of `upstream-hash-by`, else of `load-balance`.
    package var loadBalancing: Console.LoadBalancing?

    static let nginx = "nginx.ingress.kubernetes.io/"
    static let higress = "higress.io/"

    /// The part after a prefix we know.
    static func name(of key: String) -> Substring? {
        [nginx, higress].first { key.hasPrefix($0) }.map { key.dropFirst($0.count) }
    }

    /// Set by the console's own fields; giving them as annotations as well would contradict these.
    static func isOwnedByConsole(_ name: Substring) -> Bool {
        owned.contains(name) || ownedPrefixes.contains { name.hasPrefix($0) } || name.hasPrefix("disabled.")
    }

    /// Whether a full key is one that the console owns.
    package static func isConsoleKey(_ key: String) -> Bool { name(of: key).map(isOwnedByConsole) ?? false }

    private static let owned: Set<Substring> = [
        "use-regex", "destination", "ssl-redirect", "enable-rewrite", "rewrite-path", "rewrite-target",
        "upstream-vhost",
        "enable-proxy-next-upstream", "proxy-next-upstream", "proxy-next-upstream-tries", "proxy-next-upstream-timeout",
        "enable-header-control", "request-header-control-add", "request-header-control-update",
        "request-header-control-remove", "response-header-control-add", "response-header-control-update",
        "response-header-control-remove", "enable-cors", "match-method", "ignore-path-case", "comment",
    ]

    private static let ownedPrefixes: [String] =
        ["cors-", "wasm-plugin-"]
        + ["exact", "prefix", "regex"].flatMap { kind in
            ["header", "query", "pseudo-header"].map { "\(kind)-match-\($0)-" }
        }

    /// What `proxy-http-version` may hold, and whether that is HTTP/2.
    static let httpVersions = ["1.0": false, "1.1": false, "2": true, "2.0": true]

    /// Known to people who come from Higress or nginx, without effect here, and what does it instead.
    static let withoutEffect: [Substring: String] = [
        "proxy-ssl-secret": "tlsClientCertificate of the service source says what is shown.",
        "proxy-ssl-verify": "tlsVerify and tlsCa of the service source say what is checked.",
        "proxy-ssl-name": "sni of the service source names it.",
        "proxy-ssl-server-name": "sni of the service source names it.",
        "auth-tls-secret": "clientAuth of the domain asks for client certificates.",
        "auth-tls-verify-client": "clientAuth of the domain asks for client certificates.",
        "auth-tls-verify-depth": "clientAuth.depth of the domain bounds it.",
        "auth-tls-pass-certificate-to-upstream": "x-forwarded-client-cert tells services of the domain's clientAuth.",
        "proxy-buffering": "nothing is buffered.",
        "proxy-request-buffering": "nothing is buffered.",
        "websocket-services": "WebSockets need no setting.",
        "websocket-enable": "WebSockets need no setting.",
        "grpc-backend": "backend-protocol says it.",
        "auth-type": "authConfig asks for credentials.",
        "auth-secret": "consumers hold credentials.",
        "auth-secret-type": "consumers hold credentials.",
        "auth-realm": "authConfig asks for credentials.",
        "configuration-snippet": "headerControl, rewrite and the other fields do single things of it.",
        "server-snippet": "headerControl, rewrite and the other fields do single things of it.",
        "request-set-header": "headerControl edits header fields.",
    ]
}

extension Console.Route {
    /// The annotations that act. Values that `checkAnnotations` refuses count as absent.
    package var annotations: RouteAnnotations {
        var result = RouteAnnotations()
        for prefix in [RouteAnnotations.higress, RouteAnnotations.nginx] {
            if let value = customConfigs["\(prefix)backend-protocol"].flatMap(BackendProtocol.init(text:)) {
                result.backendProtocol = value
            }
            if let value = customConfigs["\(prefix)load-balance"],
                let policy = Console.LoadBalancing.annotation(loadBalance: value)
            {
                result.loadBalancing = policy
            }
        }
        for prefix in [RouteAnnotations.higress, RouteAnnotations.nginx] {
            if let value = customConfigs["\(prefix)upstream-hash-by"],
                let policy = Console.LoadBalancing.annotation(hashBy: value)
            {
                result.loadBalancing = policy
            }
        }
        // 0 means "not set" in Higress, not "off".
        result.total = milliseconds("\(RouteAnnotations.higress)timeout").flatMap { $0 == 0 ? nil : $0 }
        result.read = annotation("proxy-read-timeout").flatMap(TimeText.milliseconds)
        result.connect = annotation("proxy-connect-timeout").flatMap(TimeText.milliseconds)
        result.send = annotation("proxy-send-timeout").flatMap(TimeText.milliseconds).flatMap { $0 == 0 ? nil : $0 }
        result.speaksHTTP2 = annotation("proxy-http-version").flatMap { RouteAnnotations.httpVersions[$0] }
        return result
    }

    private func milliseconds(_ key: String) -> Int? {
        customConfigs[key].flatMap(TimeText.milliseconds)
    }

    func checkAnnotations(_ findings: inout Findings) {
        for (key, value) in customConfigs.sorted(by: { $0.key < $1.key }) {
            let field = "customConfigs[\(key)]"
            if key.isEmpty || Syntax.problem(withText: key) != nil {
                findings.refuse("customConfigs", "Keys must be text without control characters.")
                continue
            }
            // Header lists come one a line, so line feeds are allowed in values.
            if let problem = Syntax.problem(withText: value.filter { $0 != "\n" }) { findings.refuse(field, problem) }
            guard let name = RouteAnnotations.name(of: key) else {
                findings.warn(
                    "\(field): has no effect; annotations begin with higress.io/ or nginx.ingress.kubernetes.io/.")
                continue
            }
            if RouteAnnotations.isOwnedByConsole(name) {
                findings.refuse(field, "Is set through the route's own fields, not as an annotation.")
                continue
            }
            checkAnnotation(name, key: key, value: value, field: field, &findings)
        }
        checkProtocolAgreement(&findings)
        checkTrafficAnnotations(&findings)
    }

    private func checkAnnotation(
        _ name: Substring, key: String, value: String, field: String, _ findings: inout Findings
    ) {
        let isNginx = key.hasPrefix(RouteAnnotations.nginx)
        if let judged = RouteAnnotations.problem(name, isNginx: isNginx, value)
            ?? RouteAnnotations.trafficProblem(name, isNginx: isNginx, value)
            ?? RouteAnnotations.affinityProblem(name, value)
        {
            if let problem = judged { findings.refuse(field, problem) }
            return
        }
        switch (name, isNginx) {
        case ("backend-protocol", _):
            if BackendProtocol(text: value) == nil {
                findings.refuse(field, "Must be one of \(BackendProtocol.names).")
            }
        case ("load-balance", _):
            if Console.LoadBalancing.annotation(loadBalance: value) == nil {
                findings.warn(
                    "\(field): has no effect; the policies here are round_robin, least_conn, random and ip_hash.")
            }
        case ("upstream-hash-by", _):
            if Console.LoadBalancing.annotation(hashBy: value) == nil {
                findings.refuse(
                    field,
                    "Must be $request_uri, $host, $remote_addr, or $http_, $arg_ or $cookie_ followed by a name.")
            }
        case ("proxy-connect-timeout", _):
            if !(1...600_000).contains(TimeText.milliseconds(value) ?? 0) {
                findings.refuse(
                    field, "Must be a time of at most 600s, in seconds, or with a unit as in 1500ms, 30s, 5m.")
            }
        case ("proxy-http-version", _):
            if RouteAnnotations.httpVersions[value] == nil {
                findings.refuse(field, "Must be 1.1 or 2.")
            } else if value == "1.0" {
                findings.warn("\(field): services are spoken to in HTTP/1.1; answers may be of HTTP/1.0.")
            }
        case ("timeout", false), ("proxy-read-timeout", _), ("proxy-send-timeout", _):
            if TimeText.milliseconds(value) == nil {
                findings.refuse(field, "Must be a time in seconds, or with a unit as in 1500ms, 30s, 5m, 2h.")
            }
        case ("mirror-target-fqdn-port", _):
            break  // judged with the others of its kind
        case (let name, _) where RouteAnnotations.tlsNames.contains(String(name)):
            RouteAnnotations.checkTLS(name, value, field, &findings)
        default:
            if let instead = RouteAnnotations.withoutEffect[name] {
                findings.warn("\(field): has no effect; \(instead)")
            } else {
                findings.warn("\(field): is not an annotation that is known here; it has no effect.")
            }
        }
    }

    private func checkProtocolAgreement(_ findings: inout Findings) {
        let keys = [RouteAnnotations.nginx, RouteAnnotations.higress].map { "\($0)backend-protocol" }
        let given = keys.compactMap { key in
            customConfigs[key].flatMap(BackendProtocol.init(text:)).map { (key: key, value: $0) }
        }
        if let explicit = explicitProtocol {
            for annotation in given where annotation.value != explicit {
                findings.refuse(
                    "protocol",
                    "Is \(explicit.rawValue), but the annotation \(annotation.key) says \(annotation.value.rawValue):"
                        + " give one, or the same."
                )
            }
        } else if let first = given.first, let last = given.last, first.value != last.value {
            findings.refuse("customConfigs[\(last.key)]", "Contradicts the annotation \(first.key).")
        }
    }
}

extension BackendProtocol {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
