// The rules of a service source: those of each type, and which fields mean nothing yet.

extension Console.ServiceSource {
    /// Fills in defaults, so that two ways of saying the same are stored alike.
    package mutating func normalize() {
        if kind == .static, port == nil { port = 80 }
        if kind == .static || kind == .dns {
            domain = addresses.map { $0.hasPrefix("unix:") ? $0 : $0.lowercased() }.joined(separator: ",")
        }
        `protocol` = `protocol`.flatMap { $0.isEmpty ? nil : $0.lowercased() }
        if sni?.isEmpty == true { sni = nil }
        loadBalancing?.normalize()
        normalizeEndpoints()
        healthCheck?.normalize()
        if proxyName?.isEmpty == true { proxyName = nil }
        if tlsCa?.isEmpty == true { tlsCa = nil }
        if tlsClientCertificate?.isEmpty == true { tlsClientCertificate = nil }
    }

    /// The rules that need nothing but the source itself; call `normalize` first.
    package func check() -> Findings {
        var findings = Findings()
        checkName(&findings)
        guard let kind else {
            let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            findings.refuse("type", type.isEmpty ? "Is required: one of \(known)." : "Must be one of \(known).")
            return findings
        }
        switch kind {
        case .static: checkStaticAddresses(&findings)
        case .dns: checkHostNames(&findings)
        case .file: checkPath(&findings)
        default: checkRegistry(kind, &findings)
        }
        checkPort(&findings)
        checkTransport(kind, &findings)
        checkVirtualPorts(&findings)
        loadBalancing?.check("loadBalancing", &findings)
        checkEndpoints(kind, &findings)
        connections?.check(&findings)
        checkHealth(kind, &findings)
        return findings
    }

    private func checkName(_ findings: inout Findings) {
        if name.isEmpty {
            findings.refuse("name", "A name is required.")
        } else if let problem = Syntax.problem(withText: name) {
            findings.refuse("name", problem)
        } else if name.hasSuffix(".internal") {
            findings.refuse("name", "Names that end in .internal are reserved.")
        } else if name.utf8.count > 63 || name.hasPrefix("-") || name.hasSuffix("-")
            || !name.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || isLetterOrDigit($0) })
        {
            findings.refuse(
                "name", "Must be 1 to 63 letters, digits and '-', and neither begin nor end with '-'.")
        }
    }

    private func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private func checkStaticAddresses(_ findings: inout Findings) {
        if let problem = Syntax.problem(withText: domain) { return findings.refuse("domain", problem) }
        if domain.isEmpty {
            return findings.refuse(
                "domain", "Is required: addresses with ports, separated by commas, as in 10.0.0.5:8080.")
        }
        var seen: Set<Console.ServiceEndpoint> = []
        for address in addresses {
            switch Self.endpoint(address) {
            case .success(let endpoint):
                if !seen.insert(endpoint).inserted { findings.refuse("domain", "'\(address)' is listed twice.") }
            case .failure(let problem): findings.refuse("domain", problem.message)
            }
        }
    }

    private func checkHostNames(_ findings: inout Findings) {
        if let problem = Syntax.problem(withText: domain) { return findings.refuse("domain", problem) }
        if domain.isEmpty { return findings.refuse("domain", "Is required: host names, separated by commas.") }
        var seen: Set<String> = []
        for host in addresses {
            if let problem = Syntax.problem(withHost: host, wildcard: false) {
                findings.refuse("domain", "'\(host)': \(problem)")
            } else if !seen.insert(host).inserted {
                findings.refuse("domain", "'\(host)' is listed twice.")
            }
        }
    }

    /// Whether the file is there is the worker's machine's to say.
    private func checkPath(_ findings: inout Findings) {
        if let problem = Syntax.problem(withText: domain) { return findings.refuse("domain", problem) }
        if domain.isEmpty {
            return findings.refuse(
                "domain",
                "Is required: the path of a file on the worker's machine, as in /etc/causeway/endpoints/shop.json.")
        }
        if !domain.hasPrefix("/") || domain.hasSuffix("/") {
            findings.refuse("domain", "Must be the absolute path of a file, as in /etc/causeway/endpoints/shop.json.")
        }
        if domain.utf8.count > Self.longestPath {
            findings.refuse("domain", "Must be a path of at most \(Self.longestPath) bytes.")
        }
    }

    private static let longestPath = 512

    private func checkPort(_ findings: inout Findings) {
        guard let port else { return findings.refuse("port", "Is required.") }
        if !(1...65_535).contains(port) { findings.refuse("port", "Must be between 1 and 65535.") }
    }

    private func checkTransport(_ kind: Kind, _ findings: inout Findings) {
        if let text = `protocol`, BackendProtocol(text: text) == nil {
            let known = BackendProtocol.allCases.map { $0.rawValue.lowercased() }.joined(separator: ", ")
            findings.refuse("protocol", "Must be one of \(known).")
        }
        if let sni, let problem = Syntax.problem(withHost: sni, wildcard: false) { findings.refuse("sni", problem) }
        if tlsCa != nil, !verifiesTLS {
            findings.refuse("tlsCa", "Has no meaning while tlsVerify is false: endpoints are not checked.")
        }
        if kind.isRegistry {
            if tlsCa != nil { findings.refuse("tlsCa", "Only static, dns and file sources can have it.") }
            if tlsClientCertificate != nil {
                findings.refuse("tlsClientCertificate", "Only static, dns and file sources can have it.")
            }
        }
        if proxyName != nil {
            if kind != .static, kind != .dns {
                findings.refuse("proxyName", "Only static and dns sources can have a proxy server.")
            } else if let address = addresses.first(where: { $0.hasPrefix("unix:") || $0.hasPrefix("_") }) {
                findings.refuse(
                    "proxyName", "'\(address)' has no host and port that a proxy server could be asked for.")
            }
        }
        if kind.isRegistry {
            findings.warn("type: the \(kind.rawValue) registry is stored but not yet asked for services.")
        }
        if !kind.isRegistry, authN?.enabled == true {
            findings.warn("authN: has no effect on a source of type \(kind.rawValue).")
        }
    }

    private func checkVirtualPorts(_ findings: inout Findings) {
        guard let vport else { return }
        if let value = vport.defaultValue, !(1...65_535).contains(value) {
            findings.refuse("vport.defaultValue", "Must be between 1 and 65535.")
        }
        var names: Set<String> = []
        for (index, entry) in vport.servicesVport.enumerated() {
            let field = "vport.servicesVport[\(index)]"
            if entry.name.isEmpty { findings.refuse("\(field).name", "Is required.") }
            if !names.insert(entry.name).inserted { findings.refuse("\(field).name", "Is listed twice.") }
            guard let value = entry.value, (1...65_535).contains(value) else {
                findings.refuse("\(field).value", "Must be between 1 and 65535.")
                continue
            }
        }
        findings.warn("vport: has no effect yet; routes reach every endpoint at its own port.")
    }
}
