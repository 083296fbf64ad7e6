// The rules of a route's policies. Most are kept for the day they act: their values must be right then, and until
// then every answer says that they do nothing.

extension Console.Route {
    private static let retryConditions: Set<String> = [
        "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
        "http_429", "non_idempotent",
    ]

    func checkPolicies(_ findings: inout Findings) {
        checkStreamPolicy(&findings)
        checkRetries(&findings)
        checkCORS(&findings)
        checkHeaderControl(&findings)
        checkAuth(&findings)
        checkDirectAnswers(&findings)
        for (key, value) in customLabels {
            if Syntax.problem(withText: key + value) != nil {
                findings.refuse("customLabels", "Must not contain control characters.")
            }
        }
    }

    private func checkStreamPolicy(_ findings: inout Findings) {
        guard let policy = streamPolicy else { return }
        guard let mode = Console.StreamPolicy.Mode(rawValue: policy.mode) else {
            findings.refuse("streamPolicy.mode", "Must be one of keep, drain, close.")
            return
        }
        if mode == .drain {
            if !(1...Syntax.longestTime).contains(policy.after ?? 0) {
                findings.refuse(
                    "streamPolicy.after",
                    "Must be the milliseconds until streams are ended, between 1 and \(Syntax.longestTime).")
            }
        } else if policy.after != nil {
            findings.refuse("streamPolicy.after", "Has a meaning only with the mode drain.")
        }
        if mode != .keep { findings.warn(Self.notActing("streamPolicy", "running streams are kept")) }
    }

    private func checkRetries(_ findings: inout Findings) {
        guard let retries = proxyNextUpstream else { return }
        if let attempts = retries.attempts, !(0...100).contains(attempts) {
            findings.refuse("proxyNextUpstream.attempts", "Must be between 0 and 100.")
        }
        if let timeout = retries.timeout, !(0...86_400).contains(timeout) {
            findings.refuse("proxyNextUpstream.timeout", "Must be between 0 and 86400 seconds.")
        }
        for (index, condition) in (retries.conditions ?? []).enumerated()
        where !Self.retryConditions.contains(condition) {
            findings.refuse(
                "proxyNextUpstream.conditions[\(index)]",
                "Must be one of \(Self.retryConditions.sorted().joined(separator: ", ")).")
        }
        if retries.enabled ?? true {
            findings.warn(Self.notActing("proxyNextUpstream", "requests are not retried by it"))
        }
    }

    private func checkCORS(_ findings: inout Findings) {
        guard let cors else { return }
        let lists = [
            ("allowOrigins", cors.allowOrigins), ("allowMethods", cors.allowMethods),
            ("allowHeaders", cors.allowHeaders), ("exposeHeaders", cors.exposeHeaders),
        ]
        for (name, values) in lists {
            for (index, value) in (values ?? []).enumerated() where value.isEmpty || !Syntax.isPrintableASCII(value) {
                findings.refuse("cors.\(name)[\(index)]", "Must be printable ASCII.")
            }
        }
        if let age = cors.maxAge, !(0...Int(Int32.max)).contains(age) {
            findings.refuse("cors.maxAge", "Must be a number of seconds, at least 0.")
        }
        if cors.enabled ?? true { findings.warn(Self.notActing("cors", "no CORS header is added")) }
    }

    private func checkHeaderControl(_ findings: inout Findings) {
        guard let control = headerControl else { return }
        for (name, stage) in [("request", control.request), ("response", control.response)] {
            for (list, headers) in [("add", stage?.add), ("set", stage?.set)] {
                for (index, header) in (headers ?? []).enumerated() {
                    let field = "headerControl.\(name).\(list)[\(index)]"
                    if !Syntax.isToken(header.key) { findings.refuse("\(field).key", "Must be a header name.") }
                    if let problem = Syntax.problem(withText: header.value) {
                        findings.refuse("\(field).value", problem)
                    }
                }
            }
            for (index, key) in (stage?.remove ?? []).enumerated() where !Syntax.isToken(key) {
                findings.refuse("headerControl.\(name).remove[\(index)]", "Must be a header name.")
            }
        }
        if control.enabled ?? true { findings.warn(Self.notActing("headerControl", "headers pass unchanged")) }
    }

    private func checkAuth(_ findings: inout Findings) {
        guard let auth = authConfig else { return }
        for (index, type) in (auth.allowedCredentialTypes ?? []).enumerated() where type != "key-auth" {
            findings.refuse("authConfig.allowedCredentialTypes[\(index)]", "Must be key-auth.")
        }
        for (index, name) in (auth.allowedConsumers ?? []).enumerated() {
            if let problem = Syntax.problem(withName: name) {
                findings.refuse("authConfig.allowedConsumers[\(index)]", problem)
            }
        }
        if auth.enabled == true { findings.warn(Self.notActing("authConfig", "requests are NOT authenticated")) }
    }

    private func checkDirectAnswers(_ findings: inout Findings) {
        if let status = mock?.status, !(200...599).contains(status) {
            findings.refuse("mock.status", "Must be between 200 and 599.")
        }
        if mock?.enabled == true { findings.warn(Self.notActing("mock", "requests go to the services")) }
        if let status = redirect?.status, !(300...308).contains(status) {
            findings.refuse("redirect.status", "Must be between 300 and 308.")
        }
        if redirect?.enabled == true { findings.warn(Self.notActing("redirect", "requests go to the services")) }
        if let qps = rateLimit?.qps, qps < 1 { findings.refuse("rateLimit.qps", "Must be at least 1.") }
        if rateLimit?.enabled == true { findings.warn(Self.notActing("rateLimit", "requests are not limited")) }
    }

    private static func notActing(_ field: String, _ consequence: String) -> String {
        "\(field): is stored but does not act yet: \(consequence)."
    }
}
