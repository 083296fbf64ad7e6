// What the keys of `customConfigs` mean: which act, which the console owns, and which are known but act not yet.

/// The annotations of a route that have an effect.
package struct RouteAnnotations: Hashable, Sendable {
    package var backendProtocol: BackendProtocol?
    /// Milliseconds for the whole exchange.
    package var total: Int?
    /// Milliseconds without a byte from the upstream.
    package var read: Int?
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

    /// Understood by Higress, without effect here so far.
    static let notYetActing: Set<Substring> = [
        "proxy-ssl-secret", "proxy-ssl-verify", "proxy-ssl-name", "proxy-ssl-server-name", "auth-tls-secret",
        "ssl-cipher", "tls-min-protocol-version", "tls-max-protocol-version",
        "full-path-regex", "affinity", "session-cookie-name", "session-cookie-path", "session-cookie-max-age",
        "session-cookie-expires", "canary", "canary-by-header", "canary-by-header-value", "canary-by-header-pattern",
        "canary-by-cookie", "canary-weight", "canary-weight-total", "mirror-target-service", "mirror-target-fqdn",
        "mirror-target-fqdn-port", "mirror-percentage", "default-backend", "custom-http-errors",

        "proxy-connect-timeout", "proxy-send-timeout",
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
        result.read = milliseconds("\(RouteAnnotations.nginx)proxy-read-timeout")
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
    }

    private func checkAnnotation(
        _ name: Substring, key: String, value: String, field: String, _ findings: inout Findings
    ) {
        let isNginx = key.hasPrefix(RouteAnnotations.nginx)
        if let judged = RouteAnnotations.problem(name, isNginx: isNginx, value) {
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
        case ("timeout", false), ("proxy-read-timeout", true):
            if TimeText.milliseconds(value) == nil {
                findings.refuse(field, "Must be a time in seconds, or with a unit as in 1500ms, 30s, 5m, 2h.")
            }
        case ("proxy-http-version", true):
            findings.warn("\(field): has no effect; the protocol field decides how the service is spoken to.")
        case _ where RouteAnnotations.notYetActing.contains(name):
            findings.warn("\(field): is stored but has no effect yet.")
        default:
            findings.warn("\(field): is not an annotation that is known here; it has no effect.")
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
