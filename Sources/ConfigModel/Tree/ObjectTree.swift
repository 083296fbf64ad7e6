// The objects of a snapshot as a tree of hashes: one for each kind, over nodes that never change and are shared from version
// to version. Putting, removing, looking up and telling two trees apart cost what differs, not what there is.

package import Seal

/// Objects by key, with a hash that stands for all of them.
package struct ObjectTree: Sendable {
    /// By the kind's position in `ObjectKind.allCases`.
    private var nodes: [ObjectNode?]
    /// Stands for the objects: equal roots mean equal objects.
    package private(set) var root: Hash256

    package init() {
        self.init(nodes: ObjectKind.allCases.map { _ in nil })
    }

    private init(nodes: [ObjectNode?]) {
        self.nodes = nodes
        root = Self.root(nodes)
    }

    /// Built in one go.
    package init(_ objects: [SnapshotObject]) throws(DuplicateObject) {
        var nodes: [ObjectNode?] = []
        for kind in ObjectKind.allCases {
            let sorted = try Self.sorted(objects, kind)
            nodes.append(ObjectNode.build(sorted[...]))
        }
        self.init(nodes: nodes)
    }

    /// SHA-256 over a label and, for each kind that there is: the kind's byte and its node's hash.
    private static func root(_ nodes: [ObjectNode?]) -> Hash256 {
        var input = Array("causeway snapshot 2\n".utf8)
        for (kind, node) in zip(ObjectKind.allCases, nodes) {
            guard let node else { continue }
            input.append(kind.rawValue)
            node.hash.withUnsafeBytes { input.append(contentsOf: $0) }
        }
        return SHA256.hash(input)
    }

    /// Numbers are sorted, not objects: comparing these would fetch each from memory many times.
    private static func sorted(
        _ objects: [SnapshotObject], _ kind: ObjectKind
    ) throws(DuplicateObject) -> [SnapshotObject] {
        var places: [(place: UInt64, index: Int)] = []
        for (index, object) in objects.enumerated() where object.key.kind == kind {
            places.append((object.place, index))
        }
        places.sort { a, b in
            a.place == b.place ? objects[a.index].key < objects[b.index].key : a.place < b.place
        }
        for (a, b) in zip(places, places.dropFirst())
        where a.place == b.place && objects[a.index].key == objects[b.index].key {
            throw DuplicateObject(key: objects[a.index].key)
        }
        return places.map { objects[$0.index] }
    }

    private static func position(_ kind: ObjectKind) -> Int { Int(kind.rawValue) - 1 }

    // MARK: Looking

    package var count: Int { nodes.reduce(0) { $0 + ($1?.count ?? 0) } }
    package var isEmpty: Bool { nodes.allSatisfy { $0 == nil } }

    package subscript(key: ObjectKey) -> SnapshotObject? {
        ObjectNode.find(key, key.place, in: nodes[Self.position(key.kind)])
    }

    /// The objects of a kind.
    package func of(_ kind: ObjectKind) -> Part { Part(node: nodes[Self.position(kind)]) }

    // MARK: Editing

    /// The tree with objects put in place of those of their keys, and others taken out. Of a key that is in both lists the
    /// object is put; keys that are not there may be removed.
    package func applying(puts: [SnapshotObject], removals: [ObjectKey]) -> ObjectTree {
        var edits: [ObjectNode.Edit] = removals.map { ObjectNode.Edit(place: $0.place, key: $0, object: nil) }
        edits += puts.map { ObjectNode.Edit(place: $0.place, key: $0.key, object: $0) }
        var next = nodes
        for (position, kind) in ObjectKind.allCases.enumerated() {
            let own = Self.lastOfEach(edits.filter { $0.key.kind == kind })
            next[position] = ObjectNode.applying(own[...], to: nodes[position])
        }
        return zip(next, nodes).allSatisfy({ $0 === $1 }) ? self : ObjectTree(nodes: next)
    }

    /// In order. Of several edits of one key the last one counts.
    private static func lastOfEach(_ edits: [ObjectNode.Edit]) -> [ObjectNode.Edit] {
        if edits.count < 2 { return edits }
        let sorted = edits.enumerated().sorted { a, b in
            a.element.key == b.element.key
                ? a.offset < b.offset : ObjectNode.Edit.precedes(a.element, b.element)
        }.map(\.element)
        return sorted.indices.filter { $0 + 1 == sorted.count || sorted[$0].key != sorted[$0 + 1].key }
            .map { sorted[$0] }
    }

    package func setting(_ object: SnapshotObject) -> ObjectTree { applying(puts: [object], removals: []) }
    package func removing(_ key: ObjectKey) -> ObjectTree { applying(puts: [], removals: [key]) }

    /// The same contents, in the memory of the other tree wherever the two are equal.
    package func sharing(with other: ObjectTree) -> ObjectTree {
        if root == other.root { return other }
        var shared = self
        for index in nodes.indices { shared.nodes[index] = ObjectNode.sharing(nodes[index], with: other.nodes[index]) }
        return shared
    }

    // MARK: Comparing

    /// Tells each object that differs: the old form, or `nil` for one that was added; the new form, or `nil` for one that is gone.
    /// What is equal is skipped by the hashes over it.
    package static func compare(
        _ old: ObjectTree, _ new: ObjectTree, _ tell: (SnapshotObject?, SnapshotObject?) -> Void
    ) {
        if old.root == new.root { return }
        for (before, after) in zip(old.nodes, new.nodes) { ObjectNode.compare(before, after, tell) }
    }
}

extension ObjectTree: Sequence {
    /// By kind, within a kind in an order that follows from the names but is not theirs.
    package func makeIterator() -> Iterator { Iterator(nodes.compactMap(\.self)) }
    package var underestimatedCount: Int { count }

    /// Walks over leaves.
    package struct Iterator: IteratorProtocol {
        /// What is still to be visited, the next one last.
        private var stack: [ObjectNode]
        private var leaf: ArraySlice<SnapshotObject> = []

        init(_ nodes: [ObjectNode]) {
            stack = nodes.reversed()
        }

        package mutating func next() -> SnapshotObject? {
            while leaf.isEmpty {
                guard let node = stack.popLast() else { return nil }
                switch node.content {
                case .leaf(let objects): leaf = objects[...]
                case .branch(_, let children): stack += children.reversed()
                }
            }
            return leaf.removeFirst()
        }
    }

    /// The objects of one kind.
    package struct Part: Sequence, Sendable {
        fileprivate let node: ObjectNode?

        package var count: Int { node?.count ?? 0 }
        package var underestimatedCount: Int { count }
        package func makeIterator() -> Iterator { Iterator([node].compactMap(\.self)) }
    }
}

extension Sequence<SnapshotObject> {
    /// For those who read it. The tree keeps no such order.
    package func inOrderOfKeys() -> [SnapshotObject] { sorted { $0.key < $1.key } }
}
