// Requests to the API, counted by what the router knows them as.

import HTTPTypes
import Synchronization

/// Requests by operation and status. Bounded: paths are the router's, methods those of HTTP.
final class RequestCounts: Sendable {
    struct Key: Hashable, Comparable {
        var path: String
        var method: String
        var status: Int

        static func < (a: Key, b: Key) -> Bool { (a.path, a.method, a.status) < (b.path, b.method, b.status) }
    }

    private static let methods: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .delete, .patch, .options]
    private let counts = Mutex<[Key: UInt64]>([:])

    func count(_ method: HTTPRequest.Method, _ path: String, _ status: Int) {
        let name = Self.methods.contains(method) ? method.rawValue : "other"
        counts.withLock { $0[Key(path: path, method: name, status: status), default: 0] += 1 }
    }

    /// In the order of paths.
    var all: [(key: Key, count: UInt64)] {
        counts.withLock { $0.map { (key: $0.key, count: $0.value) } }.sorted { $0.key < $1.key }
    }
}
