// Compiles virtual hosts and routes into the records of a `RouteTable`. Runs off the worker's loops, once a snapshot; a
// route that cannot be compiled is left out and reported, never a trap: the snapshot came from another process.

import ConfigModel

struct RouteTableBuilder {
    var virtualHosts: [VirtualHost]
    let routes: [Route]
    var problems: [ObjectProblem] = []
    var patterns: [RegularExpression] = []

    private var bytes: [UInt8] = []
    private var hosts: [HostSlot] = []
    private var wildcardDepths: UInt64 = 0
    private var defaultHost: Int32 = -1
    private var paths: [PathIndex] = []
    private var pathSlots: [PathSlot] = []
    private var candidates: [Candidate] = []
    private var conditions: [Condition] = []
    private var methods: [Text] = []
    private var rewriteOfRoute: [Int32]
    private var rewrites: [RewriteRule] = []
    private var rewritePieces: [RewritePiece] = []

    init(virtualHosts: [VirtualHost], routes: [Route]) {
        self.virtualHosts = virtualHosts
        self.routes = routes
        rewriteOfRoute = Array(repeating: -1, count: routes.count)
    }

    mutating func build() {
        if !virtualHosts.contains(where: { $0.hosts.contains("*") }), routes.contains(where: \.virtualHosts.isEmpty) {
            virtualHosts.append(VirtualHost(name: "*", hosts: ["*"]))
        }
        addHosts()
        var members = Array(repeating: [Ranked](), count: virtualHosts.count)
        let indexes = Dictionary(
            virtualHosts.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (index, route) in routes.enumerated() {
            guard let candidate = compile(route, index) else { continue }
            let ranked = Ranked(candidate: candidate, route: route)
            if route.virtualHosts.isEmpty {
                members[Int(defaultHost)].append(ranked)
            }
            for name in Set(route.virtualHosts) {
                if let host = indexes[name] { members[host].append(ranked) }
            }
        }
        for ranked in members { addPaths(ranked.sorted()) }
    }

    // MARK: Hosts

    private mutating func addHosts() {
        let count = virtualHosts.reduce(0) { $0 + $1.hosts.count }
        hosts = Array(repeating: .free, count: Self.tableSize(count))
        for (index, virtualHost) in virtualHosts.enumerated() {
            for host in virtualHost.hosts {
                if host == "*" {
                    if defaultHost < 0 { defaultHost = Int32(index) }
                    continue
                }
                let key = host.utf8.starts(with: "*.".utf8) ? Array(host.utf8.dropFirst()) : Array(host.utf8)
                insertHost(key.map(FoldedBytes.fold), Int32(index))
            }
        }
        // The chain of a host is found with the lookup that requests use, so both agree on what a wildcard covers.
        withTables { tables in
            hosts.indices.map { slot -> Int32 in
                let key = hosts[slot].key
                return key.count == 0 ? -1 : tables.wildcardSlot(tables.pointer(key), Int(key.count))
            }
        }.enumerated().forEach { hosts[$0].parent = $1 }
    }

    /// Of two virtual hosts that claim a host the first one has it; validation refuses such snapshots.
    private mutating func insertHost(_ key: [UInt8], _ virtualHost: Int32) {
        guard !key.isEmpty, key.count <= FlatTables.longestHost else { return }
        let hash = key.withUnsafeBytes { UInt32(truncatingIfNeeded: FoldedBytes.hash(0, $0.baseAddress!, $0.count)) }
        let mask = UInt32(hosts.count - 1)
        var slot = hash & mask
        while hosts[Int(slot)].key.count != 0 {
            if hosts[Int(slot)].hash == hash, slice(hosts[Int(slot)].key).elementsEqual(key) { return }
            slot = (slot + 1) & mask
        }
        hosts[Int(slot)] = HostSlot(hash: hash, key: store(key), virtualHost: virtualHost, parent: -1)
        if key[0] == 0x2e { wildcardDepths |= 1 << UInt64(min(63, key.count(where: { $0 == 0x2e }))) }
    }

    // MARK: Paths

    private mutating func addPaths(_ sorted: [Ranked]) {
        var index = PathIndex.empty
        let first = UInt32(candidates.count)
        candidates += sorted.map(\.candidate)
        func run(_ rank: Ranked.Group) -> Slice {
            let start = sorted.firstIndex { $0.group >= rank } ?? sorted.count
            let end = sorted.firstIndex { $0.group > rank } ?? sorted.count
            return Slice(first: first + UInt32(start), count: UInt32(end - start))
        }
        index.all = Slice(first: first, count: UInt32(sorted.count))
        index.root = run(.root)
        index.regexes = run(.regex)
        index.catchAll = run(.catchAll)
        if sorted.count > FlatTables.shortList {
            let exact = buckets(sorted, run(.exact), first)
            let prefixes = buckets(sorted, run(.prefix), first)
            index.longestExact = exact.map { UInt32($0.key.count) }.max() ?? 0
            index.longestPrefix = prefixes.map { UInt32($0.key.count) }.max() ?? 0
            for prefix in prefixes {
                index.prefixDepths |= 1 << UInt64(min(63, prefix.key.count(where: { $0 == 0x2f })))
            }
            index.exact = addTable(exact)
            index.prefixes = addTable(prefixes)
            linkPrefixes(index.prefixes)
        }
        paths.append(index)
    }

    /// Neighbours with the same folded path share a bucket; `Ranked` puts them side by side.
    private func buckets(_ sorted: [Ranked], _ run: Slice, _ first: UInt32) -> [(key: [UInt8], bucket: Slice)] {
        var result: [(key: [UInt8], bucket: Slice)] = []
        for position in run.first..<run.first + run.count {
            let key = sorted[Int(position - first)].folded
            if let last = result.last, last.key == key {
                result[result.count - 1].bucket.count += 1
            } else {
                result.append((key, Slice(first: position, count: 1)))
            }
        }
        return result
    }

    private mutating func addTable(_ entries: [(key: [UInt8], bucket: Slice)]) -> Slice {
        guard !entries.isEmpty else { return .empty }
        let first = pathSlots.count
        let size = Self.tableSize(entries.count)
        pathSlots += Array(repeating: .free, count: size)
        for entry in entries {
            let hash = entry.key.withUnsafeBytes { bytes in
                bytes.baseAddress.map { UInt32(truncatingIfNeeded: FlatTables.pathHash($0, bytes.count)) } ?? 0
            }
            var place = Int(hash) & (size - 1)
            while pathSlots[first + place].bucket.count != 0 { place = (place + 1) & (size - 1) }
            pathSlots[first + place] = PathSlot(hash: hash, key: store(entry.key), bucket: entry.bucket, parent: -1)
        }
        return Slice(first: UInt32(first), count: UInt32(size))
    }

    /// Ties each prefix to the next shorter one that covers it: where its routes refuse a request, that one's are next.
    private mutating func linkPrefixes(_ table: Slice) {
        let range = Int(table.first)..<Int(table.first + table.count)
        var slots: [ArraySlice<UInt8>: Int32] = [:]
        for slot in range where pathSlots[slot].bucket.count != 0 { slots[slice(pathSlots[slot].key)] = Int32(slot) }
        for (key, slot) in slots {
            let shorter = key.indices.last { key[$0] == 0x2f && slots[key[..<$0]] != nil }
            if let shorter, let parent = slots[key[..<shorter]] { pathSlots[Int(slot)].parent = parent }
        }
    }

    // MARK: Routes

    private mutating func compile(_ route: Route, _ index: Int) -> Candidate? {
        do {
            return try candidate(route, index)
        } catch {
            problems.append(
                ObjectProblem(key: ObjectKey(.route, route.name), field: error.field, reason: error.reason))
            return nil
        }
    }

    private mutating func candidate(_ route: Route, _ index: Int) throws(RouteProblem) -> Candidate {
        let kind = PathKind(route.path.kind)
        var path = Array(route.path.value.utf8)
        var regex: RegularExpression?
        if kind == .prefix, path.last == 0x2f { path.removeLast() }
        if kind == .regex {
            let compiled = try compile(route.path.value, caseSensitive: route.path.caseSensitive, field: "path.value")
            regex = compiled
            path = compiled.literalPrefix
        } else if !route.path.caseSensitive {
            path = path.map(FoldedBytes.fold)
        }
        if let template = route.rewrite?.path {
            let rewrite = try PathRewrite(template, regex: regex)
            store(rewrite, of: index, prefix: kind == .prefix ? path.count : -1, regex: regex?.handle)
        }
        return Candidate(
            route: Int32(index), kind: kind, path: store(path), caseSensitive: route.path.caseSensitive,
            methods: store(methods: route.methods),
            headers: try store(route.headers, field: "headers") { key throws(RouteProblem) in
                try Self.headerSubject(key)
            },
            query: try store(route.queryParameters, field: "queryParameters") { _ in .query },
            regex: regex?.handle)
    }

    private mutating func compile(
        _ pattern: String, caseSensitive: Bool = true, field: String
    ) throws(RouteProblem) -> RegularExpression {
        do {
            let compiled = try RegularExpression(pattern: pattern, caseSensitive: caseSensitive)
            patterns.append(compiled)
            return compiled
        } catch {
            throw RouteProblem(field: field, reason: error.message)
        }
    }

    private static func headerSubject(_ key: String) throws(RouteProblem) -> Condition.Subject {
        guard key.utf8.first == 0x3a else { return .field }
        switch key {
        case ":authority": return .authority
        case ":path": return .path
        case ":method": return .method
        case ":scheme": return .scheme
        default: throw RouteProblem(field: "headers", reason: "unknown pseudo-header \(key)")
        }
    }

    private mutating func store(
        _ predicates: [KeyedPredicate], field: String,
        _ subject: (String) throws(RouteProblem) -> Condition.Subject
    ) throws(RouteProblem) -> Slice {
        var made: [Condition] = []
        for (position, predicate) in predicates.enumerated() {
            let about = try subject(predicate.key)
            let key = Array(predicate.key.utf8)
            let value = Array(predicate.value.utf8)
            var regex: RegularExpression?
            if predicate.kind == .regex {
                regex = try compile(predicate.value, field: "\(field)[\(position)].value")
            }
            made.append(
                Condition(
                    subject: about, kind: PathKind(predicate.kind),
                    key: store(about == .field ? key.map(FoldedBytes.fold) : key),
                    value: store(about == .authority ? value.map(FoldedBytes.fold) : value), regex: regex?.handle))
        }
        conditions += made
        return Slice(first: UInt32(conditions.count - made.count), count: UInt32(made.count))
    }

    private mutating func store(methods names: [String]) -> Slice {
        for name in names { methods.append(store(Array(name.utf8))) }
        return Slice(first: UInt32(methods.count - names.count), count: UInt32(names.count))
    }

    private mutating func store(_ rewrite: PathRewrite, of route: Int, prefix: Int, regex: OpaquePointer?) {
        let first = rewritePieces.count
        for piece in rewrite.pieces {
            switch piece {
            case .literal(let bytes): rewritePieces.append(RewritePiece(group: -1, literal: store(bytes)))
            case .group(let group): rewritePieces.append(RewritePiece(group: Int32(group), literal: store([])))
            }
        }
        let pieces = Slice(first: UInt32(first), count: UInt32(rewrite.pieces.count))
        rewriteOfRoute[route] = Int32(rewrites.count)
        rewrites.append(RewriteRule(pieces: pieces, prefix: Int32(prefix), regex: regex))
    }

    // MARK: Memory

    private mutating func store(_ text: [UInt8]) -> Text {
        let offset = bytes.count
        bytes += text
        precondition(bytes.count <= UInt32.max, "a snapshot is bounded far below 4 GiB of text")
        return Text(offset: UInt32(offset), count: UInt32(text.count))
    }

    private func slice(_ text: Text) -> ArraySlice<UInt8> {
        bytes[Int(text.offset)..<Int(text.offset) + Int(text.count)]
    }

    /// A power of two, at most five eighths full.
    private static func tableSize(_ count: Int) -> Int {
        var size = 4
        while size * 5 < count * 8 { size *= 2 }
        return size
    }

    /// Looks at what is built so far as a request would.
    private func withTables<R>(_ body: (FlatTables) -> R) -> R {
        let (tables, memory) = flatten()
        defer { for block in memory { block.deallocate() } }
        return body(tables)
    }

    func flatten() -> (FlatTables, [UnsafeMutableRawPointer]) {
        var memory: [UnsafeMutableRawPointer] = []
        func copy<T: BitwiseCopyable>(_ records: [T]) -> UnsafePointer<T> {
            let block = UnsafeMutablePointer<T>.allocate(capacity: max(records.count, 1))
            block.initialize(from: records, count: records.count)
            memory.append(UnsafeMutableRawPointer(block))
            return UnsafePointer(block)
        }
        let tables = FlatTables(
            bytes: UnsafeRawPointer(copy(bytes)), hosts: copy(hosts), hostMask: UInt32(hosts.count - 1),
            wildcardDepths: wildcardDepths, defaultHost: defaultHost, paths: copy(paths), pathSlots: copy(pathSlots),
            candidates: copy(candidates), conditions: copy(conditions), methods: copy(methods),
            rewriteOfRoute: copy(rewriteOfRoute), rewrites: copy(rewrites), rewritePieces: copy(rewritePieces))
        return (tables, memory)
    }
}

extension PathKind {
    init(_ kind: MatchKind) {
        self =
            switch kind {
            case .exact: .exact
            case .prefix: .prefix
            case .regex: .regex
            }
    }
}
