// Which methods each path of the API has: a request for a known path under another one is told so (405), not that there is nothing.

import HTTPTypes
import Hummingbird
import Synchronization

/// The API's paths with their methods. Known once all controllers are added, asked by the middleware that stands before them.
final class PathMethods: Sendable {
    private let patterns = Mutex<[[Substring]: Set<String>]>([:])

    func learn(_ routes: [(path: String, method: HTTPRequest.Method)]) {
        patterns.withLock { patterns in
            for route in routes {
                // Where there is a GET the router answers HEAD as well.
                let names = route.method == .get ? ["GET", "HEAD"] : [route.method.rawValue]
                patterns[Self.segments(route.path), default: []].formUnion(names)
            }
        }
    }

    /// In the order of the alphabet; empty: the path is none of ours.
    func allowed(at path: String) -> [String] {
        let asked = Self.segments(path)
        return patterns.withLock { patterns in
            let known = patterns.filter { pattern, _ in
                pattern.count == asked.count && zip(pattern, asked).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
            }
            return known.values.reduce(into: Set()) { $0.formUnion($1) }.sorted()
        }
    }

    private static func segments(_ path: String) -> [Substring] { path.split(separator: "/") }
}
