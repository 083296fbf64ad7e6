// Rules that a route alone can break. The syntax of regular expressions is judged by `RouteMatching`, which has the engine.

extension Route {
    func check(_ findings: inout Findings) {
        checkPath(&findings)
        checkMethods(&findings)
        for (index, predicate) in headers.enumerated() {
            predicate.checkHeader("headers[\(index)]", &findings)
        }
        for (index, predicate) in queryParameters.enumerated() {
            if predicate.key.isEmpty { findings.report("queryParameters[\(index)].key", "must not be empty") }
            predicate.check("queryParameters[\(index)]", &findings)
        }
        for (field, count) in [("headers", headers.count), ("queryParameters", queryParameters.count)]
        where count > Bounds.listEntries {
            findings.report(field, "must not have more than \(Bounds.listEntries) entries")
        }
        // Some filters always answer themselves: then nothing has to be behind them.
        if destinations.isEmpty, filters.directResponse == nil, filters.redirect.map(\.rootOnly) ?? true {
            findings.report("destinations", "must not be empty")
        }
        for (index, destination) in destinations.enumerated() {
            findings.check("destinations[\(index)].weight", destination.weight, in: 0...Bounds.weight)
        }
        checkErrorStatuses(&findings)
        checkTimes(&findings)
        checkRewrite(&findings)
        filters.check(&findings)
    }

    private func checkPath(_ findings: inout Findings) {
        let value = path.value
        if value.utf8.count > Bounds.textBytes {
            findings.report("path.value", "must not be longer than \(Bounds.textBytes) bytes")
        }
        guard path.kind != .regex else {
            if value.isEmpty { findings.report("path.value", "must not be empty") }
            if Syntax.hasControl(value) { findings.report("path.value", "must not contain control characters") }
            return
        }
        findings.check("path.value", Self.literalPath(value))
    }

    private func checkMethods(_ findings: inout Findings) {
        var seen: Set<String> = []
        for (index, method) in methods.enumerated() {
            if !Syntax.isToken(method) {
                findings.report("methods[\(index)]", "is not an HTTP method")
            } else if method.uppercased() != method {
                findings.report("methods[\(index)]", "must be in upper case")
            } else if !seen.insert(method).inserted {
                findings.report("methods[\(index)]", "stands in the list twice")
            }
        }
    }

    private func checkErrorStatuses(_ findings: inout Findings) {
        if fallback == nil, !errorStatuses.isEmpty {
            findings.report("errorStatuses", "means nothing without a fallback")
        }
        if errorStatuses.count > Bounds.listEntries {
            findings.report("errorStatuses", "must not have more than \(Bounds.listEntries) entries")
        }
        for (index, range) in errorStatuses.enumerated()
        where range.low < 400 || range.high > 599 || range.low > range.high {
            findings.report("errorStatuses[\(index)]", "must be from 400 to 599")
        }
    }

    private func checkTimes(_ findings: inout Findings) {
        findings.check("timeouts.responseHeaders", timeouts.responseHeaders ?? 0, in: 0...Bounds.timeout)
        findings.check("timeouts.streamIdle", timeouts.streamIdle ?? 0, in: 0...Bounds.timeout)
        findings.check("timeouts.total", timeouts.total ?? 0, in: 0...Bounds.timeout)
        findings.check("timeouts.send", timeouts.send ?? 1, in: 1...Bounds.timeout)
        findings.check("timeouts.connect", timeouts.connect ?? 1, in: 1...600_000)
        if case .drain(let time) = streamPolicy {
            findings.check("streamPolicy.drain", time, in: 0...Bounds.timeout)
        }
    }

    private func checkRewrite(_ findings: inout Findings) {
        if let target = rewrite?.path {
            if target.utf8.count > Bounds.textBytes {
                findings.report("rewrite.path", "must not be longer than \(Bounds.textBytes) bytes")
            }
            if path.kind != .regex {
                findings.check("rewrite.path", Self.literalPath(target))
            } else if !target.hasPrefix("/") && !target.hasPrefix("$") {
                findings.report("rewrite.path", "must begin with `/` or with a group such as `$1`")
            } else if Self.breaksRequestLine(target) {
                findings.report("rewrite.path", "must not contain spaces or control characters")
            }
        }
        balancing?.check("balancing", &findings)
        if let retries {
            findings.check("retries.attempts", retries.attempts, in: 0...100)
            findings.check("retries.tryTimeout", retries.tryTimeout, in: 0...Bounds.timeout)
            if !RetryConditions.all.isSuperset(of: retries.conditions) {
                findings.report("retries.conditions", "names a condition that is not known")
            }
        }
        if let authority = rewrite?.authority { findings.check("rewrite.authority", Syntax.authority(authority)) }
    }

    private static func literalPath(_ value: String) -> String? {
        if value.utf8.first != UInt8(ascii: "/") { return "must begin with `/`" }
        if value.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            return "must not contain `?` or `#`"
        }
        return breaksRequestLine(value) ? "must not contain spaces or control characters" : nil
    }

    private static func breaksRequestLine(_ value: String) -> Bool {
        value.utf8.contains(UInt8(ascii: " ")) || Syntax.hasControl(value)
    }
}

extension KeyedPredicate {
    private static let pseudoHeaders: Set<String> = [":authority", ":path", ":method", ":scheme"]

    fileprivate func checkHeader(_ field: String, _ findings: inout Findings) {
        if key.hasPrefix(":") {
            if !Self.pseudoHeaders.contains(key) {
                findings.report("\(field).key", "must be one of :authority, :path, :method, :scheme, or a header name")
            }
        } else if !Syntax.isToken(key) {
            findings.report("\(field).key", "is not a header name")
        } else if key.utf8.contains(where: Syntax.isUpper) {
            findings.report("\(field).key", "must be in lower case")
        }
        check(field, &findings)
    }

    fileprivate func check(_ field: String, _ findings: inout Findings) {
        for (part, text) in [("key", key), ("value", value)] {
            if text.utf8.count > Bounds.textBytes {
                findings.report("\(field).\(part)", "must not be longer than \(Bounds.textBytes) bytes")
            }
            if Syntax.hasControl(text) {
                findings.report("\(field).\(part)", "must not contain control characters")
            }
        }
        if kind == .regex && value.isEmpty { findings.report("\(field).value", "must not be empty") }
    }
}
