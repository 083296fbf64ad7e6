// From an authority to the virtual hosts to ask, most specific first. Trivial values and pointers into memory that a
// `RouteTable` owns and never changes: a look-up allocates nothing and counts no references.

/// What a look-up by host reads. Valid as long as the `RouteTable` lives.
struct HostTables {
    /// Keys are hosts, folded. A wildcard `*.example.com` is kept as `.example.com`, which no exact host begins like.
    let hosts: UnsafePointer<NodeRecord>?
    /// Bit n: some wildcard has n dots (bit 63: 63 or more).
    let wildcardDepths: UInt64
    let defaultHost: HostPointer?

    /// Names that are longer match no virtual host but the default: a DNS name has at most 253 bytes.
    static let longestName = 255

    /// Gives the virtual hosts that cover an authority to `body`, most specific first, until it returns a value: the exact
    /// one, wildcards from the longest to the shortest, the default.
    @inline(__always)
    func first<R>(_ authority: UnsafeRawBufferPointer, _ body: (HostPointer) -> R?) -> R? {
        let name = RouteTable.hostName(authority)
        // No name begins with a dot; the keys of wildcards do.
        if let hosts, let base = name.baseAddress, name.count > 0, name.count <= Self.longestName,
            base.load(as: UInt8.self) != 0x2e
        {
            if let leaf = find(hosts, base, name.count), let found = body(Self.host(leaf)) { return found }
            if wildcardDepths != 0, let found = firstWildcard(hosts, base, name.count, body) { return found }
        }
        return defaultHost.flatMap(body)
    }

    /// A wildcard covers names with at least one byte in place of the star.
    private func firstWildcard<R>(
        _ hosts: UnsafePointer<NodeRecord>, _ base: UnsafeRawPointer, _ count: Int, _ body: (HostPointer) -> R?
    ) -> R? {
        var dots = 0
        for offset in 0..<count where base.load(fromByteOffset: offset, as: UInt8.self) == 0x2e { dots &+= 1 }
        for offset in 0..<count where base.load(fromByteOffset: offset, as: UInt8.self) == 0x2e {
            if offset > 0, wildcardDepths &>> UInt64(min(dots, 63)) & 1 != 0,
                let leaf = find(hosts, base + offset, count &- offset), let found = body(Self.host(leaf))
            {
                return found
            }
            dots &-= 1
        }
        return nil
    }

    @inline(__always)
    private func find(_ hosts: UnsafePointer<NodeRecord>, _ base: UnsafeRawPointer, _ count: Int) -> LeafPointer? {
        TrieNode.find(hosts, hash: FoldedBytes.hash(0, base, count), base, count)
    }

    @inline(__always)
    private static func host(_ leaf: LeafPointer) -> HostPointer {
        leaf.pointee.value.assumingMemoryBound(to: HostRecord.self)
    }
}

extension RouteTable {
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
}
