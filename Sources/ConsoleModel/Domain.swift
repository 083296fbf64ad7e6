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
        /// How TLS is spoken; `null`: 1.2 and 1.3 with the library's own cipher suites.
        @JSONField package var tls: TLS? = nil

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

        /// Versions and cipher suites.
        package struct TLS: Codable, Hashable, Sendable {
            /// `1.2` or `1.3`.
            @JSONField package var minVersion: String? = nil
            @JSONField package var maxVersion: String? = nil
            /// Of TLS 1.2, by OpenSSL's names, in the order of preference.
            @JSONField package var cipherSuites: [String]? = nil

            package init() {}

            package static let versions = ["1.2", "1.3"]

            /// `TLSv1.3` is the same as `1.3`.
            static func plain(_ version: String?) -> String? {
                guard let version, !version.isEmpty else { return nil }
                return version.lowercased().hasPrefix("tlsv") ? String(version.dropFirst(4)) : version
            }

            var saysNothing: Bool { minVersion == nil && maxVersion == nil && cipherSuites == nil }
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
            if var settings = tls {
                settings.minVersion = TLS.plain(settings.minVersion)
                settings.maxVersion = TLS.plain(settings.maxVersion)
                if settings.cipherSuites?.isEmpty == true { settings.cipherSuites = nil }
                tls = settings.saysNothing ? nil : settings
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
            checkTLS(mode, &findings)
            return findings
        }

        private func checkTLS(_ https: HTTPS, _ findings: inout Findings) {
            guard let tls else { return }
            for (field, version) in [("tls.minVersion", tls.minVersion), ("tls.maxVersion", tls.maxVersion)] {
                if let version, !TLS.versions.contains(version) { findings.refuse(field, "Must be 1.2 or 1.3.") }
            }
            if tls.minVersion == "1.3", tls.maxVersion == "1.2" {
                findings.refuse("tls.maxVersion", "Must not be below tls.minVersion.")
            }
            if tls.cipherSuites != nil, tls.minVersion == "1.3" {
                findings.warn("tls.cipherSuites: are those of TLS 1.2, which is not spoken; they have no effect.")
            }
            if (tls.cipherSuites?.count ?? 0) > 100 {
                findings.refuse("tls.cipherSuites", "Must have at most 100 entries.")
            }
            for (index, suite) in (tls.cipherSuites ?? []).enumerated() where !Syntax.isToken(suite) {
                findings.refuse("tls.cipherSuites[\(index)]", "Must be the name of a cipher suite.")
            }
            if https == .off { findings.warn("tls: has no effect while enableHttps is off.") }
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
