// A node of the tree of objects: its shape, its hash, and how edits make another one out of it. What an edit does not touch is
// shared, so that a change costs its path to the root and nothing else.
//
// Objects stand in the order of their places (the first 64 bits of a hash of their name). A node that covers up to
// `leafLimit` objects is a leaf; one that covers more has up to 64 children, by the next six bits. So the shape, and with it
// the hash, follows from the contents alone, whatever edits led to them.

import Seal

final class ObjectNode: Sendable {
    enum Content: Sendable {
        /// In ascending order of place and name.
        case leaf([SnapshotObject])
        /// A bit for each child that is there, lowest first.
        case branch(UInt64, [ObjectNode])
    }

    let content: Content
    /// Objects at and below it.
    let count: Int
    /// Of the objects' hashes for a leaf, of the children's for a branch; a byte before them tells the two apart. An object's hash
    /// covers its kind and name.
    let hash: Hash256

    static let leafLimit = 32
    private static let bits = 6
    /// Here the bits of a place are used up: objects that agree in 60 bits share a leaf, however many they are.
    private static let deepest = 10

    private init(leaf objects: [SnapshotObject]) {
        content = .leaf(objects)
        count = objects.count
        var input: [UInt8] = [0]
        input.reserveCapacity(1 + objects.count * Hash256.byteCount)
        for object in objects { object.hash.withUnsafeBytes { input.append(contentsOf: $0) } }
        hash = SHA256.hash(input)
    }

    private init(branch map: UInt64, _ children: [ObjectNode]) {
        content = .branch(map, children)
        count = children.reduce(0) { $0 + $1.count }
        var input: [UInt8] = [1]
        input.reserveCapacity(9 + children.count * Hash256.byteCount)
        withUnsafeBytes(of: map.bigEndian) { input.append(contentsOf: $0) }
        for child in children { child.hash.withUnsafeBytes { input.append(contentsOf: $0) } }
        hash = SHA256.hash(input)
    }

    /// Which of 64 children of a node at this depth a place belongs to.
    private static func slot(_ place: UInt64, _ depth: Int) -> Int {
        Int(truncatingIfNeeded: place >> UInt64(64 - bits * (depth + 1))) & 63
    }

    // MARK: Building

    /// The node for objects that are in order, each key once; `nil` for none.
    static func build(_ objects: ArraySlice<SnapshotObject>, depth: Int = 0) -> ObjectNode? {
        if objects.isEmpty { return nil }
        if objects.count <= leafLimit || depth == deepest { return ObjectNode(leaf: Array(objects)) }
        var map: UInt64 = 0
        var children: [ObjectNode] = []
        var rest = objects
        while let first = rest.first {
            let slot = slot(first.place, depth)
            let end = rest.firstIndex { Self.slot($0.place, depth) != slot } ?? rest.endIndex
            guard let child = build(rest[..<end], depth: depth + 1) else { break }
            map |= 1 << UInt64(slot)
            children.append(child)
            rest = rest[end...]
        }
        return ObjectNode(branch: map, children)
    }

    // MARK: Editing

    /// An object put in place of that of its key, or (`nil`) that one taken out.
    struct Edit {
        let place: UInt64
        let key: ObjectKey
        let object: SnapshotObject?

        static func precedes(_ a: Edit, _ b: Edit) -> Bool {
            a.place == b.place ? a.key < b.key : a.place < b.place
        }
    }

    /// The node after the edits, which are in order, each key once. The same node when they change nothing.
    static func applying(_ edits: ArraySlice<Edit>, to node: ObjectNode?, depth: Int = 0) -> ObjectNode? {
        if edits.isEmpty { return node }
        guard let node else { return build(edits.compactMap(\.object)[...], depth: depth) }
        switch node.content {
        case .leaf(let objects):
            guard let merged = merge(edits, into: objects) else { return node }
            return build(merged[...], depth: depth)
        case .branch(let map, let children):
            return applying(edits, to: node, map, children, depth)
        }
    }

    private static func applying(
        _ edits: ArraySlice<Edit>, to node: ObjectNode, _ map: UInt64, _ children: [ObjectNode], _ depth: Int
    ) -> ObjectNode? {
        var rest = edits
        var old = 0
        var next: [ObjectNode] = []
        next.reserveCapacity(64)
        var nextMap: UInt64 = 0
        var differs = false
        for slot in 0..<64 {
            let isThere = map & (1 << UInt64(slot)) != 0
            let child = isThere ? children[old] : nil
            if isThere { old += 1 }
            let end = rest.firstIndex { Self.slot($0.place, depth) != slot } ?? rest.endIndex
            let made = applying(rest[..<end], to: child, depth: depth + 1)
            rest = rest[end...]
            differs = differs || made !== child
            if let made {
                next.append(made)
                nextMap |= 1 << UInt64(slot)
            }
        }
        if !differs { return node }
        if next.isEmpty { return nil }
        let branch = next.reduce(0) { $0 + $1.count }
        if branch > leafLimit { return ObjectNode(branch: nextMap, next) }
        var objects: [SnapshotObject] = []
        for child in next { child.collect(into: &objects) }
        return ObjectNode(leaf: objects)
    }

    /// `nil`: nothing differs.
    private static func merge(_ edits: ArraySlice<Edit>, into objects: [SnapshotObject]) -> [SnapshotObject]? {
        var merged: [SnapshotObject] = []
        merged.reserveCapacity(objects.count + edits.count)
        var differs = false
        var index = 0
        for edit in edits {
            while index < objects.count, objects[index].precedes(edit.place, edit.key) {
                merged.append(objects[index])
                index += 1
            }
            var old: SnapshotObject?
            if index < objects.count, objects[index].key == edit.key {
                old = objects[index]
                index += 1
            }
            if let old, old == edit.object {
                merged.append(old)
                continue
            }
            differs = differs || old != nil || edit.object != nil
            if let object = edit.object { merged.append(object) }
        }
        guard differs else { return nil }
        merged += objects[index...]
        return merged
    }

    private func collect(into objects: inout [SnapshotObject]) {
        switch content {
        case .leaf(let own): objects += own
        case .branch(_, let children): for child in children { child.collect(into: &objects) }
        }
    }

    /// The same contents with the nodes and objects of the other one wherever those are equal.
    static func sharing(_ node: ObjectNode?, with other: ObjectNode?) -> ObjectNode? {
        guard let node, let other else { return node }
        if node === other || node.hash == other.hash { return other }
        switch (node.content, other.content) {
        case (.branch(let map, let children), .branch(let otherMap, let others)):
            var shared: [ObjectNode] = []
            shared.reserveCapacity(children.count)
            for (slot, child) in zip(slots(of: map), children) {
                shared.append(sharing(child, with: self.child(slot, otherMap, others)) ?? child)
            }
            return ObjectNode(node, children: shared)
        case (.leaf(let objects), .leaf(let others)):
            return ObjectNode(node, objects: objects.map { object in others.first { $0 == object } ?? object })
        default: return node
        }
    }

    /// The same node over equal parts.
    private init(_ node: ObjectNode, children: [ObjectNode]? = nil, objects: [SnapshotObject]? = nil) {
        switch node.content {
        case .leaf(let own): content = .leaf(objects ?? own)
        case .branch(let map, let own): content = .branch(map, children ?? own)
        }
        (count, hash) = (node.count, node.hash)
    }

    private static func slots(of map: UInt64) -> [Int] { (0..<64).filter { map & (1 << UInt64($0)) != 0 } }

    private static func child(_ slot: Int, _ map: UInt64, _ children: [ObjectNode]) -> ObjectNode? {
        guard map & (1 << UInt64(slot)) != 0 else { return nil }
        return children[(map & ((1 << UInt64(slot)) - 1)).nonzeroBitCount]
    }

    // MARK: Looking

    static func find(_ key: ObjectKey, _ place: UInt64, in node: ObjectNode?) -> SnapshotObject? {
        var node = node
        var depth = 0
        while let current = node {
            switch current.content {
            case .leaf(let objects): return objects.first { $0.place == place && $0.key == key }
            case .branch(let map, let children): node = child(slot(place, depth), map, children)
            }
            depth += 1
        }
        return nil
    }

    /// Tells what differs between two nodes of the same place in their trees, without a look at what is equal.
    static func compare(
        _ old: ObjectNode?, _ new: ObjectNode?, _ tell: (SnapshotObject?, SnapshotObject?) -> Void
    ) {
        if old === new { return }
        if let old, let new {
            if old.hash == new.hash { return }
            if case (.branch(let oldMap, let before), .branch(let newMap, let after)) = (old.content, new.content) {
                for slot in slots(of: oldMap | newMap) {
                    compare(child(slot, oldMap, before), child(slot, newMap, after), tell)
                }
                return
            }
        }
        var before: [SnapshotObject] = []
        var after: [SnapshotObject] = []
        old?.collect(into: &before)
        new?.collect(into: &after)
        compare(before[...], after[...], tell)
    }

    private static func compare(
        _ old: ArraySlice<SnapshotObject>, _ new: ArraySlice<SnapshotObject>,
        _ tell: (SnapshotObject?, SnapshotObject?) -> Void
    ) {
        var (before, after) = (old, new)
        while let a = before.first, let b = after.first {
            if a.key == b.key {
                if a != b { tell(a, b) }
                before.removeFirst()
                after.removeFirst()
            } else if a.precedes(b.place, b.key) {
                tell(a, nil)
                before.removeFirst()
            } else {
                tell(nil, b)
                after.removeFirst()
            }
        }
        for object in before { tell(object, nil) }
        for object in after { tell(nil, object) }
    }
}
