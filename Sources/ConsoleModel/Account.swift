// People who use the console: accounts, logins and the first-run set-up, as the API speaks of them.

extension Console {
    /// An account as answers show it; `password` is always `null`.
    package struct User: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var displayName: String? = nil
        @JSONField package var password: Concealed<String>? = nil
        @JSONField package var avatarUrl: String? = nil

        package init() {}

    }

    /// What an account may do; each role may do what the one before it may.
    package enum Role: String, Codable, Hashable, Sendable, CaseIterable, Comparable {
        case viewer, editor, admin

        package static func < (a: Role, b: Role) -> Bool { a.rank < b.rank }

        private var rank: Int {
            switch self {
            case .viewer: 0
            case .editor: 1
            case .admin: 2
            }
        }

        /// What is wrong with the name of a role, in words.
        static func check(_ name: String?, field: String, _ findings: inout Findings) {
            if (name ?? "").isEmpty {
                findings.refuse(field, "Is required: admin, editor or viewer.")
            } else if Role(rawValue: name ?? "") == nil {
                findings.refuse(field, "Must be admin, editor or viewer.")
            }
        }
    }

    /// An account as administrators see and edit it. `password` only comes in, when the account is made.
    package struct Account: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var displayName: String? = nil
        @JSONField package var password: Concealed<String>? = nil
        @JSONField package var avatarUrl: String? = nil
        @JSONField package var role: String? = nil
        /// Read-only, RFC 3339 in UTC.
        @JSONField package var createdAt: String? = nil
        @JSONField package var passwordChangedAt: String? = nil

        package init() {}

        package func check(creating: Bool) -> Findings {
            var findings = Findings()
            User.check(name: name, field: "name", &findings)
            if let displayName, let problem = Syntax.problem(withValue: displayName) {
                findings.refuse("displayName", problem)
            }
            if creating {
                User.check(password: password, field: "password", &findings)
                Role.check(role, field: "role", &findings)
            } else {
                if role != nil { Role.check(role, field: "role", &findings) }
                if password != nil {
                    findings.warn("password: is not changed here, but by POST to the account's /password.")
                }
            }
            return findings
        }
    }

    /// A new password that an administrator gives somebody.
    package struct PasswordReset: Codable, Hashable, Sendable {
        @JSONField package var newPassword: Concealed<String>? = nil

        package func check() -> Findings {
            var findings = Findings()
            User.check(password: newPassword, field: "newPassword", &findings)
            return findings
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

extension Console {
    /// The rules of a password that comes in by another way than the API.
    package static func check(newPassword: String) -> Findings {
        var findings = Findings()
        User.check(password: Concealed(newPassword), field: "password", &findings)
        return findings
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
