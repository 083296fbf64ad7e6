// Rules of credentials of type `jwt`.

extension Console.Credential {
    package static let defaultClockSkew = 60

    mutating func normalizeToken() {
        source = source ?? Source.bearer.rawValue
        if issuer?.isEmpty == true { issuer = nil }
        if subject?.isEmpty == true { subject = nil }
        if audiences?.isEmpty == true { audiences = nil }
        if claimsToHeaders?.isEmpty == true { claimsToHeaders = nil }
        claimsToHeaders = claimsToHeaders?.map { each in
            var each = each
            each.header = each.header.lowercased()
            return each
        }
    }
}

extension Console.Consumer {
    private static let mostKeys = 32
    private static let mostClaims = 16

    func check(token credential: Console.Credential, _ field: String, _ findings: inout Findings) {
        check(sourceOf: credential, field, &findings)
        if let issuer = credential.issuer {
            if let problem = Syntax.problem(withValue: issuer) { findings.refuse("\(field).issuer", problem) }
        } else {
            findings.refuse("\(field).issuer", "Is required: the `iss` of the tokens, exactly.")
        }
        if let problem = credential.subject.flatMap(Syntax.problem(withValue:)) {
            findings.refuse("\(field).subject", problem)
        }
        let audiences = credential.audiences ?? []
        if audiences.count > 100 { findings.refuse("\(field).audiences", "Must have at most 100 entries.") }
        for (index, audience) in audiences.enumerated() {
            if audience.isEmpty {
                findings.refuse("\(field).audiences[\(index)]", "Must not be empty.")
            } else if let problem = Syntax.problem(withValue: audience) {
                findings.refuse("\(field).audiences[\(index)]", problem)
            }
        }
        if audiences.isEmpty {
            findings.warn(
                "\(field).audiences: none is named, so tokens that the issuer made for other services are let in, too.")
        }
        if let skew = credential.clockSkewSeconds, !(0...86_400).contains(skew) {
            findings.refuse("\(field).clockSkewSeconds", "Must be between 0 and 86400 seconds.")
        }
        check(claims: credential.claimsToHeaders ?? [], field, &findings)
        check(keys: credential.jwks, "\(field).jwks", &findings)
    }

    private func check(claims: [Console.ClaimHeader], _ field: String, _ findings: inout Findings) {
        if claims.count > Self.mostClaims {
            findings.refuse("\(field).claimsToHeaders", "Must have at most \(Self.mostClaims) entries.")
        }
        var headers: Set<String> = []
        for (index, each) in claims.enumerated() {
            let place = "\(field).claimsToHeaders[\(index)]"
            if each.claim.isEmpty || each.claim.utf8.count > 256 {
                findings.refuse("\(place).claim", "Must be the name of a claim, of at most 256 bytes.")
            }
            if !Syntax.isToken(each.header) {
                findings.refuse("\(place).header", "Must be a header name.")
            } else if !headers.insert(each.header).inserted {
                findings.refuse("\(place).header", "Stands in the list twice.")
            }
        }
    }

    private func check(keys set: Console.KeySet?, _ field: String, _ findings: inout Findings) {
        guard let set, !set.keys.isEmpty else {
            findings.refuse(field, "A JWK Set with at least one key is required.")
            return
        }
        if set.keys.count > Self.mostKeys {
            findings.refuse("\(field).keys", "Must have at most \(Self.mostKeys) entries.")
            return
        }
        var named: Set<[String?]> = []
        let signing = set.signing
        for (index, key) in set.keys.enumerated() {
            let place = "\(field).keys[\(index)]"
            if !signing.contains(where: { $0.index == index }) {
                if !key.privateMembers.isEmpty { key.check(place, &findings) }
                findings.warn("\(place): is not for signatures (use, key_ops) and is left out of use.")
                continue
            }
            key.check(place, &findings)
            if key.kid != nil, !named.insert([key.kid, key.kty]).inserted {
                findings.refuse("\(place).kid", "Stands in the set twice.")
            }
        }
        if signing.isEmpty { findings.refuse("\(field).keys", "None of them is for signatures.") }
    }
}
