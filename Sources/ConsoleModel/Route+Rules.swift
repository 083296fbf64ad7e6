// The rules of a route that need nothing but the route itself. References to domains and services are judged where
// these are known; regular expressions by the engine that runs them.

extension Console.Route {
    private static let methodNames: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ]
    private static let pseudoHeaders: Set<String> = [":authority", ":method", ":path", ":scheme"]
    static let largestWeight = 1_000_000

    /// Fills in defaults, so that two ways of saying the same are stored alike.
    package mutating func normalize() {
        domains = domains.filter { $0 != Console.Domain.anyHost }.uniqued()
        if let type = path?.matchType { path?.matchType = type.uppercased() }
        methods = methods.map { $0.map { $0.uppercased() }.uniqued() }
        headers = headers?.map(Self.withUppercaseType)
        urlParams = urlParams?.map(Self.withUppercaseType)
        `protocol` = `protocol`.flatMap { $0.isEmpty ? nil : $0.uppercased() }
        if timeout?.isEmpty == true { timeout = nil }
        if rewrite?.path?.isEmpty == true { rewrite?.path = nil }
        if rewrite?.host?.isEmpty == true { rewrite?.host = nil }
        loadBalancing?.normalize()
        if let mode = streamPolicy?.mode { streamPolicy?.mode = mode.lowercased() }
        // What reads show where nothing is set.
        if authConfig == Console.Auth(enabled: false) { authConfig = nil }
        readonly = false
    }

    private static func withUppercaseType(_ predicate: Console.KeyedPredicate) -> Console.KeyedPredicate {
        var predicate = predicate
        predicate.matchType = predicate.matchType.uppercased()
        return predicate
    }

    /// The rules; call `normalize` first.
    package func check() -> Findings {
        var findings = Findings()
        if let problem = Syntax.problem(withName: name) {
            findings.refuse("name", problem)
        } else if name.hasSuffix(".internal") {
            findings.refuse("name", "Names that end in .internal are reserved.")
        }
        checkPath(&findings)
        for (index, method) in (methods ?? []).enumerated() where !Self.methodNames.contains(method) {
            findings.refuse("methods[\(index)]", "Must be one of \(Self.methodNames.sorted().joined(separator: ", ")).")
        }
        checkKeyed(headers ?? [], "headers", areHeaders: true, &findings)
        checkKeyed(urlParams ?? [], "urlParams", areHeaders: false, &findings)
        checkServices(&findings)
        if `protocol` != nil, explicitProtocol == nil {
            findings.refuse("protocol", "Must be one of \(BackendProtocol.names).")
        }
        checkRewrite(&findings)
        checkTimes(&findings)
        checkAnnotations(&findings)
        checkPolicies(&findings)
        return findings
    }

    private func checkPath(_ findings: inout Findings) {
        guard let path else { return findings.refuse("path", "Is required: matchType and matchValue.") }
        guard let kind = path.kind else {
            return findings.refuse("path.matchType", Self.matchTypeMessage(path.matchType))
        }
        if path.matchValue.isEmpty { return findings.refuse("path.matchValue", "Is required.") }
        if let problem = Syntax.problem(withValue: path.matchValue) {
            return findings.refuse("path.matchValue", problem)
        }
        if kind == .regular { return }
        if !path.matchValue.hasPrefix("/") {
            findings.refuse("path.matchValue", "Must begin with '/'.")
        } else if !Syntax.isPrintableASCII(path.matchValue) || path.matchValue.contains(" ") {
            findings.refuse("path.matchValue", "Must be in ASCII without blanks: percent-encode other characters.")
        } else if path.matchValue.contains("?") || path.matchValue.contains("#") {
            findings.refuse("path.matchValue", "Must be a path only: match the query through urlParams.")
        }
    }

    private static func matchTypeMessage(_ given: String) -> String {
        let known = Console.MatchType.allCases.map(\.rawValue).joined(separator: ", ")
        return given.isEmpty ? "Is required: one of \(known)." : "Must be one of \(known)."
    }

    private func checkKeyed(
        _ predicates: [Console.KeyedPredicate], _ field: String, areHeaders: Bool, _ findings: inout Findings
    ) {
        if predicates.count > Syntax.longestList {
            return findings.refuse(field, "Must have at most \(Syntax.longestList) entries.")
        }
        for (index, predicate) in predicates.enumerated() {
            let field = "\(field)[\(index)]"
            if predicate.key.isEmpty {
                findings.refuse("\(field).key", "Is required.")
            } else if predicate.key.hasPrefix(":") && areHeaders {
                if !Self.pseudoHeaders.contains(predicate.key.lowercased()) {
                    findings.refuse(
                        "\(field).key",
                        "Must be one of \(Self.pseudoHeaders.sorted().joined(separator: ", ")), or a header name.")
                }
            } else if areHeaders ? !Syntax.isToken(predicate.key) : !Syntax.isPrintableASCII(predicate.key) {
                findings.refuse("\(field).key", areHeaders ? "Must be a header name." : "Must be printable ASCII.")
            }
            guard let kind = predicate.kind else {
                findings.refuse("\(field).matchType", Self.matchTypeMessage(predicate.matchType))
                continue
            }
            if let problem = Syntax.problem(withValue: predicate.key) { findings.refuse("\(field).key", problem) }
            if let problem = Syntax.problem(withValue: predicate.matchValue) {
                findings.refuse("\(field).matchValue", problem)
            } else if !Syntax.isPrintableASCII(predicate.matchValue) {
                findings.refuse("\(field).matchValue", "Must be printable ASCII.")
            } else if predicate.matchValue.isEmpty, kind != .equal {
                findings.refuse("\(field).matchValue", "Is required.")
            }
        }
    }

    private func checkServices(_ findings: inout Findings) {
        if services.isEmpty { return findings.refuse("services", "At least one service is required.") }
        var seen: Set<String> = []
        for (index, service) in services.enumerated() {
            let field = "services[\(index)]"
            if service.name.isEmpty { findings.refuse("\(field).name", "Is required.") }
            if !service.name.isEmpty, !seen.insert(service.name).inserted {
                findings.refuse("\(field).name", "\(service.name) is listed twice.")
            }
            if let port = service.port, !(1...65_535).contains(port) {
                findings.refuse("\(field).port", "Must be between 1 and 65535.")
            }
            if let weight = service.weight, !(0...Self.largestWeight).contains(weight) {
                findings.refuse("\(field).weight", "Must be between 0 and \(Self.largestWeight).")
            }
            if service.version?.isEmpty == false { findings.warn("\(field).version: subsets have no effect yet.") }
        }
        if services.count > 1, services.allSatisfy({ $0.weight == 0 }) {
            findings.warn("services: all weights are 0, so every service gets an equal share.")
        }
    }

    private func checkRewrite(_ findings: inout Findings) {
        guard let rewrite else { return }
        if let path = rewrite.path {
            if let problem = Syntax.problem(withValue: path) {
                findings.refuse("rewrite.path", problem)
            } else if !Syntax.isPrintableASCII(path) || path.contains(" ") {
                findings.refuse("rewrite.path", "Must be in ASCII without blanks: percent-encode other characters.")
            } else if !path.hasPrefix("/"), self.path?.kind != .regular || !path.hasPrefix("$") {
                findings.refuse("rewrite.path", "Must begin with '/'.")
            } else if path.contains("?") || path.contains("#") {
                findings.refuse("rewrite.path", "Must be a path only, without query and fragment.")
            }
        }
        if let host = rewrite.host {
            var name = host[...]
            if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
                name = host[..<colon]
                if UInt16(host[host.index(after: colon)...]).map({ $0 > 0 }) != true {
                    findings.refuse("rewrite.host", "Needs a port between 1 and 65535 after the colon.")
                }
            }
            let isAddress = name.hasPrefix("[") && name.hasSuffix("]") && Syntax.isIPv6(name.dropFirst().dropLast())
            if !isAddress, let problem = Syntax.problem(withHost: name.lowercased(), wildcard: false) {
                findings.refuse("rewrite.host", problem)
            }
        }
    }

    private func checkTimes(_ findings: inout Findings) {
        let times = [
            ("responseHeaders", timeouts?.responseHeaders), ("streamIdle", timeouts?.streamIdle),
            ("total", timeouts?.total),
        ]
        for (name, value) in times {
            if let value, !(0...Syntax.longestTime).contains(value) {
                findings.refuse("timeouts.\(name)", "Must be milliseconds between 0 (off) and \(Syntax.longestTime).")
            }
        }
        if let timeout {
            guard let value = TimeText.milliseconds(timeout) else {
                findings.refuse("timeout", "Must be a time in seconds, or with a unit as in 1500ms, 30s, 5m, 2h.")
                return
            }
            if let total = timeouts?.total, total != value {
                findings.refuse("timeout", "Contradicts timeouts.total: give one, or the same.")
            }
        }
    }
}

extension Array where Element: Hashable {
    func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
