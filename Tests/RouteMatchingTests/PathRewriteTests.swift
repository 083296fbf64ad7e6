// The path that the upstream sees, case by case.

import ConfigModel
import RouteMatching
import Testing

@Suite struct PathRewriteTests {
    struct Case: Sendable {
        let kind: MatchKind
        let pattern: String
        let rewrite: String
        let path: String
        let result: String

        init(_ kind: MatchKind, _ pattern: String, _ rewrite: String, _ path: String, _ result: String) {
            self.kind = kind
            self.pattern = pattern
            self.rewrite = rewrite
            self.path = path
            self.result = result
        }
    }

    private func table(_ kind: MatchKind, _ pattern: String, _ rewrite: String?) -> RouteTable {
        RouteTable(
            virtualHosts: [],
            routes: [
                Route(
                    name: "r", order: 1, path: PathPredicate(kind: kind, value: pattern, caseSensitive: false),
                    destinations: [], rewrite: Rewrite(path: rewrite))
            ])
    }

    private func rewritten(_ table: RouteTable, _ path: String, room: Int = 256) -> String? {
        var buffer = [UInt8](repeating: 0, count: room)
        let count = Array(path.utf8).withUnsafeBytes { path in
            buffer.withUnsafeMutableBytes { table.compiledRoute(at: 0)?.rewrittenPath(of: path, into: $0) }
        }
        return count.map { String(decoding: buffer.prefix($0), as: UTF8.self) + ($0 > room ? "…\($0)" : "") }
    }

    @Test(arguments: [
        Case(.exact, "/foo", "/bar", "/foo", "/bar"), Case(.exact, "/foo", "bar", "/foo", "/bar"),
        Case(.prefix, "/foo", "/bar", "/foo", "/bar"), Case(.prefix, "/foo", "/bar", "/FOO/x/y", "/bar/x/y"),
        Case(.prefix, "/foo", "/", "/foo", "/"), Case(.prefix, "/foo", "/", "/foo/x", "/x"),
        Case(.prefix, "/foo", "", "/foo/x", "/x"), Case(.prefix, "/foo", "", "/foo", "/"),
        Case(.prefix, "/foo/", "/bar/", "/foo", "/bar/"), Case(.prefix, "/foo/", "/bar/", "/foo/x", "/bar/x"),
        Case(.prefix, "/", "/bar", "/x", "/bar/x"), Case(.prefix, "/", "/bar", "/", "/bar/"),
        Case(.prefix, "/foo", "/bar", "/foo//x", "/bar//x"), Case(.prefix, "/foo", "/$1", "/foo/x", "/$1/x"),
        Case(.regex, "/svc/(.*)", "/$1", "/svc/foo", "/foo"), Case(.regex, "/svc/(.*)", "$1", "/svc/foo", "/foo"),
        Case(.regex, "/([a-z]+)/([a-z]+)", "/$2/$1/$0", "/a/b/rest", "/b/a//a/b"),
        Case(.regex, "/(a)?(b)?", "/x$1-$2", "/b", "/x-b"), Case(.regex, "/a(.*)", "$1", "/a", "/"),
        Case(.regex, "/a", "/price$", "/a", "/price$"), Case(.regex, "/a", "/$x", "/a", "/$x"),
    ]) func thePathIsReplacedAsTheKindOfRouteAsks(_ example: Case) {
        let table = table(example.kind, example.pattern, example.rewrite)
        #expect(table.route(for: SampleHead(path: example.path)) == "r")
        #expect(rewritten(table, example.path) == example.result)
        let longest = table.compiledRoute(at: 0)?.longestRewrite(of: example.path.utf8.count) ?? 0
        #expect(longest >= example.result.utf8.count)
    }

    @Test func aRouteWithoutNewPathLeavesItAlone() {
        #expect(rewritten(table(.prefix, "/foo", nil), "/foo") == nil)
    }

    @Test func aBufferTooSmallTellsTheLengthNeeded() {
        let table = table(.prefix, "/foo", "/a-longer-path")
        #expect(rewritten(table, "/foo/x", room: 16) == "/a-longer-path/x")
        #expect(rewritten(table, "/foo/x", room: 15)?.hasSuffix("…16") == true)
        #expect(rewritten(table, "/foo/x", room: 0) == "…16")
    }
}
