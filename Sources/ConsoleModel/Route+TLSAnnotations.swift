// The annotations of a route that say how its domains speak TLS: they stand for fields of the domain that it does not give itself.

extension RouteAnnotations {
    static let tlsNames = ["ssl-cipher", "tls-min-protocol-version", "tls-max-protocol-version"]

    private static let tlsVersions = ["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

    /// Names of cipher suites: Higress splits at colons, its users write commas.
    static func cipherSuites(_ value: String) -> [String] {
        value.split { ":, ".contains($0) }.map(String.init)
    }

    static func checkTLS(_ name: Substring, _ value: String, _ field: String, _ findings: inout Findings) {
        if name == "ssl-cipher" {
            let suites = cipherSuites(value)
            if suites.isEmpty || suites.count > 100 || !suites.allSatisfy(Syntax.isToken) {
                findings.refuse(field, "Must be 1 to 100 names of cipher suites with ':' between them.")
            }
        } else if !tlsVersions.contains(value) {
            findings.refuse(field, "Must be one of \(tlsVersions.joined(separator: ", ")).")
        } else if !Console.Domain.TLS.versions.contains(String(value.dropFirst(4))) {
            findings.warn("\(field): has no effect; TLS 1.2 is the least that is spoken.")
        }
    }
}

extension Console.Route {
    /// The names of its domains; that of any host where it names none.
    package var servedDomains: [String] { domains.isEmpty ? [Console.Domain.anyHost] : domains }

    /// What its annotations say of TLS at its domains; `nil`: nothing.
    package var annotatedTLS: Console.Domain.TLS? {
        // Most have none at all.
        if customConfigs.isEmpty { return nil }
        func version(_ name: String) -> String? {
            annotation(name).map { String($0.dropFirst(4)) }.flatMap {
                Console.Domain.TLS.versions.contains($0) ? $0 : nil
            }
        }
        var tls = Console.Domain.TLS()
        tls.minVersion = version("tls-min-protocol-version")
        tls.maxVersion = version("tls-max-protocol-version")
        if tls.minVersion == "1.3", tls.maxVersion == "1.2" { tls.maxVersion = nil }
        tls.cipherSuites = annotation("ssl-cipher").map(RouteAnnotations.cipherSuites)
        return tls.saysNothing ? nil : tls
    }

    /// The key that names the cipher suites.
    package var cipherAnnotation: String? {
        [RouteAnnotations.nginx, RouteAnnotations.higress].map { "\($0)ssl-cipher" }.first { customConfigs[$0] != nil }
    }
}
