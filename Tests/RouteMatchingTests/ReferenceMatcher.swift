// A matcher that is as slow as it is plain: sorts all routes of a host by the written rules and tries one after the other,
// on strings. `RouteTable` must agree with it on anything.

import ConfigModel
import RouteMatching

struct ReferenceMatcher {
    let virtualHosts: [VirtualHost]
    let routes: [Route]

    func route(for head: SampleHead) -> String? {
        for host in hosts(for: head.authority) {
            let members = routes.filter { $0.virtualHosts.contains(host) || (host == "*" && $0.virtualHosts.isEmpty) }
            if let found = members.sorted(by: before).first(where: { takes($0, head) }) { return found.name }
        }
        return nil
    }

    /// Names of virtual hosts; in these tests each has one host and that name.
    private func hosts(for authority: String) -> [String] {
        var name = authority.lowercased()
        if let colon = name.lastIndex(of: ":"), name[colon...].dropFirst().allSatisfy(\.isNumber) {
            name = String(name[..<colon])
        }
        if name.hasSuffix("."), name.count > 1 { name.removeLast() }
        let names = virtualHosts.map(\.name)
        let wildcards = names.filter { $0.hasPrefix("*.") && name.hasSuffix($0.dropFirst()) && name.count >= $0.count }
        return names.filter { $0 == name } + wildcards.sorted { $0.count > $1.count } + names.filter { $0 == "*" }
    }

    private func before(_ a: Route, _ b: Route) -> Bool {
        let (left, right) = (rank(a), rank(b))
        for (x, y) in zip(left, right) where x != y { return x < y }
        return false
    }

    /// Smaller comes first.
    private func rank(_ route: Route) -> [Int] {
        let bare = route.methods.isEmpty && route.headers.isEmpty && route.queryParameters.isEmpty
        let isCatchAll = route.path.kind == .prefix && route.path.value == "/" && bare
        return [
            isCatchAll ? 1 : 0, Int(route.path.kind.rawValue), -route.path.value.count,
            route.methods.isEmpty ? 1_000 : route.methods.count, -route.headers.count, -route.queryParameters.count,
            Int(route.order),
        ]
    }

    private func takes(_ route: Route, _ head: SampleHead) -> Bool {
        let folded = { (text: String) in route.path.caseSensitive ? text : text.lowercased() }
        let (path, value) = (folded(head.path), folded(route.path.value))
        switch route.path.kind {
        case .exact: guard path == value else { return false }
        case .prefix:
            let stem = value.hasSuffix("/") ? String(value.dropLast()) : value
            guard path == stem && !stem.isEmpty || path.hasPrefix(stem + "/") else { return false }
        case .regex:
            guard regex(route.path.value, path: head.path, caseSensitive: route.path.caseSensitive) else {
                return false
            }
        }
        if !route.methods.isEmpty, !route.methods.contains(head.method) { return false }
        for condition in route.headers {
            let values = head.fields.filter { $0.name == condition.key }.map(\.value)
            guard !values.isEmpty, holds(condition, values.joined(separator: condition.key == "cookie" ? "; " : ","))
            else { return false }
        }
        for condition in route.queryParameters {
            let pairs = head.query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
                pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            }
            guard let pair = pairs.first(where: { $0[0] == condition.key }) else { return false }
            guard holds(condition, pair.count > 1 ? pair[1] : "") else { return false }
        }
        return true
    }

    private func holds(_ condition: KeyedPredicate, _ value: String) -> Bool {
        switch condition.kind {
        case .exact: value == condition.value
        case .prefix: value.hasPrefix(condition.value)
        case .regex: whole(condition.value, value)
        }
    }

    private func regex(_ pattern: String, path: String, caseSensitive: Bool) -> Bool {
        guard let compiled = try? RegularExpression(pattern: pattern, caseSensitive: caseSensitive) else {
            return false
        }
        return Array(path.utf8).withUnsafeBytes { compiled.matchesPrefix($0) }
    }

    private func whole(_ pattern: String, _ text: String) -> Bool {
        guard let compiled = try? RegularExpression(pattern: pattern) else { return false }
        return Array(text.utf8).withUnsafeBytes { compiled.matchesWhole($0) }
    }
}
