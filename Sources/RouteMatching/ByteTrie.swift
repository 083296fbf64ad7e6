// A map from folded bytes (hosts, paths) to records, as a persistent hash trie: an edit copies the nodes on its way and shares
// the others with the map before, so that it costs the same with ten keys as with a hundred thousand. Fan-out 64 by six
// bits of the hash a level; nodes keep only what is there (a bitmap each for leaves and children).
//
// Ownership is in classes, and what a look-up reads is raw memory beside them: no reference count on the hot path.

/// An entry as look-ups see it.
struct LeafRecord {
    let hash: UInt64
    let key: Text
    /// What the key stands for; lives as long as the leaf.
    let value: UnsafeRawPointer
    /// Another key with the same hash.
    let next: UnsafePointer<LeafRecord>?
}

/// A node as look-ups see it: two bitmaps, then one pointer a bit, leaves first.
struct NodeRecord {
    var leafMap: UInt64
    var nodeMap: UInt64
}

typealias LeafPointer = UnsafePointer<LeafRecord>

/// An entry with what it keeps alive.
///
/// Unchecked: the memory is written in `init` only.
final class TrieLeaf: @unchecked Sendable {
    let record: LeafPointer
    let owner: AnyObject
    fileprivate let next: TrieLeaf?
    private let memory: UnsafeMutableRawPointer

    var hash: UInt64 { record.pointee.hash }

    /// `key` is folded, and `hash` is the one that look-ups will ask with. `value` lives as long as `owner`.
    convenience init(key: [UInt8], hash: UInt64, value: UnsafeRawPointer, owner: AnyObject) {
        self.init(key: key, hash: hash, value: value, owner: owner, next: nil)
    }

    private init(key: [UInt8], hash: UInt64, value: UnsafeRawPointer, owner: AnyObject, next: TrieLeaf?) {
        var block = RecordBlock(recordBytes: RecordBlock.room(for: LeafRecord.self), textBytes: key.count)
        memory = block.memory
        let made = LeafRecord(hash: hash, key: block.place(key), value: value, next: next?.record)
        record = block.place(one: made)
        self.owner = owner
        self.next = next
    }

    deinit { memory.deallocate() }

    fileprivate func followed(by next: TrieLeaf?) -> TrieLeaf {
        self.next === next
            ? self
            : TrieLeaf(
                key: Array(record.pointee.key.bytes), hash: hash, value: record.pointee.value, owner: owner, next: next)
    }

    fileprivate func hasKey(_ key: UnsafeRawBufferPointer) -> Bool {
        record.pointee.key.bytes.elementsEqual(key)
    }

    /// This chain of equal hashes with the leaf in it, in place of one with its key.
    fileprivate func chained(with leaf: TrieLeaf) -> TrieLeaf {
        leaf.followed(by: unchained(leaf.record.pointee.key.bytes))
    }

    /// This chain without the key; nil: nothing is left.
    fileprivate func unchained(_ key: UnsafeRawBufferPointer) -> TrieLeaf? {
        if hasKey(key) { return next }
        return followed(by: next?.unchained(key))
    }
}

/// A node, immutable.
///
/// Unchecked: the memory is written in `init` only.
final class TrieNode: @unchecked Sendable {
    let record: UnsafePointer<NodeRecord>
    /// In the order of their bits.
    private let leaves: ContiguousArray<TrieLeaf>
    private let nodes: ContiguousArray<TrieNode>

    private static let bits: UInt64 = 6

    private init(
        leafMap: UInt64, leaves: ContiguousArray<TrieLeaf>, nodeMap: UInt64, nodes: ContiguousArray<TrieNode>
    ) {
        self.leaves = leaves
        self.nodes = nodes
        let slots = leaves.count + nodes.count
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<NodeRecord>.size + slots * MemoryLayout<UnsafeRawPointer>.stride, alignment: 16)
        let header = memory.bindMemory(to: NodeRecord.self, capacity: 1)
        header.initialize(to: NodeRecord(leafMap: leafMap, nodeMap: nodeMap))
        let place = (memory + MemoryLayout<NodeRecord>.size).bindMemory(to: UnsafeRawPointer.self, capacity: slots)
        for (index, leaf) in leaves.enumerated() { (place + index).initialize(to: UnsafeRawPointer(leaf.record)) }
        for (index, node) in nodes.enumerated() {
            (place + leaves.count + index).initialize(to: UnsafeRawPointer(node.record))
        }
        record = UnsafePointer(header)
    }

    deinit { UnsafeMutableRawPointer(mutating: record).deallocate() }

    // MARK: - Look-up

    /// The leaf with these bytes, folded, as its key.
    @inline(__always)
    static func find(
        _ root: UnsafePointer<NodeRecord>, hash: UInt64, _ base: UnsafeRawPointer, _ count: Int
    ) -> LeafPointer? {
        var node = root
        var rest = hash
        while true {
            let bit: UInt64 = 1 &<< (rest & 63)
            let slots = UnsafeRawPointer(node + 1).assumingMemoryBound(to: UnsafeRawPointer.self)
            if node.pointee.leafMap & bit != 0 {
                let index = (node.pointee.leafMap & (bit &- 1)).nonzeroBitCount
                var leaf: LeafPointer? = slots[index].assumingMemoryBound(to: LeafRecord.self)
                while let candidate = leaf {
                    if candidate.pointee.hash == hash, candidate.pointee.key.count == count,
                        FoldedBytes.equal(base, key: candidate.pointee.key.start, count: count)
                    {
                        return candidate
                    }
                    leaf = candidate.pointee.next
                }
                return nil
            }
            guard node.pointee.nodeMap & bit != 0 else { return nil }
            let index = (node.pointee.nodeMap & (bit &- 1)).nonzeroBitCount
            node = slots[node.pointee.leafMap.nonzeroBitCount &+ index].assumingMemoryBound(to: NodeRecord.self)
            rest &>>= bits
        }
    }

    /// The same for editors: the leaf that keeps what it stands for alive.
    func leaf(_ key: [UInt8], hash: UInt64) -> TrieLeaf? {
        var node = self
        var depth: UInt64 = 0
        while true {
            let bit = Self.bit(hash, depth)
            if node.leafMap & bit != 0 {
                var leaf: TrieLeaf? = node.leaves[Self.index(node.leafMap, bit)]
                while let candidate = leaf {
                    if candidate.hash == hash, key.withUnsafeBytes({ candidate.hasKey($0) }) { return candidate }
                    leaf = candidate.next
                }
                return nil
            }
            guard node.nodeMap & bit != 0 else { return nil }
            node = node.nodes[Self.index(node.nodeMap, bit)]
            depth += 1
        }
    }

    // MARK: - Edits

    /// A map of these leaves; of several with one key it has the last. nil: of none.
    static func made(of leaves: ContiguousArray<TrieLeaf>) -> TrieNode? {
        if leaves.isEmpty { return nil }
        // Numbers are sorted, not leaves: comparing these would fetch each from memory many times.
        var order = leaves.enumerated().map { (way: way($1.hash), index: $0) }
        order.sort { ($0.way, $0.index) < ($1.way, $1.index) }
        return made(of: ContiguousArray(order.map { leaves[$0.index] })[...], depth: 0)
    }

    /// The hash as a number that sorts like the way to its leaf: the bits of the root first.
    private static func way(_ hash: UInt64) -> UInt64 {
        var (way, rest): (UInt64, UInt64) = (0, hash)
        for _ in 0..<10 {
            way = way &<< bits | rest & 63
            rest &>>= bits
        }
        return way &<< 4 | rest
    }

    /// The leaves are in the order of their ways.
    private static func made(of leaves: ArraySlice<TrieLeaf>, depth: UInt64) -> TrieNode {
        var (leafMap, nodeMap): (UInt64, UInt64) = (0, 0)
        var (own, nodes): (ContiguousArray<TrieLeaf>, ContiguousArray<TrieNode>) = ([], [])
        var rest = leaves
        while let first = rest.first {
            let bit = bit(first.hash, depth)
            let end = rest.firstIndex { Self.bit($0.hash, depth) != bit } ?? rest.endIndex
            let group = rest[..<end]
            rest = rest[end...]
            if group.allSatisfy({ $0.hash == first.hash }) {
                leafMap |= bit
                own.append(group.dropFirst().reduce(first) { $0.chained(with: $1) })
            } else {
                nodeMap |= bit
                nodes.append(made(of: group, depth: depth + 1))
            }
        }
        return TrieNode(leafMap: leafMap, leaves: own, nodeMap: nodeMap, nodes: nodes)
    }

    /// This map with the leaf in it, in place of one with its key.
    func inserting(_ leaf: TrieLeaf) -> TrieNode { inserting(leaf, depth: 0) }

    private func inserting(_ leaf: TrieLeaf, depth: UInt64) -> TrieNode {
        let bit = Self.bit(leaf.hash, depth)
        if nodeMap & bit != 0 {
            let index = Self.index(nodeMap, bit)
            var nodes = nodes
            nodes[index] = nodes[index].inserting(leaf, depth: depth + 1)
            return TrieNode(leafMap: leafMap, leaves: leaves, nodeMap: nodeMap, nodes: nodes)
        }
        let index = Self.index(leafMap, bit)
        var leaves = leaves
        guard leafMap & bit != 0 else {
            leaves.insert(leaf, at: index)
            return TrieNode(leafMap: leafMap | bit, leaves: leaves, nodeMap: nodeMap, nodes: nodes)
        }
        let present = leaves[index]
        if present.hash == leaf.hash {
            leaves[index] = present.chained(with: leaf)
            return TrieNode(leafMap: leafMap, leaves: leaves, nodeMap: nodeMap, nodes: nodes)
        }
        leaves.remove(at: index)
        var nodes = nodes
        nodes.insert(
            Self.empty.inserting(present, depth: depth + 1).inserting(leaf, depth: depth + 1),
            at: Self.index(nodeMap, bit))
        return TrieNode(leafMap: leafMap & ~bit, leaves: leaves, nodeMap: nodeMap | bit, nodes: nodes)
    }

    /// This map without the key; nil: nothing is left.
    func removing(_ key: UnsafeRawBufferPointer, hash: UInt64) -> TrieNode? {
        switch removing(key, hash, depth: 0) {
        case .unchanged: self
        case .empty: nil
        case .leaf(let leaf): Self.empty.inserting(leaf, depth: 0)
        case .node(let node): node
        }
    }

    private enum Remainder {
        case unchanged
        case empty
        /// One leaf alone, which its parent takes over.
        case leaf(TrieLeaf)
        case node(TrieNode)
    }

    private func removing(_ key: UnsafeRawBufferPointer, _ hash: UInt64, depth: UInt64) -> Remainder {
        let bit = Self.bit(hash, depth)
        if nodeMap & bit != 0 {
            let index = Self.index(nodeMap, bit)
            var nodes = nodes
            switch nodes[index].removing(key, hash, depth: depth + 1) {
            case .unchanged: return .unchanged
            case .node(let node):
                nodes[index] = node
                return .node(TrieNode(leafMap: leafMap, leaves: leaves, nodeMap: nodeMap, nodes: nodes))
            case .empty:
                nodes.remove(at: index)
                return Self.remainder(leafMap, leaves, nodeMap & ~bit, nodes)
            case .leaf(let leaf):
                nodes.remove(at: index)
                var leaves = leaves
                leaves.insert(leaf, at: Self.index(leafMap, bit))
                return Self.remainder(leafMap | bit, leaves, nodeMap & ~bit, nodes)
            }
        }
        guard leafMap & bit != 0 else { return .unchanged }
        let index = Self.index(leafMap, bit)
        guard leaves[index].hash == hash else { return .unchanged }
        var leaves = leaves
        if let rest = leaves[index].unchained(key) {
            if rest === leaves[index] { return .unchanged }
            leaves[index] = rest
            return Self.remainder(leafMap, leaves, nodeMap, nodes)
        }
        leaves.remove(at: index)
        return Self.remainder(leafMap & ~bit, leaves, nodeMap, nodes)
    }

    private static func remainder(
        _ leafMap: UInt64, _ leaves: ContiguousArray<TrieLeaf>, _ nodeMap: UInt64, _ nodes: ContiguousArray<TrieNode>
    ) -> Remainder {
        if nodes.isEmpty {
            guard let first = leaves.first else { return .empty }
            if leaves.count == 1 { return .leaf(first) }
        }
        return .node(TrieNode(leafMap: leafMap, leaves: leaves, nodeMap: nodeMap, nodes: nodes))
    }

    private static let empty = TrieNode(leafMap: 0, leaves: [], nodeMap: 0, nodes: [])

    private var leafMap: UInt64 { record.pointee.leafMap }
    private var nodeMap: UInt64 { record.pointee.nodeMap }

    private static func bit(_ hash: UInt64, _ depth: UInt64) -> UInt64 { 1 &<< (hash &>> (depth &* bits) & 63) }

    private static func index(_ map: UInt64, _ bit: UInt64) -> Int { (map & (bit &- 1)).nonzeroBitCount }

    /// Calls `body` with every leaf.
    func forEach(_ body: (TrieLeaf) -> Void) {
        for leaf in leaves {
            var next: TrieLeaf? = leaf
            while let found = next {
                body(found)
                next = found.next
            }
        }
        for node in nodes { node.forEach(body) }
    }
}
