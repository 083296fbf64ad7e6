// The order of routes and hosts, one test per rule.

import ConfigModel
import RouteMatching
import Testing

@Suite struct RouteOrderTests {
    /// Routes on `foo.com` in the order given (the first is the oldest).
    private func table(_ routes: [Route], hosts: [VirtualHost] = [VirtualHost(name: "foo.com", hosts: ["foo.com"])])
        -> RouteTable
    {
        RouteTable(virtualHosts: hosts, routes: routes)
    }

    private func route(
        _ name: String, _ order: UInt64, _ kind: MatchKind, _ path: String, hosts: [String] = ["foo.com"],
        methods: [String] = [], headers: [KeyedPredicate] = [], query: [KeyedPredicate] = [], caseSensitive: Bool = true
    ) -> Route {
        Route(
            name: name, virtualHosts: hosts, order: order,
            path: PathPredicate(kind: kind, value: path, caseSensitive: caseSensitive), methods: methods,
            headers: headers, queryParameters: query, destinations: [])
    }

    @Test func exactBeatsPrefixAndPrefixBeatsRegex() {
        let table = table([
            route("regex", 1, .regex, "/a/b/c.*"), route("prefix", 2, .prefix, "/a/b/c"),
            route("exact", 3, .exact, "/a/b/c"),
        ])
        #expect(table.route(for: SampleHead(path: "/a/b/c")) == "exact")
        #expect(table.route(for: SampleHead(path: "/a/b/c/d")) == "prefix")
        #expect(table.route(for: SampleHead(path: "/a/b/cd")) == "regex")
    }

    @Test func theLongerPatternComesFirst() {
        let table = table([
            route("short", 1, .prefix, "/a"), route("long", 2, .prefix, "/a/b"),
            route("short regex", 3, .regex, "/x.*"),
            route("long regex", 4, .regex, "/x[a-z]+"),
        ])
        #expect(table.route(for: SampleHead(path: "/a/b/c")) == "long")
        #expect(table.route(for: SampleHead(path: "/a/c")) == "short")
        #expect(table.route(for: SampleHead(path: "/xyz")) == "long regex")
        #expect(table.route(for: SampleHead(path: "/x1")) == "short regex")
    }

    @Test func aPrefixWithSlashIsTheLongerPatternOfTheTwo() {
        let table = table([route("bare", 1, .prefix, "/cat"), route("slash", 2, .prefix, "/cat/")])
        #expect(table.route(for: SampleHead(path: "/cat")) == "slash")
    }

    @Test func aMethodListComesBeforeNoneAndTheShorterListFirst() {
        let table = table([
            route("any", 1, .prefix, "/a"), route("three", 2, .prefix, "/a", methods: ["GET", "PUT", "POST"]),
            route("two", 3, .prefix, "/a", methods: ["GET", "PUT"]),
        ])
        #expect(table.route(for: SampleHead(method: "GET", path: "/a")) == "two")
        #expect(table.route(for: SampleHead(method: "POST", path: "/a")) == "three")
        #expect(table.route(for: SampleHead(method: "PATCH", path: "/a")) == "any")
    }

    @Test func methodsOutrankHeadersHeadersOutrankQuery() {
        let header = KeyedPredicate(key: "a", kind: .exact, value: "1")
        let query = KeyedPredicate(key: "q", kind: .exact, value: "1")
        let table = table([
            route("query", 1, .prefix, "/a", query: [query]),
            route("header", 2, .prefix, "/a", headers: [header]),
            route(
                "two headers", 3, .prefix, "/a", headers: [header, KeyedPredicate(key: "b", kind: .exact, value: "1")]),
            route("method", 4, .prefix, "/a", methods: ["GET"]),
        ])
        let both = [(name: "a", value: "1"), (name: "b", value: "1")]
        #expect(table.route(for: SampleHead(path: "/a", query: "q=1", fields: both)) == "method")
        #expect(table.route(for: SampleHead(method: "PUT", path: "/a", query: "q=1", fields: both)) == "two headers")
        #expect(table.route(for: SampleHead(method: "PUT", path: "/a", query: "q=1", fields: [both[0]])) == "header")
        #expect(table.route(for: SampleHead(method: "PUT", path: "/a", query: "q=1")) == "query")
    }

    @Test func moreQueryConditionsComeFirst() {
        let a = KeyedPredicate(key: "a", kind: .exact, value: "1")
        let b = KeyedPredicate(key: "b", kind: .exact, value: "1")
        let table = table([
            route("one", 1, .prefix, "/a", query: [a]), route("two", 2, .prefix, "/a", query: [a, b]),
        ])
        #expect(table.route(for: SampleHead(path: "/a", query: "b=1&a=1")) == "two")
        #expect(table.route(for: SampleHead(path: "/a", query: "a=1")) == "one")
    }

    @Test func bareRootComesAfterRegexesAndConditionedRootBefore() {
        let header = KeyedPredicate(key: "a", kind: .exact, value: "1")
        let table = table([
            route("root", 1, .prefix, "/"), route("regex", 2, .regex, "/x"),
            route("conditioned", 3, .prefix, "/", headers: [header]),
        ])
        #expect(table.route(for: SampleHead(path: "/x")) == "regex")
        #expect(table.route(for: SampleHead(path: "/x", fields: [("a", "1")])) == "conditioned")
        #expect(table.route(for: SampleHead(path: "/y")) == "root")
    }

    @Test func theOlderOfTwoEqualRoutesWins() {
        let table = table([route("younger", 7, .prefix, "/a"), route("older", 3, .prefix, "/a")])
        #expect(table.route(for: SampleHead(path: "/a")) == "older")
    }

    @Test func aPrefixMatchesWholeSegments() {
        let table = table([route("bar", 1, .prefix, "/bar"), route("cat", 2, .prefix, "/cat/")])
        #expect(table.route(for: SampleHead(path: "/bar")) == "bar")
        #expect(table.route(for: SampleHead(path: "/bar/x")) == "bar")
        #expect(table.route(for: SampleHead(path: "/bard")) == nil)
        #expect(table.route(for: SampleHead(path: "/cat")) == "cat")
        #expect(table.route(for: SampleHead(path: "/cat/ok")) == "cat")
    }

    // MARK: Hosts

    private let hosts = [
        VirtualHost(name: "any", hosts: ["*"]), VirtualHost(name: "wide", hosts: ["*.foo.com"]),
        VirtualHost(name: "narrow", hosts: ["*.b.foo.com"]), VirtualHost(name: "exact", hosts: ["a.b.foo.com"]),
    ]

    @Test func anExactHostBeatsTheLongestWildcardAndThatTheDefault() {
        let table = table([], hosts: hosts)
        #expect(table.host(for: "a.b.foo.com") == "exact")
        #expect(table.host(for: "x.b.foo.com") == "narrow")
        #expect(table.host(for: "b.foo.com") == "wide")
        #expect(table.host(for: "x.y.foo.com") == "wide")
        #expect(table.host(for: "foo.com") == "any")
        #expect(table.host(for: ".foo.com") == "any")
        #expect(table.host(for: "") == "any")
    }

    @Test func portLetterCaseAndTrailingDotDoNotCount() {
        let table = table([], hosts: hosts + [VirtualHost(name: "six", hosts: ["[2001:db8::1]"])])
        #expect(table.host(for: "A.b.FOO.com:8443") == "exact")
        #expect(table.host(for: "a.b.foo.com.") == "exact")
        #expect(table.host(for: "a.b.foo.com.:80") == "exact")
        #expect(table.host(for: "a.b.foo.com..") == "any")
        #expect(table.host(for: "a.b.foo.com:") == "exact")
        #expect(table.host(for: "[2001:DB8::1]:443") == "six")
        #expect(table.host(for: "[2001:db8::1]") == "six")
    }

    @Test func theNextHostIsTriedWhereNoRouteTakesTheRequest() {
        let table = table(
            [
                route("exact", 1, .exact, "/e", hosts: ["exact"]), route("narrow", 2, .exact, "/n", hosts: ["narrow"]),
                route("wide", 3, .prefix, "/w", hosts: ["wide"], methods: ["GET"]),
                route("any", 4, .prefix, "/", hosts: []),
            ], hosts: hosts)
        #expect(table.route(for: SampleHead(authority: "a.b.foo.com", path: "/e")) == "exact")
        #expect(table.route(for: SampleHead(authority: "a.b.foo.com", path: "/n")) == "narrow")
        #expect(table.route(for: SampleHead(authority: "a.b.foo.com", path: "/w/x")) == "wide")
        #expect(table.route(for: SampleHead(method: "PUT", authority: "a.b.foo.com", path: "/w/x")) == "any")
        #expect(table.route(for: SampleHead(authority: "other", path: "/w/x")) == "any")
    }

    @Test func aRouteWithoutVirtualHostsGetsADefaultOneEvenWhereNoneIsGiven() {
        let table = table([route("any", 1, .prefix, "/", hosts: [])])
        #expect(table.route(for: SampleHead(authority: "other", path: "/")) == "any")
        #expect(table.host(for: "other") == "*")
    }

    @Test func withoutADefaultAnUnknownHostHasNoVirtualHostAndNoRoute() {
        let table = table([route("foo", 1, .prefix, "/")])
        #expect(table.host(for: "other") == nil)
        #expect(table.route(for: SampleHead(authority: "other", path: "/")) == nil)
    }

    @Test func namesBeyondTheLimitOfDNSMatchOnlyTheDefault() {
        let table = table([], hosts: hosts)
        #expect(table.host(for: String(repeating: "a.", count: 60_000) + "foo.com") == "any")
    }
}
