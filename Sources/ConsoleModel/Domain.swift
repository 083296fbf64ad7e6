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
        /// Which clients are let in over TLS; `null`: all.
        @JSONField package var clientAuth: ClientAuth? = nil

        package init(name: String = "", enableHttps: String? = nil, certIdentifier: String? = nil) {
            self.name = name
            self.enableHttps = enableHttps
            self.certIdentifier = certIdentifier
        }

        /// Client certificates (mutual TLS).
        package struct ClientAuth: Codable, Hashable, Sendable {
            /// `required` or `optional`.
            @JSONField package var mode = ""
            /// The authorities that may vouch for clients, in PEM.
            @JSONField package var ca = ""
            /// Intermediate certificates that may stand between a client's certificate and an authority.
            @JSONField package var depth: Int? = nil

            package init() {}

            package enum Mode: String, Sendable, CaseIterable {
                case required, optional
            }

            package static let defaultDepth = 3
            package static let depths = 0...10
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
            if var auth = clientAuth {
                auth.mode = auth.mode.lowercased()
                auth.depth = auth.depth ?? ClientAuth.defaultDepth
                clientAuth = auth
            }
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
            checkClientAuth(mode, &findings)
            return findings
        }

        private func checkClientAuth(_ https: HTTPS, _ findings: inout Findings) {
            guard let clientAuth else { return }
            if ClientAuth.Mode(rawValue: clientAuth.mode) == nil {
                findings.refuse("clientAuth.mode", "Must be one of required, optional.")
            }
            if clientAuth.ca.isEmpty {
                findings.refuse(
                    "clientAuth.ca", "Is required: the authorities that sign clients' certificates, in PEM.")
            }
            if let depth = clientAuth.depth, !ClientAuth.depths.contains(depth) {
                findings.refuse("clientAuth.depth", "Must be between 0 and \(ClientAuth.depths.upperBound).")
            }
            if https == .off {
                findings.refuse(
                    "clientAuth", "Clients show certificates over TLS only: set enableHttps to on or force.")
            } else if https == .on {
                findings.warn(
                    "clientAuth: with enableHttps on, clear-text clients are let in without a certificate; force keeps them out."
                )
            }
        }
    }
}
