// Who may call what: one row for every operation of the API, and nothing is served without one. `scripts/check` holds the
// rows against `x-required-role` and `x-tokens` of docs/openapi.yaml, a unit test against the router, and the matrix of
// tests calls each of them as everybody.

package import ConsoleModel
import HTTPTypes
package import Hummingbird
import Persistence

/// What an operation asks of those who call it.
package struct AccessRule: Hashable, Sendable {
    /// `*`: any method.
    package var method: String
    /// As the router has it, with `{name}` for a part that varies.
    package var path: String
    /// `nil`: anybody may call it, without an account too.
    package var role: Console.Role?
    /// Whether a token may; otherwise only a person with a password. What a token could make itself more rights or a
    /// longer life with is not for tokens.
    package var allowsTokens: Bool

    /// The part of the API that a token can be limited to.
    package var kind: String? {
        let parts = path.split(separator: "/")
        return parts.count > 1 && parts[0] == "v1" ? String(parts[1]) : nil
    }

    private static func open(_ method: String, _ path: String) -> AccessRule {
        AccessRule(method: method, path: path, role: nil, allowsTokens: true)
    }

    private static func viewer(_ method: String, _ path: String, tokens: Bool = true) -> AccessRule {
        AccessRule(method: method, path: path, role: .viewer, allowsTokens: tokens)
    }

    private static func editor(_ method: String, _ path: String, tokens: Bool = true) -> AccessRule {
        AccessRule(method: method, path: path, role: .editor, allowsTokens: tokens)
    }

    private static func admin(_ method: String, _ path: String, tokens: Bool = true) -> AccessRule {
        AccessRule(method: method, path: path, role: .admin, allowsTokens: tokens)
    }

    package static let table: [AccessRule] = [
        .open("GET", "/healthz/ready"),
        .open("*", "/landing"),
        .open("GET", "/openapi.yaml"),
        .open("GET", "/openapi.json"),
        .open("POST", "/system/init"),
        .open("GET", "/system/info"),
        .open("GET", "/system/config"),
        .open("POST", "/session/login"),
        .open("GET", "/session/logout"),

        .viewer("GET", "/metrics"),
        .viewer("GET", "/user/info"),
        .viewer("POST", "/user/changePassword", tokens: false),
        .admin("GET", "/v1/users"),
        .admin("POST", "/v1/users", tokens: false),
        .admin("GET", "/v1/users/{name}"),
        .admin("PUT", "/v1/users/{name}", tokens: false),
        .admin("DELETE", "/v1/users/{name}", tokens: false),
        .admin("POST", "/v1/users/{name}/password", tokens: false),
        .viewer("GET", "/v1/sessions", tokens: false),
        .viewer("DELETE", "/v1/sessions/{id}", tokens: false),
        .viewer("GET", "/v1/tokens", tokens: false),
        .viewer("POST", "/v1/tokens", tokens: false),
        .viewer("DELETE", "/v1/tokens/{id}", tokens: false),
        .viewer("GET", "/v1/settings"),
        .admin("PUT", "/v1/settings/{name}"),
        .admin("DELETE", "/v1/settings/{name}"),
        .admin("GET", "/v1/audit"),
        .admin("GET", "/v1/audit/export"),

        .viewer("GET", "/v1/domains"),
        .editor("POST", "/v1/domains"),
        .viewer("GET", "/v1/domains/{name}"),
        .editor("PUT", "/v1/domains/{name}"),
        .editor("DELETE", "/v1/domains/{name}"),
        .viewer("GET", "/v1/domains/{name}/routes"),
        .viewer("GET", "/v1/tls-certificates"),
        .editor("POST", "/v1/tls-certificates"),
        .viewer("GET", "/v1/tls-certificates/{name}"),
        .editor("PUT", "/v1/tls-certificates/{name}"),
        .editor("DELETE", "/v1/tls-certificates/{name}"),
        .viewer("GET", "/v1/routes"),
        .editor("POST", "/v1/routes"),
        .viewer("GET", "/v1/routes/{name}"),
        .editor("PUT", "/v1/routes/{name}"),
        .editor("DELETE", "/v1/routes/{name}"),
        .viewer("GET", "/v1/consumers"),
        .editor("POST", "/v1/consumers"),
        .viewer("GET", "/v1/consumers/{name}"),
        .editor("PUT", "/v1/consumers/{name}"),
        .editor("DELETE", "/v1/consumers/{name}"),
        .viewer("GET", "/v1/listeners"),
        .admin("POST", "/v1/listeners"),
        .viewer("GET", "/v1/listeners/{name}"),
        .admin("PUT", "/v1/listeners/{name}"),
        .admin("DELETE", "/v1/listeners/{name}"),
        .viewer("GET", "/v1/services"),
        .viewer("GET", "/v1/services/{name}"),
        .viewer("GET", "/v1/service-sources"),
        .editor("POST", "/v1/service-sources"),
        .viewer("GET", "/v1/service-sources/{name}"),
        .editor("PUT", "/v1/service-sources/{name}"),
        .editor("DELETE", "/v1/service-sources/{name}"),
        .viewer("GET", "/v1/proxy-servers"),
        .editor("POST", "/v1/proxy-servers"),
        .viewer("GET", "/v1/proxy-servers/{name}"),
        .editor("PUT", "/v1/proxy-servers/{name}"),
        .editor("DELETE", "/v1/proxy-servers/{name}"),

        .admin("POST", "/v1/backup", tokens: false),
        .admin("POST", "/v1/restore", tokens: false),
        .viewer("GET", "/v1/export"),
        .admin("POST", "/v1/export", tokens: false),
        .editor("POST", "/v1/apply"),
        .editor("POST", "/v1/import/ingress"),
        .viewer("POST", "/v1/route-tester"),
        .viewer("GET", "/v1/route-tester/shadowed"),
        .viewer("GET", "/v1/streams"),
        .editor("DELETE", "/v1/streams/{id}"),
        .viewer("GET", "/v1/stats"),
        .viewer("GET", "/v1/events"),
        .viewer("GET", "/v1/alerts"),
        .viewer("GET", "/v1/alerts/webhook"),
        .admin("POST", "/v1/alerts/webhook/test"),
        .editor("POST", "/v1/try"),
        .editor("GET", "/v1/try/{id}/events"),
        .editor("POST", "/v1/try/{id}/messages"),
        .editor("DELETE", "/v1/try/{id}"),
        .viewer("GET", "/v1/access-log"),
        .viewer("GET", "/v1/access-log/events"),
        .viewer("GET", "/v1/workers"),
        .viewer("GET", "/v1/workers/{id}"),
        .viewer("GET", "/v1/workers/{id}/config"),
        .viewer("GET", "/v1/workers/{id}/log-level"),
        .editor("PUT", "/v1/workers/{id}/log-level"),
        .viewer("GET", "/v1/versions"),
        .viewer("GET", "/v1/versions/{number}"),
        .viewer("GET", "/v1/versions/{number}/diff"),
        .editor("POST", "/v1/versions/{number}/rollback"),
    ]

    /// The kinds that a token may be limited to.
    package static let kinds = Set(table.filter { $0.allowsTokens && $0.role != nil }.compactMap(\.kind))

    private static let byOperation = Dictionary(
        table.map { ("\($0.method) \($0.path)", $0) }, uniquingKeysWith: { first, _ in first })

    /// The rule of a matched endpoint. HEAD is GET without its body.
    package static func rule(_ method: HTTPRequest.Method, _ path: String) -> AccessRule? {
        let method = method == .head ? "GET" : method.rawValue
        return byOperation["\(method) \(path)"] ?? byOperation["* \(path)"]
    }

    /// `nil`: the identity may.
    package func refusal(of identity: Identity) -> Problem? {
        guard let role else { return nil }
        if case .token(let token) = identity.proof {
            if !allowsTokens {
                return .forbidden("No token may do this: log in with a password.")
            }
            // Everybody may ask who he is.
            if let kinds = token.kinds, let kind, !kinds.contains(kind) {
                return .forbidden("The token \(token.name) is limited to \(kinds.joined(separator: ", ")).")
            }
            if identity.role < role, token.role < role {
                return .forbidden(
                    "This needs the role \(role.rawValue); the token \(token.name) has \(token.role.rawValue).")
            }
        }
        if identity.role < role {
            return .forbidden(
                "This needs the role \(role.rawValue); \(identity.account.name) has \(identity.account.role.rawValue).")
        }
        return nil
    }
}

extension Problem {
    static func forbidden(_ message: String) -> Problem { Problem(.forbidden, .forbidden, message) }
}
