// The annotations that say where requests go besides to a route's own services: canaries (routes that take a part of another
// one's requests), copies, a default back end; and the one that makes a pattern match whole paths. Where both prefixes are given
// the nginx form counts, as in Higress.

extension RouteAnnotations {
    /// Which of another route's requests a canary takes. A header goes before a cookie, both before a weight.
    package enum Canary: Hashable, Sendable {
        case header(Console.KeyedPredicate)
        /// So many of `total`.
        case weight(Int, total: Int)
    }

    /// What each of these annotations may hold; nil: nothing is wrong. Names that are not here belong to others.
    static func trafficProblem(_ name: Substring, isNginx: Bool, _ value: String) -> String?? {
        switch (name, isNginx) {
        case ("canary", _), ("full-path-regex", false):
            return .some(value == "true" || value == "false" ? nil : "Must be true or false.")
        case ("canary-by-header", _), ("canary-by-cookie", _):
            return .some(Syntax.isToken(value) ? nil : "Must be a name.")
        case ("canary-by-header-value", _), ("canary-by-header-pattern", _):
            return .some(!value.isEmpty && Syntax.isPrintableASCII(value) ? nil : "Must be printable ASCII.")
        case ("canary-weight", _):
            return .some(number(value, from: 0) == nil ? "Must be a whole number, at least 0." : nil)
        case ("canary-weight-total", _):
            return .some(number(value, from: 1) == nil ? "Must be a whole number, at least 1." : nil)
        case ("mirror-target-service", _), ("mirror-target-fqdn", _), ("default-backend", _):
            return .some(
                service(value).isEmpty ? "Must be the name of a service, as in shadow.static." : nil)
        case ("custom-http-errors", _):
            return .some(
                errorStatuses(value) == nil ? "Must be statuses from 400 to 599, separated by commas: 404,503." : nil)
        case ("mirror-percentage", _):
            return .some(number(value, from: 0) == nil ? "Must be a whole number of percent." : nil)
        default:
            return nil
        }
    }

    fileprivate static func number(_ value: String, from least: Int) -> Int? {
        Int(value).flatMap { (least...Console.Route.largestWeight).contains($0) ? $0 : nil }
    }

    /// In ascending order; nil: not such a list.
    fileprivate static func errorStatuses(_ value: String) -> [Int]? {
        let parts = value.split(separator: ",").map { Int($0.filter { $0 != " " }) }
        let statuses = parts.compactMap(\.self).filter { (400...599).contains($0) }
        return statuses.isEmpty || statuses.count < parts.count ? nil : Set(statuses).sorted()
    }

    /// `[namespace/]service[:port]` without what a service here has not.
    fileprivate static func service(_ value: String) -> String {
        let name = value.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        return String(name.prefix { $0 != ":" })
    }
}

extension Console.Route {
    /// What makes this route a canary, if it is one.
    package var canary: RouteAnnotations.Canary? {
        guard !customConfigs.isEmpty, annotation("canary") == "true" else { return nil }
        if let header = annotation("canary-by-header") {
            if let value = annotation("canary-by-header-value") {
                return .header(.init(key: header, .equal, value))
            }
            if let pattern = annotation("canary-by-header-pattern") {
                // In Higress the value may go on behind what the pattern matches; conditions match to the end.
                return .header(.init(key: header, .regular, "(?:\(pattern)).*"))
            }
            return .header(.init(key: header, .equal, "always"))
        }
        if let cookie = annotation("canary-by-cookie") {
            let name = cookie.map { $0.isLetter || $0.isNumber ? String($0) : "\\\($0)" }.joined()
            return .header(.init(key: "cookie", .regular, "(?:.*;)?[ ]*\(name)=always(?:;.*)?$"))
        }
        let total = annotation("canary-weight-total").flatMap { RouteAnnotations.number($0, from: 1) } ?? 100
        let weight = annotation("canary-weight").flatMap { RouteAnnotations.number($0, from: 0) } ?? 0
        return .weight(min(weight, total), total: total)
    }

    /// Which requests the route is for, however they are written down: a canary's are those of the route that it stands beside.
    package struct Conditions: Hashable, Sendable {
        fileprivate let domains: Set<String>
        fileprivate let path: Console.PathPredicate?
        fileprivate let methods: Set<String>
        fileprivate let headers: Set<Console.KeyedPredicate>
        fileprivate let urlParams: Set<Console.KeyedPredicate>
    }

    package var conditions: Conditions {
        var path = effectivePath
        let isSensitive = path?.caseSensitive ?? true
        path?.caseSensitive = isSensitive
        func plain(_ predicates: [Console.KeyedPredicate]?, folded: Bool) -> Set<Console.KeyedPredicate> {
            Set(
                (predicates ?? []).map {
                    var predicate = $0
                    if folded { predicate.key = predicate.key.lowercased() }
                    predicate.caseSensitive = nil
                    return predicate
                })
        }
        return Conditions(
            domains: Set(domains), path: path, methods: Set(methods ?? []), headers: plain(headers, folded: true),
            urlParams: plain(urlParams, folded: false))
    }

    /// Routes of the same conditions have the same.
    package var firstDomain: String { domains.min() ?? Console.Domain.anyHost }

    /// The path of a checked route: with `full-path-regex` a pattern must match to the path's end.
    package var effectivePath: Console.PathPredicate? {
        guard var path, path.kind == .regular, annotation("full-path-regex", nginx: false) == "true" else {
            return self.path
        }
        path.matchValue = "(?:\(path.matchValue))$"
        return path
    }

    /// The copies that a checked route asks for: the field wins over the annotations, a name in full over a short one.
    package var effectiveMirror: Console.Mirror? {
        if let mirror { return mirror.enabled ?? true ? mirror : nil }
        guard let target = annotation("mirror-target-fqdn") ?? annotation("mirror-target-service") else { return nil }
        let share = annotation("mirror-percentage").flatMap { RouteAnnotations.number($0, from: 0) } ?? 100
        guard share > 0 else { return nil }
        var result = Console.Mirror()
        result.service = RouteAnnotations.service(target)
        result.percentage = Double(min(100, share))
        return result
    }

    /// The service that takes the route's requests while its own has no address.
    package var fallbackService: String? { annotation("default-backend").map(RouteAnnotations.service) }

    /// Statuses in place of which that service answers, in ascending order.
    package var errorStatuses: [Int] {
        fallbackService == nil ? [] : annotation("custom-http-errors").flatMap(RouteAnnotations.errorStatuses) ?? []
    }

    func checkTrafficAnnotations(_ findings: inout Findings) {
        if annotation("full-path-regex", nginx: false) == "true", path?.kind != .regular {
            findings.warn("customConfigs[higress.io/full-path-regex]: has a meaning only with the match type REGULAR.")
        }
        if affinity == nil {
            for name in RouteAnnotations.affinityNames where annotation(name) != nil {
                findings.warn("\(field(of: name)): has no effect without affinity.")
            }
        }
        let rules = ["canary-by-header", "canary-by-cookie", "canary-weight"].filter { annotation($0) != nil }
        if canary == nil {
            for rule in rules { findings.warn("\(field(of: rule)): has no effect without canary.") }
        } else {
            for rule in rules.dropFirst() { findings.warn("\(field(of: rule)): has no effect beside \(rules[0]).") }
        }
        if fallbackService == nil, annotation("custom-http-errors") != nil {
            findings.warn(
                "\(field(of: "custom-http-errors")): has no effect without default-backend, which answers then.")
        }
        if annotation("proxy-http-version") != nil,
            explicitProtocol != nil || annotations.backendProtocol?.isGRPC == true
        {
            findings.warn("\(field(of: "proxy-http-version")): has no effect beside the route's protocol.")
        }
        if annotation("mirror-target-fqdn-port") != nil {
            findings.warn("\(field(of: "mirror-target-fqdn-port")): has no effect; the port is that of the service.")
        }
    }

    /// Patterns in annotations, with the keys that hold them.
    var annotatedExpressions: [(field: String, pattern: String, caseSensitive: Bool)] {
        annotation("canary-by-header-pattern").map { [(field(of: "canary-by-header-pattern"), $0, true)] } ?? []
    }

    /// The key that counts of the two that an annotation may have.
    private func field(of name: String) -> String {
        let nginx = "\(RouteAnnotations.nginx)\(name)"
        return "customConfigs[\(customConfigs[nginx] != nil ? nginx : "\(RouteAnnotations.higress)\(name)")]"
    }
}
