// The tree of objects against a dictionary: what it holds, that its shape follows from that alone, and what differs.

import ConfigModel
import Seal
import Testing

@Suite struct ObjectTreeTests {
    private static func object(_ kind: ObjectKind, _ name: String, _ value: UInt16) -> SnapshotObject {
        switch kind {
        case .cluster:
            SnapshotObject(
                .cluster(Cluster(name: name, endpoints: [Endpoint(host: "a", port: value)], protocol: .http1)))
        default: SnapshotObject(.listener(Listener(name: name, address: "::1", port: value, tls: false)))
        }
    }

    private static func hashes(_ tree: ObjectTree) -> [ObjectKey: Hash256] {
        Dictionary(uniqueKeysWithValues: tree.map { ($0.key, $0.hash) })
    }

    /// Sizes around the limits of a leaf, and past those of two levels.
    @Test(arguments: [4, 40, 90, 700, 5_000])
    func holdsWhatADictionaryHoldsWhateverTheOrderOfEdits(names: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var tree = ObjectTree()
        var known: [ObjectKey: SnapshotObject] = [:]
        // Grows, is stirred, and shrinks to nothing.
        for round in 0..<60 {
            var puts: [SnapshotObject] = []
            var removals: [ObjectKey] = []
            for _ in 0..<Int.random(in: 1...max(2, names / 8), using: &generator) {
                let name = "n\(Int.random(in: 0..<names, using: &generator))"
                let kind: ObjectKind = Bool.random(using: &generator) ? .cluster : .listener
                let chance = Double.random(in: 0..<60, using: &generator)
                if chance < Double(round) {
                    removals.append(ObjectKey(kind, name))
                } else {
                    puts.append(Self.object(kind, name, UInt16.random(in: 0...2, using: &generator)))
                }
            }
            if round == 59 { (puts, removals) = ([], Array(known.keys)) }
            let before = tree
            let beforeKnown = known
            for key in removals { known[key] = nil }
            for object in puts { known[object.key] = object }
            tree = tree.applying(puts: puts, removals: removals)

            #expect(tree.count == known.count, "seed \(seed)")
            #expect(Self.hashes(tree) == known.mapValues(\.hash), "seed \(seed)")
            let fresh = try ObjectTree(known.values.shuffled(using: &generator))
            #expect(tree.root == fresh.root, "seed \(seed), round \(round)")
            let oneByOne = known.values.reduce(ObjectTree()) { $0.setting($1) }
            #expect(tree.root == oneByOne.root, "seed \(seed), round \(round)")
            for key in removals + puts.map(\.key) { #expect(tree[key] == known[key], "seed \(seed)") }
            try check(before, beforeKnown, tree, known, seed)
        }
        #expect(tree.isEmpty && tree.root == ObjectTree().root)
    }

    private func check(
        _ before: ObjectTree, _ beforeKnown: [ObjectKey: SnapshotObject], _ tree: ObjectTree,
        _ known: [ObjectKey: SnapshotObject], _ seed: UInt64
    ) throws {
        let diff = SnapshotDiff(from: before, to: tree)
        let (old, new) = (Set(beforeKnown.keys), Set(known.keys))
        #expect(Set(diff.addedKeys) == new.subtracting(old), "seed \(seed)")
        #expect(Set(diff.removedKeys) == old.subtracting(new), "seed \(seed)")
        #expect(
            Set(diff.changedKeys) == old.intersection(new).filter { beforeKnown[$0] != known[$0] }, "seed \(seed)")
        #expect(diff.changed.allSatisfy { $0.old == beforeKnown[$0.new.key] && $0.new == known[$0.old.key] })
        // What differs, applied, leads there.
        let again = before.applying(
            puts: diff.added + diff.changed.map(\.new), removals: diff.removed.map(\.key))
        #expect(again.root == tree.root, "seed \(seed)")
        let shared = try ObjectTree(Array(known.values)).sharing(with: before)
        #expect(shared.root == tree.root && Self.hashes(shared) == Self.hashes(tree), "seed \(seed)")
    }

    @Test func everyKindHasItsPart() throws {
        let tree = try ObjectTree([
            Self.object(.listener, "b", 1), Self.object(.cluster, "a", 1), Self.object(.listener, "a", 1),
        ])
        #expect(tree.of(.listener).inOrderOfKeys().map(\.key.name) == ["a", "b"])
        #expect(tree.of(.listener).count == 2)
        #expect(Array(tree.of(.route)).isEmpty)
        #expect(tree.removing(ObjectKey(.listener, "a")).of(.listener).map(\.key.name) == ["b"])
    }

    @Test func anEditThatChangesNothingKeepsTheObjectsThatAreThere() throws {
        let tree = try ObjectTree((0..<500).map { Self.object(.listener, "n\($0)", 1) })
        let same = tree.applying(puts: [Self.object(.listener, "n7", 1)], removals: [ObjectKey(.listener, "gone")])
        #expect(same.root == tree.root)
        let key = ObjectKey(.listener, "n7")
        #expect(same[key] === tree[key])
        let fresh = try ObjectTree((0..<500).map { Self.object(.listener, "n\($0)", $0 == 3 ? 2 : 1) })
        let shared = fresh.sharing(with: tree)
        #expect(shared[key] === tree[key])
        #expect(shared[ObjectKey(.listener, "n3")] === fresh[ObjectKey(.listener, "n3")])
    }

    @Test func ofTwoEditsOfAKeyTheLastOneCounts() {
        let tree = ObjectTree().applying(
            puts: [Self.object(.listener, "a", 1), Self.object(.listener, "a", 2)],
            removals: [ObjectKey(.listener, "a")])
        #expect(tree.count == 1)
        #expect(tree.root == ObjectTree().setting(Self.object(.listener, "a", 2)).root)
    }

    /// The shape is part of what two processes of different builds must agree on.
    @Test func rootsAreWhatTheyWere() throws {
        #expect(ObjectTree().root == SHA256.hash("causeway snapshot 2\n"))
        let one = Self.object(.listener, "a", 1)
        let leaf = SHA256.hash([0] + one.hash.bytes)
        #expect(ObjectTree().setting(one).root == SHA256.hash(Array("causeway snapshot 2\n".utf8) + [1] + leaf.bytes))
        let many = try ObjectTree((0..<100).map { Self.object(.listener, "n\($0)", 1) })
        #expect(many.root.hex.prefix(16) == "1090281d5b89f549")
    }
}
