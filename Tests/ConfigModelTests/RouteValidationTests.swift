// Validation of routes: each rule with the field that is blamed, and what must stay allowed.

import ConfigModel
import Testing

@Suite struct RouteValidationTests {
    private let route = Route(
        name: "r", order: 1, path: PathPredicate(kind: .prefix, value: "/"),
        destinations: [Destination(cluster: "c")])

    private func problems(_ change: (inout Route) -> Void) -> [String] {
        var route = route
        change(&route)
        return ConfigObject.route(route).validate().map { "\($0.field): \($0.reason)" }
    }

    @Test func theSampleIsRight() {
        #expect(problems { _ in } == [])
    }

    @Test(
        arguments: [
            (MatchKind.exact, "/a/b%20c", nil), (.prefix, "/", nil), (.regex, "(a|b) .*\\?x#$", nil),
            (.exact, "a", "must begin with `/`"), (.prefix, "", "must begin with `/`"),
            (.exact, "/a?b", "must not contain `?` or `#`"), (.prefix, "/a#b", "must not contain `?` or `#`"),
            (.exact, "/a b", "must not contain spaces or control characters"),
            (.prefix, "/a\r\n", "must not contain spaces or control characters"),
            (.regex, "", "must not be empty"), (.regex, "/a\0", "must not contain control characters"),
            (.regex, String(repeating: "a", count: 4_097), "must not be longer than 4096 bytes"),
        ] as [(MatchKind, String, String?)])
    func pathsAreLiteralOrPatterns(kind: MatchKind, value: String, problem: String?) {
        let expected = problem.map { ["path.value: \($0)"] } ?? []
        #expect(problems { $0.path = PathPredicate(kind: kind, value: value) } == expected)
    }

    @Test func methodsAreUpperCaseTokensOnce() {
        #expect(problems { $0.methods = ["GET", "PATCH", "M-SEARCH"] } == [])
        #expect(
            problems { $0.methods = ["get", "G T", "", "PUT", "PUT"] } == [
                "methods[0]: must be in upper case", "methods[1]: is not an HTTP method",
                "methods[2]: is not an HTTP method", "methods[4]: stands in the list twice",
            ])
    }

    @Test func headerKeysAreLowerCaseNamesOrPseudoHeaders() {
        func keyed(_ key: String, _ kind: MatchKind = .exact, _ value: String = "") -> KeyedPredicate {
            KeyedPredicate(key: key, kind: kind, value: value)
        }
        #expect(problems { $0.headers = [keyed("x-a"), keyed(":authority", .regex, "a.*")] } == [])
        #expect(
            problems {
                $0.headers = [
                    keyed("X-A"), keyed("a b"), keyed(":status"), keyed("a", .regex), keyed("a", .exact, "\n"),
                ]
            } == [
                "headers[0].key: must be in lower case", "headers[1].key: is not a header name",
                "headers[2].key: must be one of :authority, :path, :method, :scheme, or a header name",
                "headers[3].value: must not be empty", "headers[4].value: must not contain control characters",
            ])
        #expect(problems { $0.queryParameters = [keyed("Größe", .prefix)] } == [])
        #expect(problems { $0.queryParameters = [keyed("")] } == ["queryParameters[0].key: must not be empty"])
        #expect(
            problems { $0.headers = Array(repeating: keyed("a"), count: 1_001) } == [
                "headers: must not have more than 1000 entries"
            ])
    }

    @Test func destinationsExistAndHaveWeightsInRange() {
        #expect(problems { $0.destinations = [] } == ["destinations: must not be empty"])
        #expect(
            problems { $0.destinations = [Destination(cluster: "c", weight: 1_000_001)] } == [
                "destinations[0].weight: must be from 0 to 1000000"
            ])
    }

    @Test func timesAreAtMostAWeek() {
        #expect(
            problems {
                $0.timeouts = RouteTimeouts(
                    responseHeaders: .max, streamIdle: 604_800_001, total: 604_800_000, connect: 600_001)
                $0.streamPolicy = .drain(.max)
            } == [
                "timeouts.responseHeaders: must be from 0 to 604800000",
                "timeouts.streamIdle: must be from 0 to 604800000", "timeouts.connect: must be from 1 to 600000",
                "streamPolicy.drain: must be from 0 to 604800000",
            ])
    }

    @Test(
        arguments: [
            (MatchKind.prefix, Rewrite(path: "/x"), nil), (.regex, Rewrite(path: "/$1"), nil),
            (.regex, Rewrite(path: "$1"), nil), (.exact, Rewrite(authority: "a.com:80"), nil),
            (.exact, Rewrite(authority: "[::1]:80"), nil), (.exact, Rewrite(authority: "[::1]"), nil),
            (.prefix, Rewrite(path: "x"), "path: must begin with `/`"),
            (.prefix, Rewrite(path: "/x?y"), "path: must not contain `?` or `#`"),
            (.regex, Rewrite(path: "x$1"), "path: must begin with `/` or with a group such as `$1`"),
            (.regex, Rewrite(path: "/ x"), "path: must not contain spaces or control characters"),
            (.exact, Rewrite(authority: "a.com:+80"), "authority: must have a port from 1 to 65535 after its colon"),
            (.exact, Rewrite(authority: "a.com:"), "authority: must have a port from 1 to 65535 after its colon"),
            (.exact, Rewrite(authority: "a.com:0"), "authority: must have a port from 1 to 65535 after its colon"),
            (.exact, Rewrite(authority: "[::1"), "authority: is not an IPv6 address in brackets"),
            (.exact, Rewrite(authority: ""), "authority: must not be empty"),
        ] as [(MatchKind, Rewrite, String?)])
    func rewritesKeepTheRequestLineWhole(kind: MatchKind, rewrite: Rewrite, problem: String?) {
        let expected = problem.map { ["rewrite.\($0)"] } ?? []
        #expect(
            problems {
                $0.path.kind = kind
                $0.rewrite = rewrite
            } == expected)
    }

    @Test func referencesAreFoundAndOrdersAreUnique() throws {
        var other = route
        other.name = "s"
        other.virtualHosts = ["gone", "h", "h"]
        other.destinations = [Destination(cluster: "gone"), Destination(cluster: "c")]
        other.kind = .grpc
        other.fallback = "c"
        let snapshot = try Snapshot(
            historyID: .mint(), version: 1,
            objects: [
                .virtualHost(VirtualHost(name: "h", hosts: ["*"])),
                .cluster(Cluster(name: "c", endpoints: [], protocol: .http1)), .route(route), .route(other),
            ])
        #expect(
            snapshot.validate().map(\.description) == [
                "route s: virtualHosts[0]: virtual host gone does not exist",
                "route s: virtualHosts[2]: stands in the list twice",
                "route s: destinations[0].cluster: cluster gone does not exist",
                "route s: destinations[1].cluster: cluster c speaks HTTP/1.1, and gRPC needs HTTP/2",
                "route s: fallback: cluster c speaks HTTP/1.1, and gRPC needs HTTP/2",
                "route s: order: is the same as that of route r",
            ])
    }

    @Test func randomObjectsAreJudgedWithoutATrap() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var objects: [ObjectKey: ConfigObject] = [:]
            for _ in 0..<10 {
                let object = generator.object()
                objects[object.key] = object
            }
            let snapshot = try Sample.snapshot(Array(objects.values))
            let keys = Set(snapshot.validate().map(\.key))
            #expect(keys.isSubset(of: objects.keys), "seed \(seed)")
        }
    }
}
