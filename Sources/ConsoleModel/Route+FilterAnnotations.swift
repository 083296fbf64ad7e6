// The annotations that stand for filters: client addresses, redirects, rate limits. Where both prefixes are given the nginx
// form counts, as in Higress.

extension RouteAnnotations {
    /// An answer with another URL.
    package struct Redirect: Hashable, Sendable {
        package var status: Int
        package var location: String
        /// Only for requests to `/`.
        package var rootOnly: Bool
    }

    package struct RateLimit: Hashable, Sendable {
        package var requests: Int
        /// Milliseconds.
        package var period: Int
        package var burst: Int
        package var perAddress: Bool
    }

    /// What each filter annotation may hold; nil: nothing is wrong. Names that are not here belong to others.
    static func problem(_ name: Substring, isNginx: Bool, _ value: String) -> String?? {
        switch (name, isNginx) {
        case ("whitelist-source-range", _), ("denylist-source-range", _):
            return .some(
                list(value).lazy.compactMap { range in
                    Syntax.isAddressRange(range) ? nil : "'\(range)' is not an address or a range such as 10.0.0.0/8."
                }.first)
        case ("temporal-redirect", _), ("permanent-redirect", _):
            return .some(isURL(value) ? nil : "Must be a URL that begins with http:// or https://.")
        case ("permanent-redirect-code", _):
            return .some(redirectStatus(value) == nil ? "Must be 301, 302, 303, 307 or 308." : nil)
        case ("app-root", _):
            return .some(value.hasPrefix("/") && isPlain(value) ? nil : "Must be a path that begins with '/'.")
        case ("force-ssl-redirect", _):
            return .some(value == "true" || value == "false" ? nil : "Must be true or false.")
        case ("route-limit-rps", false), ("route-limit-rpm", false), ("route-limit-burst-multiplier", false),
            ("limit-rps", _), ("limit-rpm", _), ("limit-burst-multiplier", _), ("limit-connections", _):
            return .some(count(value) == nil ? "Must be a whole number, at least 1." : nil)
        default:
            return nil
        }
    }

    static func list(_ value: String) -> [String] {
        value.split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
    }

    fileprivate static func isURL(_ value: String) -> Bool {
        isPlain(value) && ["http://", "https://"].contains { value.hasPrefix($0) && value.count > $0.count }
    }

    static func isPlain(_ value: String) -> Bool {
        Syntax.isPrintableASCII(value) && !value.contains(" ") && value.utf8.count <= Syntax.longestText
    }

    fileprivate static func redirectStatus(_ value: String) -> Int? {
        Int(value).flatMap { [301, 302, 303, 307, 308].contains($0) ? $0 : nil }
    }

    fileprivate static func count(_ value: String) -> Int? {
        Int(value).flatMap { (1...10_000_000).contains($0) ? $0 : nil }
    }
}

extension Console.Route {
    /// The value of an annotation: the nginx form counts, else that of Higress, of those that are asked for.
    func annotation(_ name: String, nginx: Bool = true, higress: Bool = true) -> String? {
        (nginx ? customConfigs["\(RouteAnnotations.nginx)\(name)"] : nil)
            ?? (higress ? customConfigs["\(RouteAnnotations.higress)\(name)"] : nil)
    }

    /// Ranges of client addresses by annotation.
    package var annotatedAllow: [String] {
        annotation("whitelist-source-range").map(RouteAnnotations.list) ?? []
    }

    package var annotatedDeny: [String] {
        annotation("denylist-source-range").map(RouteAnnotations.list) ?? []
    }

    /// Temporal wins over permanent, both over app-root.
    package var annotatedRedirect: RouteAnnotations.Redirect? {
        if let url = annotation("temporal-redirect") { return .init(status: 302, location: url, rootOnly: false) }
        if let url = annotation("permanent-redirect") {
            let status = annotation("permanent-redirect-code").flatMap(RouteAnnotations.redirectStatus) ?? 301
            return .init(status: status, location: url, rootOnly: false)
        }
        return annotation("app-root").map { .init(status: 302, location: $0, rootOnly: true) }
    }

    package var annotatedHTTPSOnly: Bool { annotation("force-ssl-redirect") == "true" }

    /// `route-limit-*` (of Higress alone) limits the route, `limit-*` each client address; minutes win over seconds.
    package var annotatedRateLimit: RouteAnnotations.RateLimit? {
        for (prefix, perAddress) in [("route-limit", false), ("limit", true)] {
            func number(_ name: String) -> Int? {
                annotation("\(prefix)-\(name)", nginx: perAddress).flatMap(RouteAnnotations.count)
            }
            let minute = number("rpm")
            guard let requests = minute ?? number("rps") else { continue }
            let burst = requests.multipliedReportingOverflow(by: number("burst-multiplier") ?? 5)
            return .init(
                requests: requests, period: minute == nil ? 1_000 : 60_000,
                burst: burst.overflow ? requests : min(burst.partialValue, 1_000_000_000), perAddress: perAddress)
        }
        return nil
    }

    /// Requests at once of each client address: nginx counts those of HTTP/2 as a connection each.
    package var annotatedConcurrencyLimit: Int? { annotation("limit-connections").flatMap(RouteAnnotations.count) }
}

extension String {
    fileprivate var trimmed: String {
        String(drop(while: { $0 == " " }).reversed().drop(while: { $0 == " " }).reversed())
    }
}
