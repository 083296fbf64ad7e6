// The order of the routes of one virtual host, as one comparison.

import ConfigModel

/// A candidate with what decides its rank.
struct Ranked: Comparable {
    /// In the order in which a host tries them.
    enum Group: UInt8, Comparable {
        case exact
        case prefix
        /// Prefix `/` with conditions: the shortest prefix.
        case root
        case regex
        /// Prefix `/` without conditions.
        case catchAll

        static func < (a: Group, b: Group) -> Bool { a.rawValue < b.rawValue }
    }

    let candidate: Candidate
    let group: Group
    /// Exact and prefix: the path, folded, without a prefix's last slash. Two routes can only compete for a request if
    /// one's is the beginning of the other's, so sorting by it changes no decision and brings equal paths together.
    let folded: [UInt8]
    /// Of the pattern as written.
    let length: Int
    let methods: Int
    let headers: Int
    let query: Int
    let order: UInt64
    let name: String

    init(candidate: Candidate, route: Route) {
        self.candidate = candidate
        var folded = candidate.kind == .regex ? [] : route.path.value.utf8.map(FoldedBytes.fold)
        if candidate.kind == .prefix, folded.last == 0x2f { folded.removeLast() }
        let conditional = !(route.methods.isEmpty && route.headers.isEmpty && route.queryParameters.isEmpty)
        group =
            switch candidate.kind {
            case .exact: .exact
            case .prefix: !folded.isEmpty ? .prefix : conditional ? .root : .catchAll
            case .regex: .regex
            }
        self.folded = folded
        length = route.path.value.utf8.count
        methods = route.methods.isEmpty ? .max : route.methods.count
        headers = route.headers.count
        query = route.queryParameters.count
        order = route.order
        name = route.name
    }

    static func == (a: Ranked, b: Ranked) -> Bool { !(a < b) && !(b < a) }

    static func < (a: Ranked, b: Ranked) -> Bool {
        if a.group != b.group { return a.group < b.group }
        if a.folded.count != b.folded.count { return a.folded.count > b.folded.count }
        if a.folded != b.folded { return a.folded.lexicographicallyPrecedes(b.folded) }
        if a.length != b.length { return a.length > b.length }
        if a.methods != b.methods { return a.methods < b.methods }
        if a.headers != b.headers { return a.headers > b.headers }
        if a.query != b.query { return a.query > b.query }
        if a.order != b.order { return a.order < b.order }
        return a.name < b.name
    }
}

/// Why a route cannot be compiled.
struct RouteProblem: Error {
    let field: String
    let reason: String
}
