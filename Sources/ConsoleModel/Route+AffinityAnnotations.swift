// The annotations that keep sessions by a cookie of the gateway.

extension RouteAnnotations {
    package struct Affinity: Hashable, Sendable {
        package var cookie: String
        package var path: String
        /// Seconds; `nil`: as long as the client runs.
        package var maxAge: Int?
        package var expires: Int?
        package var isPersistent: Bool
        package var coversCanaries: Bool
    }

    /// What each of these may hold; nil: nothing is wrong. Names that are not here belong to others.
    static func affinityProblem(_ name: Substring, _ value: String) -> String?? {
        switch name {
        case "affinity": return .some(value == "cookie" ? nil : "Must be cookie.")
        case "affinity-mode":
            return .some(["balanced", "persistent"].contains(value) ? nil : "Must be balanced or persistent.")
        case "affinity-canary-behavior":
            return .some(["sticky", "legacy"].contains(value) ? nil : "Must be sticky or legacy.")
        case "session-cookie-name":
            return .some(
                Syntax.isToken(value) && value.utf8.count <= Syntax.longestName ? nil : "Must be the name of a cookie.")
        case "session-cookie-path":
            let isPath = value.hasPrefix("/") && isPlain(value) && !value.contains(";")
            return .some(isPath ? nil : "Must be a path that begins with '/'.")
        case "session-cookie-max-age", "session-cookie-expires":
            return .some(seconds(value) == nil ? "Must be a number of seconds, at least 0." : nil)
        default: return nil
        }
    }

    static let affinityNames = [
        "affinity-mode", "affinity-canary-behavior", "session-cookie-name", "session-cookie-path",
        "session-cookie-max-age", "session-cookie-expires",
    ]

    fileprivate static func seconds(_ value: String) -> Int? {
        Int(value).flatMap { (0...Int(Int32.max)).contains($0) ? $0 : nil }
    }
}

extension Console.Route {
    /// How a checked route keeps sessions, if it does.
    package var affinity: RouteAnnotations.Affinity? {
        guard !customConfigs.isEmpty, annotation("affinity") == "cookie" else { return nil }
        // 0 means "not set", as in ingress-nginx and Higress.
        func seconds(_ name: String) -> Int? {
            annotation(name).flatMap(RouteAnnotations.seconds).flatMap { $0 == 0 ? nil : $0 }
        }
        return RouteAnnotations.Affinity(
            cookie: annotation("session-cookie-name") ?? "INGRESSCOOKIE",
            path: annotation("session-cookie-path") ?? "/",
            maxAge: seconds("session-cookie-max-age"), expires: seconds("session-cookie-expires"),
            isPersistent: annotation("affinity-mode") == "persistent",
            coversCanaries: annotation("affinity-canary-behavior") != "legacy")
    }
}
