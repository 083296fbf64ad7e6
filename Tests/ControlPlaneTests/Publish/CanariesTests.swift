// Mirrors Canaries.swift.

import ConfigModel
import ConsoleModel
import ControlPlane
import Persistence
import Testing

@Suite struct CanariesTests {
    private func route(_ name: String, _ annotations: [String: String] = [:], path: String = "/") -> Console.Route {
        var route = Console.Route(
            name: name, domains: ["b.test", "a.test"], path: Console.PathPredicate(.prefix, path),
            services: [Console.UpstreamService(name: "\(name).static")])
        for (key, value) in annotations { route.customConfigs["higress.io/\(key)"] = value }
        return route
    }

    private func configuration(_ routes: Console.Route...) -> StoredConfiguration {
        var result = StoredConfiguration()
        for (index, route) in routes.enumerated() { result.routes[route.name] = Stored(id: Int64(index), value: route) }
        return result
    }

    @Test func aCanaryByHeaderIsServedBesideARouteOfTheSameConditions() {
        let canary = route("canary", ["canary": "true", "canary-by-header": "x"])
        #expect(configuration(route("r"), canary).isServed(canary))
        #expect(!configuration(route("r", path: "/other"), canary).isServed(canary))
        #expect(!configuration(canary).isServed(canary))
    }

    @Test func theOrderInWhichConditionsAreWrittenDoesNotCount() {
        var stable = route("r")
        var canary = route("canary", ["canary": "true", "canary-by-cookie": "c"])
        stable.domains = ["a.test", "b.test"]
        stable.methods = ["GET", "POST"]
        canary.methods = ["POST", "GET"]
        stable.headers = [.init(key: "X-A", .equal, "1"), .init(key: "b", .prefix, "2")]
        canary.headers = [.init(key: "b", .prefix, "2"), .init(key: "x-a", .equal, "1")]
        canary.path?.caseSensitive = true
        #expect(configuration(stable, canary).isServed(canary))
        canary.headers = [.init(key: "b", .prefix, "2")]
        #expect(!configuration(stable, canary).isServed(canary))
    }

    @Test func aWeightBelongsToTheOldestRouteOfTheSameConditions() {
        let older = route("z")
        let younger = route("a")
        let canary = route("canary", ["canary": "true", "canary-weight": "5", "canary-weight-total": "50"])
        let all = configuration(older, younger, canary)
        #expect(all.shares(of: older).map { [$0.weight, $0.total] } == [[5, 50]])
        #expect(all.shares(of: younger).isEmpty)
        #expect(!all.isServed(canary) && all.isServed(older))
    }

    @Test(
        arguments: [
            ([1, 1], [1], 20, [400_000, 400_000, 200_000]),
            ([3, 1], [1, 1], 50, [375_000, 125_000, 250_000, 250_000]),
            ([0, 0], [1], 50, [250_000, 250_000, 500_000]), ([100], [100], 0, [1_000_000, 0]),
            ([100], [100], 100, [0, 1_000_000]),
        ] as [([UInt32], [UInt32], Int, [UInt32])])
    func sharesAreDividedByWeight(before: [UInt32], others: [UInt32], weight: Int, expected: [UInt32]) {
        let split = Canaries.split(
            before.enumerated().map { Destination(cluster: "b\($0)", weight: $1) },
            others.enumerated().map { Destination(cluster: "o\($0)", weight: $1) }, weight: weight, total: 100)
        #expect(split.map(\.weight) == expected)
    }

    @Test func aClusterOfBothHasOneShare() {
        let split = Canaries.split(
            [Destination(cluster: "a")], [Destination(cluster: "a"), Destination(cluster: "b")], weight: 50, total: 100)
        #expect(split == [Destination(cluster: "a", weight: 750_000), Destination(cluster: "b", weight: 250_000)])
    }
}
