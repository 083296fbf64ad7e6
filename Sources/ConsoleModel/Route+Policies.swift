// The rules of a route's policies: what it tries again, lets in, changes and answers, and what becomes of its streams.

extension Console.Route {
    private static let retryConditions: Set<String> = [
        "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
        "http_429", "non_idempotent",
    ]

    func checkPolicies(_ findings: inout Findings) {
        checkStreamPolicy(&findings)
        loadBalancing?.check("loadBalancing", &findings)
        checkRetries(&findings)
        checkCORS(&findings)
        checkHeaderControl(&findings)
        checkAuth(&findings)
        checkDirectAnswers(&findings)
        checkTraffic(&findings)
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
        if cors.allowCredentials == true, cors.allowOrigins.map({ $0.isEmpty || $0.contains("*") }) ?? true {
            findings.warn(
                "cors.allowCredentials: with every origin allowed, any site may act as the user who visits it.")
        }
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
    }

    private func checkAuth(_ findings: inout Findings) {
        guard let auth = authConfig else { return }
        for (index, type) in (auth.allowedCredentialTypes ?? []).enumerated()
        where Console.Credential.Kind(rawValue: type) == nil {
            findings.refuse("authConfig.allowedCredentialTypes[\(index)]", "Must be key-auth, basic-auth or jwt.")
        }
        for (index, name) in (auth.allowedConsumers ?? []).enumerated() {
            if let problem = Syntax.problem(withName: name) {
                findings.refuse("authConfig.allowedConsumers[\(index)]", problem)
            }
        }
        if auth.enabled == true, auth.allowedConsumers?.isEmpty ?? true {
            findings.warn("authConfig: no consumer is named, so every consumer is let in.")
        }
    }

    private func checkDirectAnswers(_ findings: inout Findings) {
        if let status = mock?.status, !(200...599).contains(status) {
            findings.refuse("mock.status", "Must be between 200 and 599.")
        }
        if let content = mock?.content, content.utf8.count > 64 * 1_024 {
            findings.refuse("mock.content", "Must have at most 65536 bytes.")
        }
        if let type = mock?.contentType, type.isEmpty || !Syntax.isPrintableASCII(type) {
            findings.refuse("mock.contentType", "Must be printable ASCII, as in application/json.")
        }
        guard let redirect else { return }
        if let status = redirect.status, ![301, 302, 303, 307, 308].contains(status) {
            findings.refuse("redirect.status", "Must be 301, 302, 303, 307 or 308.")
        }
        guard redirect.enabled == true || redirect.url?.isEmpty == false else { return }
        let url = redirect.url ?? ""
        if !["http://", "https://", "/"].contains(where: { url.hasPrefix($0) }) || !Syntax.isPrintableASCII(url)
            || url.contains(" ") || url.utf8.count > Syntax.longestText
        {
            findings.refuse("redirect.url", "Must be a URL that begins with http:// or https://, or a path with '/'.")
        }
    }

    private func checkTraffic(_ findings: inout Findings) {
        if let limit = rateLimit {
            if let qps = limit.qps {
                if !(1...10_000_000).contains(qps) {
                    findings.refuse("rateLimit.qps", "Must be between 1 and 10000000 requests a second.")
                }
            } else if limit.enabled == true {
                findings.refuse("rateLimit.qps", "Is required while enabled is true.")
            }
            if let burst = limit.burst, !(1...10_000_000).contains(burst) {
                findings.refuse("rateLimit.burst", "Must be between 1 and 10000000 requests.")
            }
        }
        if let limit = concurrencyLimit {
            if let max = limit.max {
                if !(1...10_000_000).contains(max) {
                    findings.refuse("concurrencyLimit.max", "Must be between 1 and 10000000 requests at once.")
                }
            } else if limit.enabled == true {
                findings.refuse("concurrencyLimit.max", "Is required while enabled is true.")
            }
        }
        for (size, value) in [
            ("maxFrameSize", webSocket?.maxFrameSize), ("maxMessageSize", webSocket?.maxMessageSize),
        ] where !(0...Int(UInt32.max)).contains(value ?? 0) {
            findings.refuse("webSocket.\(size)", "Must be between 0 and \(UInt32.max) bytes; 0 means no limit.")
        }
        for (list, ranges) in [("allow", ipAccess?.allow ?? []), ("deny", ipAccess?.deny ?? [])] {
            if ranges.count > Syntax.longestList {
                findings.refuse("ipAccess.\(list)", "Must have at most \(Syntax.longestList) entries.")
            }
            for (index, range) in ranges.enumerated() where !Syntax.isAddressRange(range) {
                findings.refuse("ipAccess.\(list)[\(index)]", "Must be an address or a range such as 10.0.0.0/8.")
            }
        }
        if let share = mirror?.percentage, !(share > 0 && share <= 100) {
            findings.refuse("mirror.percentage", "Must be above 0 and at most 100.")
        }
    }
}
