// Tokens of the API, as the API speaks of them.

extension Console {
    /// A bearer token. `token` is in the answer that makes it, and never again.
    package struct Token: Codable, Hashable, Sendable {
        @JSONField package var id: String? = nil
        /// Whose it is; read-only.
        @JSONField package var user: String? = nil
        @JSONField package var name = ""
        @JSONField package var role: String? = nil
        /// The kinds of resources that it may be used for; `null`: all.
        @JSONField package var kinds: [String]? = nil
        /// RFC 3339; `null`: never.
        @JSONField package var expiresAt: String? = nil
        /// Read-only, RFC 3339 in UTC.
        @JSONField package var createdAt: String? = nil
        @JSONField package var lastUsedAt: String? = nil
        @JSONField package var lastAddress: String? = nil
        @JSONField package var expired: Bool? = nil
        @JSONField package var token: String? = nil

        package init() {}

        package static let longestName = 64

        /// The rules that need neither clock nor account.
        package func check(knownKinds: Set<String>) -> Findings {
            var findings = Findings()
            if let problem = Syntax.problem(withName: name) {
                findings.refuse("name", problem)
            } else if name.count > Self.longestName {
                findings.refuse("name", "Must have at most \(Self.longestName) characters.")
            }
            Role.check(role, field: "role", &findings)
            if let kinds, kinds.isEmpty {
                findings.refuse("kinds", "Must name at least one kind; null stands for all.")
            }
            for (index, kind) in (kinds ?? []).enumerated() where !knownKinds.contains(kind) {
                findings.refuse("kinds[\(index)]", "Must be one of \(knownKinds.sorted().joined(separator: ", ")).")
            }
            if expiresAt == nil {
                findings.warn("expiresAt: this token never expires; revoke it when it is not needed.")
            }
            return findings
        }
    }
}
