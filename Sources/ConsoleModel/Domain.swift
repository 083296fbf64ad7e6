// A domain of the console: a host name (or wildcard) with its HTTPS mode and certificate.

extension Console {
    /// What the console calls a domain; the compiler makes a virtual host of it.
    package struct Domain: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        /// Number of the version that last wrote it; given on PUT it must be the current one.
        @JSONField package var version: String? = nil
        /// `off`, `on` or `force`.
        @JSONField package var enableHttps: String? = nil
        /// Name of a certificate.
        @JSONField package var certIdentifier: String? = nil

        package init(name: String = "", enableHttps: String? = nil, certIdentifier: String? = nil) {
            self.name = name
            self.enableHttps = enableHttps
            self.certIdentifier = certIdentifier
        }

        /// The name that stands for any host.
        package static let anyHost = "higress-default-domain"

        package enum HTTPS: String, Sendable, CaseIterable {
            case off, on, force
        }

        /// The mode of a checked domain.
        package var https: HTTPS { enableHttps.flatMap(HTTPS.init(rawValue:)) ?? .off }

        /// Fills in defaults, so that two ways of saying the same are stored alike.
        package mutating func normalize() {
            enableHttps = enableHttps.map { $0.lowercased() } ?? HTTPS.off.rawValue
            if certIdentifier?.isEmpty == true { certIdentifier = nil }
        }

        /// The rules that need nothing but the domain itself; call `normalize` first.
        package func check() -> Findings {
            var findings = Findings()
            if name == "*" {
                findings.refuse("name", "For any host use the name \(Self.anyHost).")
            } else if let problem = Syntax.problem(withHost: name, wildcard: true) {
                findings.refuse("name", problem)
            }
            guard let mode = HTTPS(rawValue: enableHttps ?? "") else {
                findings.refuse("enableHttps", "Must be one of off, on, force.")
                return findings
            }
            if mode != .off && certIdentifier == nil {
                findings.refuse("certIdentifier", "A certificate is required when enableHttps is \(mode.rawValue).")
            }
            return findings
        }
    }
}
