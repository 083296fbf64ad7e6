// People who use the console: accounts, logins and the first-run set-up, as the API speaks of them.

extension Console {
    /// An account as answers show it; `password` is always `null`.
    package struct User: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var displayName: String? = nil
        @JSONField package var password: Concealed<String>? = nil
        @JSONField package var avatarUrl: String? = nil

        package init() {}

        package init(name: String, displayName: String?, avatarUrl: String? = nil) {
            self.name = name
            self.displayName = displayName
            self.avatarUrl = avatarUrl
        }
    }

    package struct LoginRequest: Codable, Hashable, Sendable {
        @JSONField package var username = ""
        @JSONField package var password: Concealed<String>? = nil
        @JSONField package var autoLogin: Bool? = nil

        package func check() -> Findings {
            var findings = Findings()
            if username.isEmpty { findings.refuse("username", "Is required.") }
            if (password?.value ?? "").isEmpty { findings.refuse("password", "Is required.") }
            return findings
        }
    }

    package struct ChangePasswordRequest: Codable, Hashable, Sendable {
        @JSONField package var oldPassword: Concealed<String>? = nil
        @JSONField package var newPassword: Concealed<String>? = nil

        package func check() -> Findings {
            var findings = Findings()
            if (oldPassword?.value ?? "").isEmpty { findings.refuse("oldPassword", "Is required.") }
            User.check(password: newPassword, field: "newPassword", &findings)
            return findings
        }
    }

    package struct InitRequest: Codable, Hashable, Sendable {
        @JSONField package var adminUser: User? = nil
        @JSONField package var configs: [String: JSONValue]? = nil
        /// The one-time code printed at start; needed from elsewhere than loopback.
        @JSONField package var setupCode: Concealed<String>? = nil

        package func check() -> Findings {
            var findings = Findings()
            guard let user = adminUser else {
                findings.refuse("adminUser", "Is required.")
                return findings
            }
            User.check(name: user.name, field: "adminUser.name", &findings)
            if (user.displayName ?? "").isEmpty {
                findings.refuse("adminUser.displayName", "Is required.")
            } else if let problem = Syntax.problem(withText: user.displayName ?? "") {
                findings.refuse("adminUser.displayName", problem)
            }
            User.check(password: user.password, field: "adminUser.password", &findings)
            return findings
        }
    }
}

extension Console.User {
    static let longestName = 64
    /// scrypt's cost does not grow with the length, but a body of megabytes is no password.
    static let longestPassword = 1_024
    static let shortPassword = 8

    static func check(name: String, field: String, _ findings: inout Findings) {
        if name.isEmpty {
            findings.refuse(field, "Is required.")
        } else if let problem = Syntax.problem(withText: name) {
            findings.refuse(field, problem)
        } else if name.contains(":") {
            findings.refuse(field, "Must not contain ':', which ends the name in HTTP Basic.")
        } else if name.count > longestName {
            findings.refuse(field, "Must have at most \(longestName) characters.")
        } else if name.first == " " || name.last == " " {
            findings.refuse(field, "Must not begin or end with a blank.")
        }
    }

    static func check(password: Concealed<String>?, field: String, _ findings: inout Findings) {
        let password = password?.value ?? ""
        if password.isEmpty {
            findings.refuse(field, "Is required.")
        } else if password.utf8.count > longestPassword {
            findings.refuse(field, "Must have at most \(longestPassword) bytes.")
        } else if password.count < shortPassword {
            findings.warn("\(field): a password of fewer than \(shortPassword) characters is easily guessed.")
        }
    }
}
