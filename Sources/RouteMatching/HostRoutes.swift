// The routes of one virtual host and how a path finds them. Few routes are weighed one after the other; more have a trie of
// exact paths and one of prefixes. Immutable: an edit makes a new one that shares what it does not touch.

import ConfigModel

/// A virtual host as look-ups see it.
struct HostRecord {
    let slot: Int
    let forcesHTTPS: Bool
    /// All routes, where they are few.
    let short: UnsafePointer<BucketRecord>?
    /// In place of `short`.
    let index: PathIndex
}

/// How a host with many routes finds them.
///
/// Unchecked: the memory behind it is written before it is made, and owned by those who have it.
struct PathIndex: @unchecked Sendable {
    /// Values are `BucketRecord`s, keys are paths, folded.
    let exact: UnsafePointer<NodeRecord>?
    let prefixes: UnsafePointer<NodeRecord>?
    /// Prefix `/` with conditions, after all longer prefixes.
    let root: UnsafePointer<BucketRecord>
    let regexes: UnsafePointer<BucketRecord>
    /// Prefix `/` without conditions, after everything.
    let catchAll: UnsafePointer<BucketRecord>
    /// Bit n: some prefix has n slashes (bit 63: 63 or more). Keeps deep paths from costing a look-up per segment.
    let prefixDepths: UInt64
    /// Longer paths need no look-up at all. Upper bounds: what is removed does not lower them.
    let longestExact: Int
    let longestPrefix: Int
}

typealias HostPointer = UnsafePointer<HostRecord>

/// A virtual host's routes.
///
/// Unchecked: the memory is written in `init` only.
final class HostRoutes: @unchecked Sendable {
    /// The virtual host; nil: routes name it, and none of that name is there.
    let object: SnapshotObject?
    let count: Int
    let record: HostPointer
    private let contents: Contents

    fileprivate enum Contents {
        case short(RouteBucket)
        indirect case indexed(Index)
    }

    /// What an index consists of.
    fileprivate struct Index {
        var exact: TrieNode?
        var prefixes: TrieNode?
        var root = RouteBucket.empty
        var regexes = RouteBucket.empty
        var catchAll = RouteBucket.empty
        /// How many prefixes have so many slashes.
        var depths = ContiguousArray(repeating: 0, count: 64)
        var longestExact = 0
        var longestPrefix = 0
    }

    /// Up to this many routes are weighed one after the other; an index would cost more than it saves.
    static let shortList = 6

    private init(_ object: SnapshotObject?, slot: Int, count: Int, _ contents: Contents) {
        self.object = object
        self.count = count
        self.contents = contents
        var short: UnsafePointer<BucketRecord>?
        var index = PathIndex.empty
        switch contents {
        case .short(let bucket): short = bucket.record
        case .indexed(let made): index = made.record
        }
        var forcesHTTPS = false
        if case .virtualHost(let host)? = object?.object { forcesHTTPS = host.https == .force }
        let memory = UnsafeMutablePointer<HostRecord>.allocate(capacity: 1)
        memory.initialize(to: HostRecord(slot: slot, forcesHTTPS: forcesHTTPS, short: short, index: index))
        record = UnsafePointer(memory)
    }

    deinit { record.deallocate() }

    var slot: Int { record.pointee.slot }

    var virtualHost: VirtualHost? {
        if case .virtualHost(let host)? = object?.object { host } else { nil }
    }

    static func made(_ object: SnapshotObject?, slot: Int, _ routes: [CompiledRoute]) -> HostRoutes {
        let ranked = routes.count > 1 ? routes.map(Ranked.init).sorted().map(\.route) : routes
        let contents: Contents =
            routes.count <= shortList
            ? .short(RouteBucket(ContiguousArray(ranked))) : .indexed(Index(sorted: ranked))
        return HostRoutes(object, slot: slot, count: routes.count, contents)
    }

    /// With another virtual host and some routes less and more.
    func edited(
        _ object: SnapshotObject?, removing removed: [CompiledRoute], adding added: [CompiledRoute]
    ) -> HostRoutes {
        let count = count - removed.count + added.count
        switch contents {
        case .short(let bucket):
            let all = bucket.edited(removing: removed, adding: added)
            if all.routes.count <= Self.shortList {
                return HostRoutes(object, slot: slot, count: count, .short(all))
            }
            return HostRoutes(object, slot: slot, count: count, .indexed(Index(sorted: Array(all.routes))))
        case .indexed(var index):
            index.edit(removing: removed, adding: added)
            guard count > Self.shortList else { return .made(object, slot: slot, index.all) }
            return HostRoutes(object, slot: slot, count: count, .indexed(index))
        }
    }

    /// In the order of rank.
    var sorted: [CompiledRoute] {
        switch contents {
        case .short(let bucket): Array(bucket.routes)
        case .indexed(let index): index.all.map(Ranked.init).sorted().map(\.route)
        }
    }
}

extension PathIndex {
    /// Of hosts that have a sorted run in its place.
    static let empty = HostRoutes.Index().record
}

extension HostRoutes.Index {
    /// What look-ups read of it.
    var record: PathIndex {
        var slashes: UInt64 = 0
        for (depth, count) in depths.enumerated() where count > 0 { slashes |= 1 &<< UInt64(depth) }
        return PathIndex(
            exact: exact?.record, prefixes: prefixes?.record, root: root.record, regexes: regexes.record,
            catchAll: catchAll.record, prefixDepths: slashes, longestExact: longestExact, longestPrefix: longestPrefix)
    }

    init(sorted routes: [CompiledRoute]) {
        var groups: [Ranked.Group: ContiguousArray<CompiledRoute>] = [:]
        for route in routes { groups[Ranked.group(of: route), default: []].append(route) }
        root = RouteBucket(groups[.root] ?? [])
        regexes = RouteBucket(groups[.regex] ?? [])
        catchAll = RouteBucket(groups[.catchAll] ?? [])
        exact = .made(of: Self.leaves(groups[.exact] ?? []))
        let prefixLeaves = Self.leaves(groups[.prefix] ?? [])
        for leaf in prefixLeaves { note(prefix: leaf.record.pointee.key.bytes, 1) }
        prefixes = .made(of: prefixLeaves)
        longestExact = (groups[.exact] ?? []).map(\.record.pointee.path.count).max() ?? 0
    }

    /// Neighbours with the same folded path share a leaf; sorting has put them side by side.
    private static func leaves(_ sorted: ContiguousArray<CompiledRoute>) -> ContiguousArray<TrieLeaf> {
        var result: ContiguousArray<TrieLeaf> = []
        var rest = sorted[...]
        while let first = rest.first {
            let key = Ranked.folded(first)
            let same = rest.prefix { Ranked.folded($0) == key }
            rest = rest.dropFirst(same.count)
            result.append(leaf(key, RouteBucket(ContiguousArray(same))))
        }
        return result
    }

    private static func leaf(_ key: [UInt8], _ bucket: RouteBucket) -> TrieLeaf {
        TrieLeaf(key: key, hash: hash(of: key), value: UnsafeRawPointer(bucket.record), owner: bucket)
    }

    private static func hash(of key: [UInt8]) -> UInt64 {
        key.withUnsafeBytes { $0.baseAddress.map { PathIndex.pathHash($0, key.count) } ?? 0 }
    }

    private mutating func note(prefix: UnsafeRawBufferPointer, _ change: Int) {
        depths[min(63, prefix.count { $0 == 0x2f })] += change
        if change > 0 { longestPrefix = max(longestPrefix, prefix.count) }
    }

    mutating func edit(removing removed: [CompiledRoute], adding added: [CompiledRoute]) {
        struct Place: Hashable {
            let group: Ranked.Group
            let key: [UInt8]
        }
        var edits: [Place: (removed: [CompiledRoute], added: [CompiledRoute])] = [:]
        func place(_ route: CompiledRoute) -> Place { Place(group: Ranked.group(of: route), key: Ranked.folded(route)) }
        for route in removed { edits[place(route), default: ([], [])].removed.append(route) }
        for route in added { edits[place(route), default: ([], [])].added.append(route) }
        for (place, edit) in edits {
            switch place.group {
            case .root: root = root.edited(removing: edit.removed, adding: edit.added)
            case .regex: regexes = regexes.edited(removing: edit.removed, adding: edit.added)
            case .catchAll: catchAll = catchAll.edited(removing: edit.removed, adding: edit.added)
            case .exact:
                Self.edit(&exact, place.key, edit)
                longestExact = max(longestExact, place.key.count)
            case .prefix:
                let change = Self.edit(&prefixes, place.key, edit)
                place.key.withUnsafeBytes { note(prefix: $0, change) }
            }
        }
    }

    /// Returns by how many keys the map has grown.
    @discardableResult
    private static func edit(
        _ root: inout TrieNode?, _ key: [UInt8], _ edit: (removed: [CompiledRoute], added: [CompiledRoute])
    ) -> Int {
        let hash = hash(of: key)
        let present = root?.leaf(key, hash: hash)?.owner as? RouteBucket
        let bucket = (present ?? .empty).edited(removing: edit.removed, adding: edit.added)
        if bucket.routes.isEmpty {
            root = key.withUnsafeBytes { root?.removing($0, hash: hash) }
            return present == nil ? 0 : -1
        }
        let leaf = leaf(key, bucket)
        root = root?.inserting(leaf) ?? .made(of: [leaf])
        return present == nil ? 1 : 0
    }

    /// In no order.
    var all: [CompiledRoute] {
        var result = Array(root.routes + regexes.routes + catchAll.routes)
        for trie in [exact, prefixes] {
            trie?.forEach { if let bucket = $0.owner as? RouteBucket { result += bucket.routes } }
        }
        return result
    }
}

extension HostRecord {
    /// The first route, by rank, whose conditions all hold.
    @inline(__always)
    func match(_ head: borrowing RequestHead) -> RoutePointer? {
        if let short { return short.pointee.first(head) }
        return index.match(head)
    }
}

extension PathIndex {
    func match(_ head: borrowing RequestHead) -> RoutePointer? {
        var (bucket, prefix) = find(head.path, prefixesUnder: .max)
        if let bucket, let found = bucket.pointee.first(head) { return found }
        while let leaf = prefix {
            let routes = leaf.pointee.value.assumingMemoryBound(to: BucketRecord.self)
            if let found = routes.pointee.first(head) { return found }
            // Its routes refuse the request: the next shorter prefix is asked.
            (bucket, prefix) = find(head.path, prefixesUnder: leaf.pointee.key.count)
        }
        if let found = root.pointee.first(head) { return found }
        if let found = regexes.pointee.first(head) { return found }
        return catchAll.pointee.first(head)
    }

    /// One pass over the path: the routes of exactly it, and the longest prefix that covers it and is shorter than asked.
    ///
    /// The hash is taken segment by segment, so that it is known at every `/` on the way.
    private func find(
        _ path: UnsafeRawBufferPointer, prefixesUnder limit: Int
    ) -> (UnsafePointer<BucketRecord>?, LeafPointer?) {
        guard let base = path.baseAddress, path.count > 0 else { return (nil, nil) }
        let longestPrefix = min(longestPrefix, limit &- 1)
        let exactPossible = limit == .max && path.count <= longestExact
        var hash: UInt64 = 0
        var start = 0
        var depth: UInt64 = 0
        var prefix: LeafPointer?
        while start < path.count, exactPossible || start < longestPrefix {
            var end = start &+ 1
            while end < path.count, base.load(fromByteOffset: end, as: UInt8.self) != 0x2f { end &+= 1 }
            hash = FoldedBytes.hash(hash, base + start, end &- start)
            if base.load(fromByteOffset: start, as: UInt8.self) == 0x2f { depth &+= 1 }
            if end <= longestPrefix, prefixDepths &>> min(depth, 63) & 1 != 0, let prefixes,
                let leaf = TrieNode.find(prefixes, hash: hash, base, end)
            {
                prefix = leaf
            }
            start = end
        }
        guard exactPossible, let exact, let leaf = TrieNode.find(exact, hash: hash, base, path.count) else {
            return (nil, prefix)
        }
        return (leaf.pointee.value.assumingMemoryBound(to: BucketRecord.self), prefix)
    }

    /// The hash that `find` reaches at the end of a path.
    static func pathHash(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var hash: UInt64 = 0
        var start = 0
        while start < count {
            var end = start &+ 1
            while end < count, base.load(fromByteOffset: end, as: UInt8.self) != 0x2f { end &+= 1 }
            hash = FoldedBytes.hash(hash, base + start, end &- start)
            start = end
        }
        return hash
    }
}
