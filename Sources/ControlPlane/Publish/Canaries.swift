// Canaries: routes that take a part of the requests of another route, which matches the same. One with a header or cookie stays
// a route with one more condition, so that it goes before the other; one with a weight becomes destinations of the other.
//
// Routes of the same conditions depend on each other as soon as one of them is a canary. Where a domain has none, which costs one
// look to know, nothing here costs anything.

package import ConfigModel
package import ConsoleModel
package import Persistence

package enum Canaries {
    /// `weight` of `total` requests for `others`, by their weights among themselves, the rest for those before.
    package static func split(_ before: [Destination], _ others: [Destination], weight: Int, total: Int)
        -> [Destination]
    {
        let share = Double(weight) / Double(max(1, total))
        var result: [Destination] = []
        for (destinations, part) in [(before, 1 - share), (others, share)] {
            let sum = destinations.reduce(0) { $0 + Double($1.weight) }
            for destination in destinations {
                // All weights 0 means equal shares.
                let own = sum > 0 ? Double(destination.weight) / sum : 1 / Double(destinations.count)
                let scaled = UInt32((own * part * 1_000_000).rounded())
                if let index = result.firstIndex(where: { $0.cluster == destination.cluster }) {
                    result[index].weight = min(1_000_000, result[index].weight + scaled)
                } else {
                    result.append(Destination(cluster: destination.cluster, weight: scaled))
                }
            }
        }
        return result
    }
}

extension StoredConfiguration {
    /// Whether the route is one of the worker's: not a canary by weight, nor one of no route.
    package func isServed(_ route: Console.Route) -> Bool {
        switch route.canary {
        case nil: true
        case .header: stable(beside: route) != nil
        case .weight: false
        }
    }

    /// Canaries that take so many of so many requests of the route, in order of creation.
    package func shares(of route: Console.Route) -> [(canary: Console.Route, weight: Int, total: Int)] {
        guard route.canary == nil, hasCanaries(beside: route), stable(beside: route)?.name == route.name else {
            return []
        }
        return routes.users(of: .canaries(route.firstDomain)).compactMap { routes[$0] }
            .filter { $0.value.matchesLike(route) }.sorted { $0.id < $1.id }
            .compactMap {
                if case .weight(let weight, let total) = $0.value.canary { ($0.value, weight, total) } else { nil }
            }
    }

    /// The names of routes whose compiled form may depend on this one.
    func companions(of route: Console.Route) -> [String] {
        guard route.canary != nil || hasCanaries(beside: route) else { return [] }
        return neighbours(of: route).map(\.value.name)
    }

    /// What is true of a canary among the routes that there are now.
    func canaryRemarks(on route: Console.Route) -> [String] {
        guard route.canary != nil, stable(beside: route) == nil else { return [] }
        return [
            "customConfigs[canary]: no other route has the same domains, path, methods, headers and parameters,"
                + " so the canary gets no requests."
        ]
    }

    private func hasCanaries(beside route: Console.Route) -> Bool {
        !routes.users(of: .canaries(route.firstDomain)).isEmpty
    }

    /// The route of these conditions that is no canary, the oldest where there are several.
    private func stable(beside route: Console.Route) -> Console.Route? {
        neighbours(of: route).filter { $0.value.canary == nil }.min { $0.id < $1.id }?.value
    }

    private func neighbours(of route: Console.Route) -> [Stored<Console.Route>] {
        routes.users(of: .domain(route.firstDomain)).compactMap { routes[$0] }.filter { $0.value.matchesLike(route) }
    }
}

extension Console.Route {
    /// Paths are compared first: the rest is only looked at where these are equal.
    fileprivate func matchesLike(_ other: Console.Route) -> Bool {
        path?.matchValue == other.path?.matchValue && conditions == other.conditions
    }
}
