// The lookups of a `RouteTable` over its raw memory: host, then path, then conditions. Everything here is trivial values
// and pointers into memory that the table owns and never changes, so a match allocates nothing and counts no references.

/// Pointers to the records of a table. Valid as long as the `RouteTable` lives.
struct FlatTables {
    let bytes: UnsafeRawPointer
    let hosts: UnsafePointer<HostSlot>
    let hostMask: UInt32
    /// Bit n: some wildcard has n dots (bit 63: 63 or more).
    let wildcardDepths: UInt64
    /// -1: none.
    let defaultHost: Int32
    let paths: UnsafePointer<PathIndex>
    let pathSlots: UnsafePointer<PathSlot>
    let candidates: UnsafePointer<Candidate>
    let conditions: UnsafePointer<Condition>
    let methods: UnsafePointer<Text>
    /// By route: index of its rewrite rule; -1: none.
    let rewriteOfRoute: UnsafePointer<Int32>
    let rewrites: UnsafePointer<RewriteRule>
    let rewritePieces: UnsafePointer<RewritePiece>

    /// Names that are longer match no virtual host but the default: a DNS name has at most 253 bytes.
    static let longestHost = 255

    /// Up to this many candidates are checked one after the other; a table would cost more than it saves.
    static let shortList = 6

    @inline(__always)
    func pointer(_ text: Text) -> UnsafeRawPointer {
        bytes + Int(text.offset)
    }

    // MARK: Host

    /// The name in an authority: without port and without one trailing dot. Brackets of IPv6 addresses stay.
    @inline(__always)
    static func hostName(_ authority: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let base = authority.baseAddress else { return authority }
        var end = authority.count
        while end > 0, base.load(fromByteOffset: end &- 1, as: UInt8.self) &- 0x30 < 10 { end &-= 1 }
        // Digits at the end are a port only behind a colon.
        end = end > 0 && base.load(fromByteOffset: end &- 1, as: UInt8.self) == 0x3a ? end &- 1 : authority.count
        if end > 1, base.load(fromByteOffset: end &- 1, as: UInt8.self) == 0x2e { end &-= 1 }
        return UnsafeRawBufferPointer(start: base, count: end)
    }

    /// The slot of the most specific host that covers the name; -1: none but the default.
    @inline(__always)
    func hostSlot(_ name: UnsafeRawBufferPointer) -> Int32 {
        guard let base = name.baseAddress, name.count > 0, name.count <= Self.longestHost else { return -1 }
        // No name begins with a dot; the keys of wildcards do.
        guard base.load(as: UInt8.self) != 0x2e else { return -1 }
        let exact = findHost(base, name.count)
        return exact >= 0 || wildcardDepths == 0 ? exact : wildcardSlot(base, name.count)
    }

    /// The slot of the longest wildcard that covers the name with at least one byte in place of the star.
    func wildcardSlot(_ base: UnsafeRawPointer, _ count: Int) -> Int32 {
        var dots = 0
        for offset in 0..<count where base.load(fromByteOffset: offset, as: UInt8.self) == 0x2e { dots &+= 1 }
        for offset in 0..<count where base.load(fromByteOffset: offset, as: UInt8.self) == 0x2e {
            if offset > 0, wildcardDepths &>> UInt64(min(dots, 63)) & 1 != 0 {
                let slot = findHost(base + offset, count &- offset)
                if slot >= 0 { return slot }
            }
            dots &-= 1
        }
        return -1
    }

    @inline(__always)
    private func findHost(_ base: UnsafeRawPointer, _ count: Int) -> Int32 {
        let hash = UInt32(truncatingIfNeeded: FoldedBytes.hash(0, base, count))
        var slot = hash & hostMask
        while hosts[Int(slot)].key.count != 0 {
            let key = hosts[Int(slot)].key
            if hosts[Int(slot)].hash == hash, Int(key.count) == count,
                FoldedBytes.equal(base, key: pointer(key), count: count)
            {
                return Int32(bitPattern: slot)
            }
            slot = (slot &+ 1) & hostMask
        }
        return -1
    }

    /// Calls `body` with the virtual hosts to try for an authority, most specific first, until it returns a value.
    @inline(__always)
    func firstHost<R>(_ authority: UnsafeRawBufferPointer, _ body: (Int32) -> R?) -> R? {
        var slot = hostSlot(Self.hostName(authority))
        while slot >= 0 {
            if let found = body(hosts[Int(slot)].virtualHost) { return found }
            slot = hosts[Int(slot)].parent
        }
        return defaultHost >= 0 ? body(defaultHost) : nil
    }

    // MARK: Path

    /// The first candidate of a virtual host, by rank, whose conditions all hold; -1: none.
    @inline(__always)
    func candidate(_ virtualHost: Int32, _ head: borrowing RequestHead) -> Int32 {
        let index = paths + Int(virtualHost)
        if Int(index.pointee.all.count) <= Self.shortList { return first(index.pointee.all, head) }
        return indexedCandidate(index, head)
    }

    private func indexedCandidate(_ index: UnsafePointer<PathIndex>, _ head: borrowing RequestHead) -> Int32 {
        let (exact, prefix) = pathBuckets(index, head.path)
        if exact.count != 0 {
            let found = first(exact, head)
            if found >= 0 { return found }
        }
        var slot = prefix
        while slot >= 0 {
            let found = first(pathSlots[Int(slot)].bucket, head)
            if found >= 0 { return found }
            slot = pathSlots[Int(slot)].parent
        }
        var found = first(index.pointee.root, head)
        if found < 0 { found = first(index.pointee.regexes, head) }
        return found >= 0 ? found : first(index.pointee.catchAll, head)
    }

    /// One pass over the path: the bucket of exact routes, and the slot of the longest prefix that covers it.
    ///
    /// The hash is taken segment by segment, so that it is known at every `/` on the way.
    private func pathBuckets(
        _ index: UnsafePointer<PathIndex>, _ path: UnsafeRawBufferPointer
    ) -> (exact: Slice, prefix: Int32) {
        guard let base = path.baseAddress, path.count > 0 else { return (.empty, -1) }
        let longestPrefix = Int(index.pointee.longestPrefix)
        let exactPossible = path.count <= Int(index.pointee.longestExact)
        let depths = index.pointee.prefixDepths
        var hash: UInt64 = 0
        var start = 0
        var depth: UInt64 = 0
        var prefix: Int32 = -1
        while start < path.count, exactPossible || start < longestPrefix {
            var end = start &+ 1
            while end < path.count, base.load(fromByteOffset: end, as: UInt8.self) != 0x2f { end &+= 1 }
            hash = FoldedBytes.hash(hash, base + start, end &- start)
            if base.load(fromByteOffset: start, as: UInt8.self) == 0x2f { depth &+= 1 }
            if end <= longestPrefix, depths &>> min(depth, 63) & 1 != 0 {
                let slot = findPath(index.pointee.prefixes, hash, base, end)
                if slot >= 0 { prefix = slot }
            }
            start = end
        }
        guard exactPossible else { return (.empty, prefix) }
        let slot = findPath(index.pointee.exact, hash, base, path.count)
        return (slot >= 0 ? pathSlots[Int(slot)].bucket : .empty, prefix)
    }

    /// The hash that `pathBuckets` reaches at the end of a path.
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

    @inline(__always)
    func findPath(_ table: Slice, _ fullHash: UInt64, _ base: UnsafeRawPointer, _ count: Int) -> Int32 {
        guard table.count != 0 else { return -1 }
        let hash = UInt32(truncatingIfNeeded: fullHash)
        let mask = table.count &- 1
        var place = hash & mask
        while true {
            let slot = pathSlots + Int(table.first &+ place)
            if slot.pointee.bucket.count == 0 { return -1 }
            if slot.pointee.hash == hash, Int(slot.pointee.key.count) == count,
                FoldedBytes.equal(base, key: pointer(slot.pointee.key), count: count)
            {
                return Int32(bitPattern: table.first &+ place)
            }
            place = (place &+ 1) & mask
        }
    }

    @inline(__always)
    private func first(_ slice: Slice, _ head: borrowing RequestHead) -> Int32 {
        var candidate = slice.first
        let end = slice.first &+ slice.count
        while candidate < end {
            if check(candidates + Int(candidate), head).isMatch { return Int32(bitPattern: candidate) }
            candidate &+= 1
        }
        return -1
    }
}
