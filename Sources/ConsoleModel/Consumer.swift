// Consumers: who may use routes that ask for credentials. What a consumer shows is a secret: it goes in and never comes out.

extension Console {
    /// Somebody with credentials, which routes name in their `authConfig`.
    package struct Consumer: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var version: String? = nil
        @JSONField package var credentials: [Credential] = []

        package init() {}
    }

    package struct Credential: Codable, Hashable, Sendable {
        /// `key-auth`, `basic-auth` or `jwt`.
        @JSONField package var type = ""
        /// key-auth and jwt: `BEARER`, `HEADER` or `QUERY`.
        @JSONField package var source: String? = nil
        /// Name of the header or query parameter.
        @JSONField package var key: String? = nil
        /// key-auth: the values that are accepted. Write-only.
        @JSONField package var values: Concealed<[String]>? = nil
        /// basic-auth.
        @JSONField package var username: String? = nil
        /// basic-auth. Write-only.
        @JSONField package var password: Concealed<String>? = nil
        /// jwt: `iss`, exactly.
        @JSONField package var issuer: String? = nil
        /// jwt: `sub`, exactly; none: any.
        @JSONField package var subject: String? = nil
        /// jwt: one of them must be in `aud`; none: it does not count.
        @JSONField package var audiences: [String]? = nil
        /// jwt: the issuer's keys. Members that are secrets are write-only.
        @JSONField package var jwks: KeySet? = nil
        /// jwt: by how much the issuer's clock may differ.
        @JSONField package var clockSkewSeconds: Int? = nil
        /// jwt: claims that the service is told.
        @JSONField package var claimsToHeaders: [ClaimHeader]? = nil
        /// jwt: whether the service sees the token.
        @JSONField package var keepToken: Bool? = nil

        package init() {}

        package enum Kind: String, Sendable, CaseIterable {
            case key = "key-auth"
            case basic = "basic-auth"
            case token = "jwt"
        }

        package enum Source: String, Sendable, CaseIterable {
            case bearer = "BEARER"
            case header = "HEADER"
            case query = "QUERY"
        }

        package var kind: Kind? { Kind(rawValue: type) }

        /// What identifies a credential beside its secret.
        fileprivate var place: String {
            [type, source ?? "", (key ?? "").lowercased(), username ?? "", issuer ?? "", subject ?? ""]
                .joined(separator: "\u{1f}")
        }
    }

    package struct ClaimHeader: Codable, Hashable, Sendable {
        @JSONField package var claim = ""
        @JSONField package var header = ""

        package init() {}
    }
}

extension Console.Consumer {
    package mutating func normalize() {
        for index in credentials.indices {
            if let source = credentials[index].source { credentials[index].source = source.uppercased() }
            if credentials[index].kind == .token { credentials[index].normalizeToken() }
            if credentials[index].source == Console.Credential.Source.header.rawValue {
                credentials[index].key = credentials[index].key?.lowercased()
            }
            if credentials[index].values?.value.isEmpty == true { credentials[index].values = nil }
            if credentials[index].password?.value.isEmpty == true { credentials[index].password = nil }
        }
    }

    /// Without its secrets, as answers show it.
    package var shown: Console.Consumer {
        var result = self
        for index in result.credentials.indices {
            result.credentials[index].values = nil
            result.credentials[index].password = nil
            result.credentials[index].jwks?.dropSecrets()
        }
        return result
    }

    /// A credential that comes without a secret keeps the stored one of the same place.
    package func keepingSecrets(of stored: Console.Consumer) -> Console.Consumer {
        var result = self
        for index in result.credentials.indices {
            let place = result.credentials[index].place
            guard let old = stored.credentials.first(where: { $0.place == place }) else { continue }
            if result.credentials[index].values == nil { result.credentials[index].values = old.values }
            if result.credentials[index].password == nil { result.credentials[index].password = old.password }
            if let keys = old.jwks { result.credentials[index].jwks?.keepSecrets(of: keys) }
        }
        return result
    }

    /// The rules that need nothing but the consumer itself; call `normalize` first.
    package func check() -> Findings {
        var findings = Findings()
        if let problem = Syntax.problem(withName: name) { findings.refuse("name", problem) }
        if credentials.isEmpty { findings.refuse("credentials", "At least one credential is required.") }
        if credentials.count > 100 { findings.refuse("credentials", "Must have at most 100 entries.") }
        var places: Set<String> = []
        for (index, credential) in credentials.enumerated() {
            let field = "credentials[\(index)]"
            if !places.insert(credential.place).inserted {
                findings.refuse(
                    field,
                    credential.kind == .token
                        ? "Stands in the list twice, with the same source, issuer and subject: give all keys in one entry."
                        : "Stands in the list twice: give all values in one entry.")
            }
            switch credential.kind {
            case .key: check(key: credential, field, &findings)
            case .basic: check(basic: credential, field, &findings)
            case .token: check(token: credential, field, &findings)
            case nil:
                let known = Console.Credential.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                findings.refuse("\(field).type", "Must be one of \(known).")
            }
        }
        return findings
    }

    private func check(key credential: Console.Credential, _ field: String, _ findings: inout Findings) {
        check(sourceOf: credential, field, &findings)
        guard let values = credential.values?.value else {
            findings.refuse("\(field).values", "At least one value is required.")
            return
        }
        if values.count > 100 { findings.refuse("\(field).values", "Must have at most 100 entries.") }
        // The value itself is a secret and must not stand in a message.
        for (index, value) in values.enumerated()
        where value.isEmpty || value.utf8.count > Syntax.longestText || !Syntax.isPrintableASCII(value) {
            findings.refuse("\(field).values[\(index)]", "Must be printable ASCII, not empty.")
        }
    }

    func check(sourceOf credential: Console.Credential, _ field: String, _ findings: inout Findings) {
        switch credential.source.flatMap(Console.Credential.Source.init(rawValue:)) {
        case nil:
            let known = Console.Credential.Source.allCases.map(\.rawValue).joined(separator: ", ")
            findings.refuse("\(field).source", "Must be one of \(known).")
        case .bearer: break
        case .header:
            if !Syntax.isToken(credential.key ?? "") { findings.refuse("\(field).key", "Must be a header name.") }
        case .query:
            let key = credential.key ?? ""
            if key.isEmpty || !Syntax.isPrintableASCII(key) {
                findings.refuse("\(field).key", "Must be the name of a query parameter, in printable ASCII.")
            }
        }
    }

    private func check(basic credential: Console.Credential, _ field: String, _ findings: inout Findings) {
        let name = credential.username ?? ""
        if name.isEmpty || name.contains(":") || Syntax.problem(withValue: name) != nil {
            findings.refuse("\(field).username", "Is required, without ':' and control characters.")
        }
        guard let password = credential.password?.value else {
            findings.refuse("\(field).password", "Is required.")
            return
        }
        if Syntax.problem(withValue: password) != nil {
            findings.refuse(
                "\(field).password", "Must be at most \(Syntax.longestText) bytes without control characters.")
        }
    }
}
