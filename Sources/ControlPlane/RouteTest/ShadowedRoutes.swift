// Routes that no request can reach, because an older or higher one of the same domain has the same conditions. Found by what
// ranks equal, not by trying: it costs one look at each route.

import ConfigModel
import ConsoleModel

/// A route of a domain that another one takes everything from.
struct ShadowedRoute: Encodable, Hashable {
    var route: String
    var domain: String
    var by: String

    /// By domain and name.
    static func all(in snapshot: Snapshot) -> [ShadowedRoute] {
        var groups: [Key: [ConfigModel.Route]] = [:]
        for object in snapshot.objects.of(.route) {
            guard case .route(let route) = object.object else { continue }
            for host in route.virtualHosts.isEmpty ? [Console.Domain.anyHost] : route.virtualHosts {
                groups[Key(host, route), default: []].append(route)
            }
        }
        var found: [ShadowedRoute] = []
        for (key, routes) in groups where routes.count > 1 {
            let ranked = routes.sorted { rank($0) < rank($1) }
            for (index, route) in ranked.enumerated().dropFirst() {
                if let winner = ranked[..<index].first(where: { covers($0.path, route.path) }) {
                    found.append(ShadowedRoute(route: route.name, domain: key.host, by: winner.name))
                }
            }
        }
        return found.sorted { ($0.domain, $0.route) < ($1.domain, $1.route) }
    }

    /// Routes can only cover each other where all of this is equal: among others the one with more conditions goes first.
    private struct Key: Hashable {
        var host: String
        var kind: MatchKind
        /// Folded, because a route that ignores case may cover one that does not.
        var path: String
        var methods: Set<String>
        var headers: Set<KeyedPredicate>
        var query: Set<KeyedPredicate>

        init(_ host: String, _ route: ConfigModel.Route) {
            self.host = host
            kind = route.path.kind
            var path = route.path.value
            if kind == .prefix, path.hasSuffix("/") { path.removeLast() }
            // What a pattern's case means is its own affair.
            self.path = kind == .regex ? path : path.lowercased()
            methods = Set(route.methods)
            headers = Set(route.headers)
            query = Set(route.queryParameters)
        }
    }

    /// The order of rank among routes of one group: the longer pattern, then the older route.
    private static func rank(_ route: ConfigModel.Route) -> (Int, UInt64) {
        (-route.path.value.utf8.count, route.order)
    }

    private static func covers(_ a: PathPredicate, _ b: PathPredicate) -> Bool {
        if !a.caseSensitive { return true }
        guard b.caseSensitive else { return false }
        func bare(_ path: PathPredicate) -> Substring {
            path.kind == .prefix && path.value.hasSuffix("/") ? path.value.dropLast() : path.value[...]
        }
        return bare(a) == bare(b)
    }
}
