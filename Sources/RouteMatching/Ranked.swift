// The order of the routes of one virtual host, as one comparison.

import ConfigModel

/// A route with what decides its rank.
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

    let route: CompiledRoute
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

    init(_ compiled: CompiledRoute) {
        let route = compiled.route
        self.route = compiled
        group = Self.group(of: compiled)
        folded = Self.folded(compiled)
        length = route.path.value.utf8.count
        methods = route.methods.isEmpty ? .max : route.methods.count
        headers = route.headers.count
        query = route.queryParameters.count
        order = route.order
        name = route.name
    }

    static func group(of compiled: CompiledRoute) -> Group {
        let record = compiled.record
        let conditional =
            !(record.pointee.methods.isEmpty && record.pointee.headers.isEmpty && record.pointee.query.isEmpty)
        return switch record.pointee.kind {
        case .exact: .exact
        case .prefix: record.pointee.path.count > 0 ? .prefix : conditional ? .root : .catchAll
        case .regex: .regex
        }
    }

    static func folded(_ compiled: CompiledRoute) -> [UInt8] {
        let record = compiled.record
        return record.pointee.kind == .regex ? [] : record.pointee.path.bytes.map(FoldedBytes.fold)
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
