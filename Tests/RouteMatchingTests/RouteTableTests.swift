// `match`, `trace` and the plain reference matcher agree on random tables and requests.

import ConfigModel
import RouteMatching
import Testing

@Suite struct RouteTableTests {
    private static let hosts = ["*", "*.foo.com", "*.b.foo.com", "a.b.foo.com", "foo.com", "bar.com", "*.com"]
    private static let segments = ["a", "b", "A", "long-segment-name", "x.y", "", "a1"]
    private static let patterns = ["/a.*", "/[ab]/x", "/(a|b)+$", "/long.*name", "/A", "/a/b$", ".*x\\.y"]

    private func randomPath(_ random: inout SeededRandom) -> String {
        let count = Int.random(in: 0...4, using: &random)
        return "/" + (0..<count).map { _ in random.pick(Self.segments) }.joined(separator: "/")
    }

    private func randomConditions(_ random: inout SeededRandom, _ keys: [String]) -> [KeyedPredicate] {
        guard random.chance(25) else { return [] }
        return keys.filter { _ in random.chance(50) }.map { key in
            let kind = random.pick(MatchKind.allCases)
            return KeyedPredicate(
                key: key, kind: kind,
                value: kind == .regex ? random.pick(["1+", "(1|2)", "[0-9]*"]) : random.pick(["1", "12", ""]))
        }
    }

    private func randomRoute(_ number: Int, _ random: inout SeededRandom) -> Route {
        let kind = random.pick(MatchKind.allCases)
        let methods = ["GET", "PUT", "POST", "PURGE"].filter { _ in random.chance(15) }
        let hosts = random.chance(10) ? [] : Array(Set((0..<2).map { _ in random.pick(Self.hosts) }))
        return Route(
            name: "r\(number)", virtualHosts: hosts, order: UInt64(number),
            path: PathPredicate(
                kind: kind, value: kind == .regex ? random.pick(Self.patterns) : randomPath(&random),
                caseSensitive: random.chance(70)),
            methods: methods, headers: randomConditions(&random, ["h1", "h2"]),
            queryParameters: randomConditions(&random, ["q1", "q2"]), destinations: [])
    }

    private func randomHead(_ random: inout SeededRandom) -> SampleHead {
        let authority = random.pick([
            "foo.com", "a.b.foo.com", "x.b.foo.com", "y.foo.com", "bar.com", "z.com", "other", "A.B.foo.com:8443",
            "foo.com.",
        ])
        var fields: [(name: String, value: String)] = []
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            fields.append((random.pick(["h1", "h2", "other"]), random.pick(["1", "12", "2", "", "x"])))
        }
        let query = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            random.pick(["q1", "q2", "other"]) + random.pick(["=1", "=12", "=", "", "=x"])
        }
        return SampleHead(
            method: random.pick(["GET", "PUT", "POST", "PURGE", "DELETE"]), authority: authority,
            path: randomPath(&random),
            query: query.joined(separator: "&"), fields: fields)
    }

    @Test func matchTraceAndTheReferenceAgreeOnRandomTables() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        var hits = 0
        for round in 0..<120 {
            let hosts = Self.hosts.map { VirtualHost(name: $0, hosts: [$0]) }.shuffled(using: &random)
            let routes = (0..<random.pick([0, 3, 12, 60])).map { randomRoute($0, &random) }.shuffled(using: &random)
            let table = RouteTable(virtualHosts: hosts, routes: routes)
            let reference = ReferenceMatcher(virtualHosts: hosts, routes: routes)
            for _ in 0..<25 {
                let head = randomHead(&random)
                let wanted = reference.route(for: head)
                let matched = head.withHead { table.match($0) }
                let traced = table.trace(head)
                hits += wanted == nil ? 0 : 1
                #expect(
                    matched.flatMap { table.route(at: $0.route)?.name } == wanted,
                    "seed \(seed) round \(round): \(head)")
                let winners = traced.filter { $0.outcome == .matched }
                #expect(
                    winners.map { RouteMatch(route: $0.route, virtualHost: $0.virtualHost) }
                        == (matched.map { [$0] } ?? []),
                    "seed \(seed) round \(round): \(head)")
                let decided = traced.firstIndex { $0.outcome == .matched } ?? traced.count
                #expect(
                    !traced[..<decided].contains { $0.outcome == .outranked },
                    "seed \(seed) round \(round): \(head): outranked by a route that comes later")
            }
        }
        #expect(hits > 300, "seed \(seed): the requests hardly ever match, the test shows nothing")
    }

    @Test func traceTellsTheFirstReasonOfEachRoute() {
        let exact = { (key: String) in KeyedPredicate(key: key, kind: .exact, value: "1") }
        func route(_ name: String, _ path: String, methods: [String] = [], headers: [String] = [], query: [String] = [])
            -> Route
        {
            Route(
                name: name, virtualHosts: ["foo.com"], order: UInt64(name.count),
                path: PathPredicate(kind: .prefix, value: path), methods: methods, headers: headers.map(exact),
                queryParameters: query.map(exact), destinations: [])
        }
        let table = RouteTable(
            virtualHosts: [VirtualHost(name: "foo.com", hosts: ["foo.com"])],
            routes: [
                route("other path", "/b"), route("method", "/a", methods: ["PUT"]),
                route("header", "/a", headers: ["x", "y"]),
                route("query", "/a", query: ["q"]), route("taken", "/a"), route("too late", "/"),
            ])
        let trace = table.trace(SampleHead(path: "/a", fields: [("x", "1")]))
        let outcomes = Dictionary(uniqueKeysWithValues: trace.map { (table.route(at: $0.route)?.name, $0.outcome) })
        #expect(
            outcomes == [
                "other path": .path, "method": .method, "header": .header("y"), "query": .queryParameter("q"),
                "taken": .matched, "too late": .outranked,
            ])
    }

    @Test func repeatedFieldsAreJudgedAsOneLine() {
        let table = RouteTable(
            virtualHosts: [],
            routes: [
                Route(
                    name: "list", order: 1, path: PathPredicate(kind: .prefix, value: "/"),
                    headers: [KeyedPredicate(key: "accept", kind: .exact, value: "a,b")], destinations: []),
                Route(
                    name: "crumbs", order: 2, path: PathPredicate(kind: .prefix, value: "/"),
                    headers: [KeyedPredicate(key: "cookie", kind: .exact, value: "a=1; b=2")], destinations: []),
            ])
        #expect(table.route(for: SampleHead(fields: [("accept", "a"), ("accept", "b")])) == "list")
        #expect(table.route(for: SampleHead(fields: [("accept", "a,b")])) == "list")
        #expect(table.route(for: SampleHead(fields: [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")])) == "crumbs")
        #expect(table.route(for: SampleHead(fields: [("accept", "a")])) == nil)
        #expect(table.route(for: SampleHead(fields: [("accept", ""), ("accept", "a,b")])) == nil)
    }

    @Test func queryNamesAndValuesAreComparedDecoded() {
        func table(_ key: String, _ kind: MatchKind, _ value: String) -> RouteTable {
            RouteTable(
                virtualHosts: [],
                routes: [
                    Route(
                        name: "r", order: 1, path: PathPredicate(kind: .prefix, value: "/"),
                        queryParameters: [KeyedPredicate(key: key, kind: kind, value: value)], destinations: [])
                ])
        }
        #expect(table("a b", .exact, "ü&=").route(for: SampleHead(query: "x&a%20b=%C3%bc%26%3D")) == "r")
        #expect(table("a", .prefix, "").route(for: SampleHead(query: "a")) == "r")
        #expect(table("a", .exact, "").route(for: SampleHead(query: "b&a=")) == "r")
        #expect(table("a", .exact, "100%").route(for: SampleHead(query: "a=100%")) == "r")
        #expect(table("a", .exact, "%zz").route(for: SampleHead(query: "a=%zz")) == "r")
        #expect(table("a", .exact, "b=c").route(for: SampleHead(query: "a=b=c")) == "r")
        #expect(table("a", .exact, "b c").route(for: SampleHead(query: "a=b+c")) == nil)
        #expect(table("a", .regex, "[0-9]+").route(for: SampleHead(query: "a=%31%32")) == "r")
        #expect(table("a", .regex, "[0-9]+").route(for: SampleHead(query: "a=12x")) == nil)
        #expect(table("a", .exact, "1").route(for: SampleHead(query: "")) == nil)
    }

    @Test func thousandsOfHostsAndRoutesAreAllFound() {
        let hosts = (0..<3_000).map {
            VirtualHost(name: "h\($0)", hosts: ["host-\($0).example.com", "*.w\($0).example.com"])
        }
        var routes = hosts.enumerated().map { index, host in
            Route(
                name: host.name, virtualHosts: [host.name], order: UInt64(index),
                path: PathPredicate(kind: .prefix, value: "/"), destinations: [])
        }
        for number in 0..<3_000 {
            routes.append(
                Route(
                    name: "p\(number)", virtualHosts: ["h0"], order: UInt64(10_000 + number),
                    path: PathPredicate(kind: number % 2 == 0 ? .exact : .prefix, value: "/v1/things/\(number)"),
                    destinations: []))
        }
        let table = RouteTable(virtualHosts: hosts, routes: routes)
        for number in 0..<3_000 {
            #expect(table.route(for: SampleHead(authority: "host-\(number).example.com", path: "/x")) == "h\(number)")
            #expect(table.route(for: SampleHead(authority: "x.y.w\(number).example.com", path: "/x")) == "h\(number)")
            let path = "/v1/things/\(number)" + (number % 2 == 0 ? "" : "/more")
            #expect(table.route(for: SampleHead(authority: "host-0.example.com", path: path)) == "p\(number)")
        }
        #expect(table.route(for: SampleHead(authority: "host-3000.example.com", path: "/x")) == nil)
        #expect(table.route(for: SampleHead(authority: "host-0.example.com", path: "/v1/things/0/more")) == "h0")
    }

    @Test(arguments: [
        (Route(name: "r", order: 1, path: PathPredicate(kind: .regex, value: "/("), destinations: []), "path.value"),
        (
            Route(
                name: "r", order: 1, path: PathPredicate(kind: .prefix, value: "/"),
                headers: [
                    KeyedPredicate(key: "a", kind: .exact, value: "1"),
                    KeyedPredicate(key: "b", kind: .regex, value: "*"),
                ], destinations: []), "headers[1].value"
        ),
        (
            Route(
                name: "r", order: 1, path: PathPredicate(kind: .prefix, value: "/"),
                queryParameters: [KeyedPredicate(key: "a", kind: .regex, value: "[")], destinations: []),
            "queryParameters[0].value"
        ),
        (
            Route(
                name: "r", order: 1, path: PathPredicate(kind: .regex, value: "/(a)"), destinations: [],
                rewrite: Rewrite(path: "/$2")), "rewrite.path"
        ),
    ]) func aRouteThatCannotBeCompiledIsLeftOutAndReported(_ bad: Route, _ field: String) throws {
        let good = Route(name: "good", order: 2, path: PathPredicate(kind: .prefix, value: "/"), destinations: [])
        let table = RouteTable(
            try Snapshot(historyID: .mint(), version: 1, objects: [.route(bad), .route(good)] as [ConfigObject]))
        #expect(table.problems.map(\.key) == [ObjectKey(.route, "r")])
        #expect(table.problems.map(\.field) == [field])
        #expect(table.problems.allSatisfy { !$0.reason.isEmpty })
        #expect(table.route(for: SampleHead(path: "/(a)")) == "good")
    }

    @Test func aDeepPathFindsItsLongestPrefixAndHostileOnesEnd() {
        let deep = (0..<100).map { "/s\($0)" }.joined()
        let fillers = (0..<20).map { number in
            Route(
                name: "f\(number)", order: UInt64(10 + number),
                path: PathPredicate(kind: .prefix, value: "/f/\(number)"),
                destinations: [])
        }
        let table = RouteTable(
            virtualHosts: [],
            routes: fillers + [
                Route(name: "deep", order: 1, path: PathPredicate(kind: .prefix, value: deep), destinations: []),
                Route(name: "s0", order: 2, path: PathPredicate(kind: .prefix, value: "/s0"), destinations: []),
            ])
        #expect(table.route(for: SampleHead(path: deep + "/x")) == "deep")
        #expect(table.route(for: SampleHead(path: deep)) == "deep")
        #expect(table.route(for: SampleHead(path: String(deep.dropLast()))) == "s0")
        #expect(table.route(for: SampleHead(path: String(repeating: "/", count: 65_536))) == nil)
        #expect(table.route(for: SampleHead(path: "")) == nil)
        #expect(table.route(for: SampleHead(path: "*")) == nil)
    }

    /// The same answers as a table made from nothing, after any edits: that is what loops are given from version to version.
    @Test func aTableThatWasUpdatedAnswersAsOneMadeFromNothing() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        for round in 0..<30 {
            var hosts: [String: VirtualHost] = [:]
            var routes: [String: Route] = [:]
            var table = RouteTable(virtualHosts: [], routes: [])
            for step in 0..<40 {
                var removed: [SnapshotObject] = []
                var put: [SnapshotObject] = []
                for _ in 0..<random.pick([1, 1, 2, 8]) {
                    if random.chance(20) {
                        let name = random.pick(Self.hosts)
                        guard !(removed + put).contains(where: { $0.key == ObjectKey(.virtualHost, name) }) else {
                            continue
                        }
                        if let old = hosts[name], random.chance(40) {
                            hosts[name] = nil
                            removed.append(SnapshotObject(.virtualHost(old)))
                        } else {
                            let host = VirtualHost(
                                name: name, hosts: [name], https: random.chance(30) ? .force : .off)
                            hosts[name] = host
                            put.append(SnapshotObject(.virtualHost(host)))
                        }
                    } else {
                        let route = randomRoute(Int.random(in: 0..<random.pick([10, 40]), using: &random), &random)
                        guard !(removed + put).contains(where: { $0.key == ObjectKey(.route, route.name) }) else {
                            continue
                        }
                        if let old = routes[route.name], random.chance(40) {
                            routes[route.name] = nil
                            removed.append(SnapshotObject(.route(old)))
                        } else {
                            routes[route.name] = route
                            put.append(SnapshotObject(.route(route)))
                        }
                    }
                }
                let update = table.updated(removing: removed, putting: put)
                let before = table
                table = update.table
                let fresh = RouteTable(virtualHosts: Array(hosts.values), routes: Array(routes.values))
                // Routes that name no virtual host make a default one where none is given.
                let implied = hosts["*"] == nil ? [VirtualHost(name: "*", hosts: ["*"])] : []
                let reference = ReferenceMatcher(
                    virtualHosts: hosts.values + implied,
                    routes: routes.values.compactMap { route in
                        var route = route
                        let named = route.virtualHosts
                        route.virtualHosts = named.filter { hosts[$0] != nil }
                        return !named.isEmpty && route.virtualHosts.isEmpty ? nil : route
                    })
                for _ in 0..<8 {
                    let head = randomHead(&random)
                    let wanted = reference.route(for: head)
                    #expect(fresh.route(for: head) == wanted, "seed \(seed) round \(round) step \(step): \(head)")
                    #expect(table.route(for: head) == wanted, "seed \(seed) round \(round) step \(step): \(head)")
                    #expect(
                        table.trace(head).map { table.route(at: $0.route)?.name }
                            == fresh.trace(head).map { fresh.route(at: $0.route)?.name },
                        "seed \(seed) round \(round) step \(step): \(head)")
                    #expect(table.host(for: head.authority) == fresh.host(for: head.authority), "seed \(seed)")
                }
                // Slots tell loops what to look at again: those that are not named must be what they were.
                before.forEachRoute { slot, route in
                    if !update.routes.contains(slot) { #expect(table.route(at: slot) == route, "seed \(seed)") }
                }
                before.forEachVirtualHost { slot, host in
                    if !update.virtualHosts.contains(slot) {
                        #expect(table.virtualHost(at: slot) == host, "seed \(seed)")
                    }
                }
            }
            #expect(table.problems.isEmpty)
        }
    }

    /// Validation refuses such snapshots; a table that gets one all the same has each name once, and loses it once.
    @Test func ofVirtualHostsThatClaimOneNameOneHasIt() {
        let names = (0..<100).flatMap { ["n\($0).example.com", "*.w\($0).example.com"] }
        let hosts = (0..<4).map { VirtualHost(name: "h\($0)", hosts: names) }
        let table = RouteTable(virtualHosts: hosts, routes: [])
        for number in 0..<100 {
            #expect(table.host(for: "n\(number).example.com") != nil)
            #expect(table.host(for: "a.w\(number).example.com") != nil)
        }
        let gone = table.updated(removing: hosts.map { SnapshotObject(.virtualHost($0)) }, putting: []).table
        for number in 0..<100 {
            #expect(gone.host(for: "n\(number).example.com") == nil)
            #expect(gone.host(for: "a.w\(number).example.com") == nil)
        }
    }

    @Test func anUpdateNamesEachSlotOnce() {
        func route(_ name: String, _ order: UInt64) -> SnapshotObject {
            SnapshotObject(
                .route(
                    Route(
                        name: name, virtualHosts: ["h"], order: order, path: PathPredicate(kind: .prefix, value: "/"),
                        destinations: [])))
        }
        func host(_ name: String) -> SnapshotObject {
            SnapshotObject(.virtualHost(VirtualHost(name: name, hosts: [name + ".example.com"])))
        }
        let first = RouteTable().updated(
            removing: [], putting: (0..<200).map { route("r\($0)", $0) } + [host("h"), host("i")])
        #expect(first.routes.sorted() == Array(0..<200))
        #expect(first.virtualHosts.sorted() == [0, 1])
        // What comes gets the slots of what goes; another form of a route keeps its own.
        let second = first.table.updated(
            removing: [route("r150", 150), host("i")], putting: [route("new", 300), route("r7", 301), host("j")])
        let slots = ["r150", "r7"].compactMap { first.table.slot(ofRoute: $0) }
        #expect(second.routes.sorted() == slots.sorted())
        #expect(second.table.slot(ofRoute: "new") == first.table.slot(ofRoute: "r150"))
        #expect(second.virtualHosts.count == Set(second.virtualHosts).count)
    }

    @Test func aChangeCostsTheSameAmongManyRoutes() throws {
        /// Nanoseconds of one change: the fastest of many.
        func cost(of count: Int, onOneHost: Bool) throws -> Double {
            let hosts = (0..<(onOneHost ? 1 : count)).map { VirtualHost(name: "h\($0)", hosts: ["h\($0).example.com"]) }
            let routes = (0..<count).map { number in
                Route(
                    name: "r\(number)", virtualHosts: [onOneHost ? "h0" : "h\(number)"], order: UInt64(number),
                    path: PathPredicate(kind: .prefix, value: "/p\(number)"), destinations: [])
            }
            var table = RouteTable(virtualHosts: hosts, routes: routes)
            var best = Double.infinity
            for turn in 0..<200 {
                var route = routes[turn * 7 % count]
                route.destinations = [Destination(cluster: "c", weight: UInt32(turn))]
                let object = SnapshotObject(.route(route))
                let clock = ContinuousClock()
                let taken = clock.measure { table = table.updated(removing: [], putting: [object]).table }
                best = min(best, Double(taken.components.attoseconds) / 1e9)
            }
            return best
        }
        for onOneHost in [false, true] {
            let small = try cost(of: 10, onOneHost: onOneHost)
            let large = try cost(of: 20_000, onOneHost: onOneHost)
            // Copies of the nodes on a way of three instead of one; linear growth would be 2,000 times.
            #expect(large < small * 40, "\(small) ns among 10, \(large) ns among 20,000, on one host: \(onOneHost)")
            print("one change: \(small) ns among 10 routes, \(large) ns among 20,000; on one host: \(onOneHost)")
        }
    }
}
