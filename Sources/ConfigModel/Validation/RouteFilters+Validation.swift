// Rules that the filters of a route, or a consumer, can break by themselves.

extension RouteFilters {
    func check(_ findings: inout Findings) {
        for (list, ranges) in [("allow", access?.allow ?? []), ("deny", access?.deny ?? [])] {
            for (index, range) in ranges.enumerated() where AddressRange(range) == nil {
                findings.report("filters.access.\(list)[\(index)]", "is not an address or a range such as 10.0.0.0/8")
            }
        }
        if let redirect {
            if ![301, 302, 303, 307, 308].contains(redirect.status) {
                findings.report("filters.redirect.status", "must be 301, 302, 303, 307 or 308")
            }
            check("filters.redirect.location", redirect.location, &findings)
            let isPath = redirect.location.hasPrefix("/")
            if !isPath, !redirect.location.hasPrefix("http://"), !redirect.location.hasPrefix("https://") {
                findings.report("filters.redirect.location", "must begin with http://, https:// or /")
            }
        }
        if let cors, cors.origins.isEmpty { findings.report("filters.cors.origins", "must not be empty") }
        for (field, values) in [
            ("origins", cors?.origins), ("methods", cors?.methods), ("headers", cors?.headers),
            ("exposed", cors?.exposed),
        ] {
            for (index, value) in (values ?? []).enumerated() {
                check("filters.cors.\(field)[\(index)]", value, &findings)
            }
        }
        if let authentication, authentication.kinds.isEmpty {
            findings.report("filters.authentication.kinds", "must not be empty")
        }
        if let rateLimit {
            findings.check("filters.rateLimit.requests", rateLimit.requests, in: 1...1_000_000_000)
            findings.check("filters.rateLimit.period", rateLimit.period, in: 1...86_400_000)
            findings.check("filters.rateLimit.burst", rateLimit.burst, in: 1...1_000_000_000)
        }
        if let concurrencyLimit {
            findings.check("filters.concurrencyLimit.max", concurrencyLimit.max, in: 1...10_000_000)
        }
        if let directResponse {
            findings.check("filters.directResponse.status", UInt32(directResponse.status), in: 200...599)
            check("filters.directResponse.contentType", directResponse.contentType, &findings)
            if directResponse.body.utf8.count > Self.bodyBytes {
                findings.report("filters.directResponse.body", "must not be longer than \(Self.bodyBytes) bytes")
            }
        }
        requestHeaders?.check("filters.requestHeaders", &findings)
        responseHeaders?.check("filters.responseHeaders", &findings)
        if let affinity {
            if !Syntax.isToken(affinity.name) || affinity.name.utf8.count > Bounds.nameBytes {
                findings.report("filters.affinity.name", "must be the name of a cookie")
            }
            check("filters.affinity.path", affinity.path, &findings)
            if !affinity.path.hasPrefix("/") || affinity.path.contains(";") {
                findings.report("filters.affinity.path", "must begin with / and hold no ;")
            }
        }
        if let mirror { findings.check("filters.mirror.share", mirror.share, in: 1...10_000) }
    }

    /// Largest body of a direct response.
    static let bodyBytes = 64 * 1_024

    private func check(_ field: String, _ value: String, _ findings: inout Findings) {
        if value.isEmpty { findings.report(field, "must not be empty") }
        if value.utf8.count > Bounds.textBytes {
            findings.report(field, "must not be longer than \(Bounds.textBytes) bytes")
        }
        if Syntax.hasControl(value) || value.utf8.contains(where: { $0 > 0x7e }) {
            findings.report(field, "must be in printable ASCII")
        }
    }
}

extension HeaderEdits {
    /// Fields that belong to the connection or to the message's framing; those the gateway alone writes.
    static let untouchable: Set<String> = [
        "connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade", "sec-websocket-key", "sec-websocket-accept", "sec-websocket-version", "grpc-status", "grpc-timeout",
    ]
    /// Edits of one kind in one route.
    static let entries = 64

    fileprivate func check(_ field: String, _ findings: inout Findings) {
        for (list, values) in [("set", set), ("add", add)] {
            if values.count > Self.entries {
                findings.report("\(field).\(list)", "must not have more than \(Self.entries) entries")
            }
            for (index, header) in values.enumerated() {
                check(name: header.name, "\(field).\(list)[\(index)].name", &findings)
                if Syntax.hasControl(header.value) || header.value.utf8.count > Bounds.textBytes
                    || header.value.first == " " || header.value.last == " "
                {
                    findings.report(
                        "\(field).\(list)[\(index)].value",
                        "must be at most \(Bounds.textBytes) bytes without control characters and blanks at its ends")
                }
            }
        }
        if remove.count > Self.entries {
            findings.report("\(field).remove", "must not have more than \(Self.entries) entries")
        }
        for (index, name) in remove.enumerated() { check(name: name, "\(field).remove[\(index)]", &findings) }
    }

    private func check(name: String, _ field: String, _ findings: inout Findings) {
        if !Syntax.isToken(name) {
            findings.report(field, "is not a header name")
        } else if name.lowercased() != name {
            findings.report(field, "must be in lower case")
        } else if Self.untouchable.contains(name) {
            findings.report(field, "names a header that belongs to the connection or the protocol")
        }
    }
}

extension Consumer {
    func check(_ findings: inout Findings) {
        if credentials.count > Bounds.listEntries {
            findings.report("credentials", "must not have more than \(Bounds.listEntries) entries")
        }
        for (index, credential) in credentials.enumerated() {
            let field = "credentials[\(index)].key"
            switch credential.source {
            case .header:
                if !Syntax.isToken(credential.key) || credential.key.lowercased() != credential.key {
                    findings.report(field, "must be a header name in lower case")
                }
            case .query:
                if credential.key.isEmpty || Syntax.hasControl(credential.key) {
                    findings.report(field, "must be the name of a query parameter")
                }
            case .bearer, .basic:
                if !credential.key.isEmpty { findings.report(field, "has no meaning for this source") }
            }
        }
        if tokens.count > Bounds.listEntries {
            findings.report("tokens", "must not have more than \(Bounds.listEntries) entries")
        }
        for (index, token) in tokens.enumerated() { token.check("tokens[\(index)]", &findings) }
    }
}
