// The whole configuration as one document: what an export gives and an apply takes.

extension Console {
    /// Resources by kind. A kind that is left out is not spoken of.
    package struct ConfigurationDocument: Codable, Hashable, Sendable {
        package static let currentFormat = "causeway.configuration/1"
        package static let mostResources = 1_000_000

        @JSONField package var format: String? = nil
        /// The version that was exported; says nothing on the way in.
        @JSONField package var version: String? = nil
        @JSONField package var tlsCertificates: [Certificate]? = nil
        @JSONField package var proxyServers: [ProxyServer]? = nil
        @JSONField package var serviceSources: [ServiceSource]? = nil
        @JSONField package var consumers: [Consumer]? = nil
        @JSONField package var listeners: [Listener]? = nil
        @JSONField package var domains: [Domain]? = nil
        @JSONField package var routes: [Route]? = nil
        /// Private keys and credentials under a passphrase (`Secrets`).
        @JSONField package var sealed: String? = nil
        /// Opens `sealed`; only on the way in.
        @JSONField package var passphrase: Concealed<String>? = nil

        package init() {}

        package static let purpose = "causeway.configuration/1"

        /// What `sealed` holds, by name.
        package struct Secrets: Codable, Sendable {
            package var keys: [String: String] = [:]
            package var credentials: [String: [Credential]] = [:]
            package var properties: [String: [String: JSONValue]] = [:]

            package init() {}
        }

        package func check() -> Findings {
            var findings = Findings()
            if let format, format != Self.currentFormat {
                findings.refuse("format", "Must be \(Self.currentFormat).")
            }
            if sealed != nil, (passphrase?.value ?? "").isEmpty {
                findings.refuse("passphrase", "Is needed to open sealed; leave both out to keep the stored secrets.")
            }
            refuseTwins("tlsCertificates", tlsCertificates?.map(\.name), &findings)
            refuseTwins("proxyServers", proxyServers?.map(\.name), &findings)
            refuseTwins("serviceSources", serviceSources?.map(\.name), &findings)
            refuseTwins("consumers", consumers?.map(\.name), &findings)
            refuseTwins("listeners", listeners?.map(\.name), &findings)
            refuseTwins("domains", domains?.map(\.name), &findings)
            refuseTwins("routes", routes?.map(\.name), &findings)
            return findings
        }

        private func refuseTwins(_ field: String, _ names: [String]?, _ findings: inout Findings) {
            var seen: Set<String> = []
            for (index, name) in (names ?? []).enumerated() where !seen.insert(name).inserted {
                findings.refuse("\(field)[\(index)].name", "\(name) stands twice.")
            }
        }
    }

    /// What an export with secrets is asked for by.
    package struct ExportRequest: Codable, Hashable, Sendable {
        @JSONField package var passphrase: Concealed<String>? = nil

        package init() {}

        package func check() -> Findings {
            var findings = Findings()
            Passphrase.check(passphrase?.value ?? "", &findings)
            return findings
        }
    }

    /// What a backup is asked for by. Without a passphrase it does not hold the key of its secrets.
    package struct BackupRequest: Codable, Hashable, Sendable {
        @JSONField package var passphrase: Concealed<String>? = nil

        package init() {}

        package func check() -> Findings {
            var findings = Findings()
            if let passphrase { Passphrase.check(passphrase.value, &findings) }
            return findings
        }
    }

    private enum Passphrase {
        static let shortest = 12
        static let longest = 1_024

        static func check(_ text: String, _ findings: inout Findings) {
            if text.isEmpty {
                findings.refuse("passphrase", "Is required.")
            } else if text.count < shortest {
                findings.refuse(
                    "passphrase", "Must have at least \(shortest) characters: the file may be tried without end.")
            } else if text.utf8.count > longest {
                findings.refuse("passphrase", "Must have at most \(longest) bytes.")
            }
        }
    }
}

extension Findings {
    /// The errors of a part of a document, under its place.
    package mutating func add(_ other: Findings, at place: String) {
        for error in other.errors { refuse(error.field.isEmpty ? place : "\(place).\(error.field)", error.message) }
        for warning in other.warnings { warn("\(place): \(warning)") }
    }
}
