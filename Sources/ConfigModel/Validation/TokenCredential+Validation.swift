// Rules that a token credential can break by itself. Whether its keys are keys, `VerificationKey` says.

extension TokenCredential {
    /// Keys that signatures are looked for among.
    package static let mostKeys = 32
    package static let mostClaims = 16
    /// A day in seconds.
    package static let longestSkew: UInt32 = 86_400

    func check(_ field: String, _ findings: inout Findings) {
        switch source {
        case .header:
            if !Syntax.isToken(key) || key.lowercased() != key {
                findings.report("\(field).key", "must be a header name in lower case")
            }
        case .query:
            if key.isEmpty || Syntax.hasControl(key) {
                findings.report("\(field).key", "must be the name of a query parameter")
            }
        case .bearer:
            if !key.isEmpty { findings.report("\(field).key", "has no meaning for this source") }
        case .basic: findings.report("\(field).source", "must be a bearer token, a header or a query parameter")
        }
        if issuer.isEmpty { findings.report("\(field).issuer", "must not be empty") }
        for (member, texts) in [("issuer", [issuer]), ("subject", [subject]), ("audiences", audiences)]
        where texts.contains(where: { Syntax.hasControl($0) || $0.utf8.count > Bounds.textBytes }) {
            findings.report(
                "\(field).\(member)", "must be at most \(Bounds.textBytes) bytes without control characters")
        }
        if audiences.count > Bounds.listEntries {
            findings.report("\(field).audiences", "must not have more than \(Bounds.listEntries) entries")
        }
        if keys.isEmpty || keys.count > Self.mostKeys {
            findings.report("\(field).jwks", "must have one to \(Self.mostKeys) keys")
        }
        for (index, key) in keys.enumerated() {
            if key.id.utf8.count > Bounds.nameBytes {
                findings.report("\(field).jwks.keys[\(index)].kid", "must be at most \(Bounds.nameBytes) bytes")
            }
            if TokenAlgorithm.allCases.allSatisfy({ !key.takes($0) }) {
                findings.report("\(field).jwks.keys[\(index)].alg", "does not fit the key")
            }
        }
        findings.check("\(field).clockSkewSeconds", clockSkew, in: 0...Self.longestSkew)
        if claims.count > Self.mostClaims {
            findings.report("\(field).claimsToHeaders", "must not have more than \(Self.mostClaims) entries")
        }
        for (index, claim) in claims.enumerated() {
            let place = "\(field).claimsToHeaders[\(index)]"
            if claim.claim.isEmpty || claim.claim.utf8.count > Bounds.nameBytes {
                findings.report("\(place).claim", "must be a name of at most \(Bounds.nameBytes) bytes")
            }
            if let problem = ClaimHeader.problem(withHeader: claim.header) {
                findings.report("\(place).header", problem)
            }
        }
    }
}

extension ClaimHeader {
    /// Headers that clients or the gateway have uses of their own for: what clients send under a header of a claim is dropped.
    private static let taken: Set<String> = HeaderEdits.untouchable.union([
        "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "content-encoding",
        "content-type",
        "cookie", "expect", "forwarded", "grpc-encoding", "origin", "range", "referer", "traceparent", "tracestate",
        "user-agent", "x-mse-consumer", "x-real-ip", "x-request-id",
    ])

    /// What is wrong with the header that a claim is told in.
    package static func problem(withHeader name: String) -> String? {
        if !Syntax.isToken(name) { return "is not a header name" }
        if name.lowercased() != name { return "must be in lower case" }
        if name.utf8.count > Bounds.nameBytes { return "must be at most \(Bounds.nameBytes) bytes" }
        if taken.contains(name) || name.hasPrefix("x-forwarded-") || name.hasPrefix("sec-") || name.hasPrefix("if-") {
            return "names a header that has a use of its own: take another, such as x-user"
        }
        return nil
    }
}
