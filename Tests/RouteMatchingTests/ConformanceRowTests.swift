// The rows of Higress's own conformance suite that are about routing, as tables: routes, then requests with the back end
// that must answer (`nil`: 404).

import ConfigModel
import RouteMatching
import Testing

/// One set-up with its requests.
struct ConformanceRow: CustomTestStringConvertible, Sendable {
    struct Want: Sendable {
        var method = "GET"
        var authority = "foo.com"
        var path: String
        var query = ""
        var fields: [String: String] = [:]
        var route: String?
    }

    let name: String
    let routes: [Route]
    let wants: [Want]

    var testDescription: String { name }

    var table: RouteTable {
        let names = Set(routes.flatMap(\.virtualHosts)).sorted()
        return RouteTable(virtualHosts: names.map { VirtualHost(name: $0, hosts: [$0]) }, routes: routes)
    }
}

private func route(
    _ name: String, _ order: UInt64, _ kind: MatchKind, _ path: String, host: String = "foo.com",
    methods: [String] = [], headers: [KeyedPredicate] = [], query: [KeyedPredicate] = [], caseSensitive: Bool = true
) -> Route {
    Route(
        name: name, virtualHosts: [host], order: order,
        path: PathPredicate(kind: kind, value: path, caseSensitive: caseSensitive), methods: methods, headers: headers,
        queryParameters: query, destinations: [])
}

private let trio = [
    KeyedPredicate(key: "abc", kind: .exact, value: "123"),
    KeyedPredicate(key: "content-type", kind: .regex, value: "application/(json|xml)"),
    KeyedPredicate(key: "user-id", kind: .prefix, value: "10086-1"),
]

private let rows: [ConformanceRow] = [
    ConformanceRow(
        name: "HTTPRouteSimpleSameNamespace", routes: [route("v1", 1, .prefix, "/")],
        wants: [.init(path: "/", route: "v1"), .init(path: "/hello", route: "v1")]),
    ConformanceRow(
        name: "HTTPRouteHostNameSameNamespace",
        routes: [
            route("foo", 1, .prefix, "/foo", host: "foo.com"), route("bar", 2, .prefix, "/bar", host: "bar.com"),
            route("wild", 3, .prefix, "/any", host: "*.bar.com"), route("api", 4, .prefix, "/any", host: "api.bar.com"),
            route("dash", 5, .prefix, "/any", host: "api-bar.com"),
        ],
        wants: [
            .init(authority: "foo.com", path: "/foo", route: "foo"),
            .init(authority: "bar.com", path: "/bar", route: "bar"),
            .init(authority: "any.bar.com", path: "/any", route: "wild"),
            .init(authority: "api.bar.com", path: "/any", route: "api"),
            .init(authority: "api-bar.com", path: "/any", route: "dash"),
            .init(authority: "foo.com", path: "/bar", route: nil),
            .init(authority: "bar.com", path: "/any", route: nil),
        ]),
    ConformanceRow(
        name: "HTTPRouteExactDomainFallback",
        routes: [
            route("v1", 1, .prefix, "/", host: "*.foo.com"), route("v2", 2, .exact, "/bar", host: "www.foo.com"),
        ],
        wants: [
            .init(authority: "www.foo.com", path: "/bar", route: "v2"),
            .init(authority: "www.foo.com", path: "/foo", route: "v1"),
        ]),
    ConformanceRow(
        name: "HTTPRouteMatchPath",
        routes: [
            route("v1", 1, .exact, "/foo"), route("v2 foo", 2, .prefix, "/foo"), route("v2 bar", 3, .prefix, "/bar"),
            route("v3", 4, .prefix, "/cat/"),
        ],
        wants: [
            .init(path: "/foo", route: "v1"), .init(path: "/foo/", route: "v2 foo"),
            .init(path: "/bar", route: "v2 bar"),
            .init(path: "/bard", route: nil), .init(path: "/cat", route: "v3"), .init(path: "/cat/ok", route: "v3"),
        ]),
    ConformanceRow(
        name: "HTTPRouteEnableIgnoreCase",
        routes: [
            route("v1", 1, .exact, "/foo", caseSensitive: false), route("v2", 2, .prefix, "/bar", caseSensitive: false),
            route("v3", 3, .prefix, "/cat/", caseSensitive: false),
        ],
        wants: [
            .init(path: "/fOO", route: "v1"), .init(path: "/BAR", route: "v2"), .init(path: "/CAT/ok", route: "v3"),
        ]),
    ConformanceRow(
        name: "HTTPRouteFullPathRegex",
        routes: [
            route("open", 1, .regex, "/foo/[A-Z0-9]{3}"), route("full", 2, .regex, "/bar/[A-Z0-9]{3}$"),
        ],
        wants: [
            .init(path: "/foo/1234", route: "open"), .init(path: "/bar/123", route: "full"),
            .init(path: "/bar/1234", route: nil), .init(path: "/x/foo/123", route: nil),
        ]),
    ConformanceRow(
        name: "HTTPRouteMatchMethods", routes: [route("v1", 1, .prefix, "/foo", methods: ["POST", "PUT", "PATCH"])],
        wants: [
            .init(method: "GET", path: "/foo", route: nil), .init(method: "POST", path: "/foo", route: "v1"),
            .init(method: "PUT", path: "/foo", route: "v1"), .init(method: "PATCH", path: "/foo", route: "v1"),
        ]),
    ConformanceRow(
        name: "HTTPRouteMatchHeaders", routes: [route("v1", 1, .prefix, "/foo", headers: trio)],
        wants: [
            .init(
                path: "/foo", fields: ["abc": "123", "content-type": "application/json", "user-id": "10086-1789"],
                route: "v1"),
            .init(path: "/foo", fields: ["content-type": "application/json", "user-id": "10086-1"], route: nil),
            .init(
                path: "/foo", fields: ["abc": "12", "content-type": "application/xml", "user-id": "10086-1"], route: nil
            ),
            .init(
                path: "/foo", fields: ["abc": "123", "content-type": "application/jsonp", "user-id": "10086-1"],
                route: nil),
        ]),
    ConformanceRow(
        name: "HTTPRouteMatchQueryParams", routes: [route("v1", 1, .prefix, "/foo", query: trio)],
        wants: [
            .init(path: "/foo", query: "abc=123&content-type=application/json&user-id=10086-1789", route: "v1"),
            .init(path: "/foo", query: "abc=123&content-type=application%2Fjson&user-id=10086-1789", route: "v1"),
            .init(path: "/foo", query: "content-type=application/json&user-id=10086-1", route: nil),
            .init(path: "/foo", query: "abc=12&content-type=application/xml&user-id=10086-1", route: nil),
            .init(path: "/foo", query: "abc=1&abc=123&content-type=application/xml&user-id=10086-1", route: nil),
        ]),
    ConformanceRow(
        name: "HTTPRouteMatchPseudoHeaders",
        routes: [
            route(
                "v1", 1, .prefix, "/v1", host: "*.foo.com",
                headers: [KeyedPredicate(key: ":authority", kind: .exact, value: "test.foo.com")]),
            route(
                "v2", 2, .prefix, "/v2", host: "*.foo.com",
                headers: [KeyedPredicate(key: ":authority", kind: .regex, value: "test.+\\.foo\\.com")]),
            route(
                "v3", 3, .prefix, "/v3", host: "*.foo.com",
                headers: [KeyedPredicate(key: ":path", kind: .prefix, value: "/v3/bar")]),
        ],
        wants: [
            .init(authority: "test.foo.com", path: "/v1", route: "v1"),
            .init(authority: "Test.foo.com:8443", path: "/v1", route: "v1"),
            .init(authority: "test2.foo.com", path: "/v1", route: nil),
            .init(authority: "test.foo.com", path: "/v2", route: nil),
            .init(authority: "test2.foo.com", path: "/v2", route: "v2"),
            .init(authority: "test2.foo.com:8443", path: "/v2", route: "v2"),
            .init(authority: "test.foo.com", path: "/v3", route: nil),
            .init(authority: "test.foo.com", path: "/v3/bar", route: "v3"),
            .init(authority: "test.foo.com", path: "/v3/bar", query: "a=b", route: "v3"),
        ]),
    ConformanceRow(
        name: "HTTPRouteSameHostAndPath",
        routes: [
            route("plain", 1, .prefix, "/hello-world"),
            route("a", 2, .prefix, "/hello-world", headers: [KeyedPredicate(key: "a", kind: .exact, value: "1")]),
            route(
                "a and b", 3, .prefix, "/hello-world",
                headers: [
                    KeyedPredicate(key: "a", kind: .exact, value: "1"),
                    KeyedPredicate(key: "b", kind: .exact, value: "2"),
                ]),
            route("younger", 4, .prefix, "/hello-world"), route("root", 5, .prefix, "/"),
            route("younger root", 6, .prefix, "/"),
        ],
        wants: [
            .init(path: "/hello-world", route: "plain"), .init(path: "/hello-world", fields: ["a": "1"], route: "a"),
            .init(path: "/hello-world", fields: ["a": "1", "b": "2"], route: "a and b"),
            .init(path: "/hello-world", fields: ["b": "2"], route: "plain"), .init(path: "/other", route: "root"),
        ]),
]

@Suite struct ConformanceRowTests {
    @Test(arguments: rows) func eachRequestReachesItsBackEnd(_ row: ConformanceRow) {
        for want in row.wants {
            let head = SampleHead(
                method: want.method, authority: want.authority, path: want.path, query: want.query,
                fields: want.fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
            #expect(row.table.route(for: head) == want.route, "\(head)")
        }
    }

    /// Fillers push the host over the length of the short list, so that the same rows run through the hash tables.
    @Test(arguments: rows) func eachRequestReachesItsBackEndAmongThousandsOfRoutes(_ row: ConformanceRow) {
        var routes = row.routes
        for host in Set(row.routes.flatMap(\.virtualHosts)) {
            for number in 0..<300 {
                let order = UInt64(1_000 + routes.count)
                routes.append(
                    route("filler", order, number % 2 == 0 ? .exact : .prefix, "/filler/\(number)", host: host))
            }
        }
        let table = ConformanceRow(name: row.name, routes: routes, wants: []).table
        for want in row.wants {
            let head = SampleHead(
                method: want.method, authority: want.authority, path: want.path, query: want.query,
                fields: want.fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
            #expect(table.route(for: head) == want.route, "\(head)")
        }
    }
}
