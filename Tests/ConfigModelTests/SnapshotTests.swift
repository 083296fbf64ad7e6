// Snapshot and SnapshotDiff: order, uniqueness, roots, look-up, and what differs.

import ConfigModel
import Seal
import Testing

/// Objects that are valid together, to be changed one field at a time.
enum Sample {
    static let history = HistoryID.mint()

    static func listener(_ name: String, port: UInt16 = 0) -> ConfigObject {
        .listener(Listener(name: name, address: "127.0.0.1", port: port, tls: false))
    }

    static func snapshot(_ objects: [ConfigObject], version: UInt64 = 1) throws -> Snapshot {
        try Snapshot(historyID: history, version: version, objects: objects)
    }
}

@Suite struct SnapshotTests {
    @Test func objectsAreListedByKindAndThenByTheBytesOfTheirNames() throws {
        let cluster = ConfigObject.cluster(Cluster(name: "a", endpoints: [], protocol: .http1))
        let names = ["b", "B", "ab", "é", "a"]
        let snapshot = try Sample.snapshot([cluster] + names.map { Sample.listener($0) })
        let listed = snapshot.objects.inOrderOfKeys()
        #expect(listed.map(\.key.name) == ["B", "a", "ab", "b", "é", "a"])
        #expect(listed.last?.key.kind == .cluster)
    }

    @Test func theRootDependsOnTheObjectsAlone() throws {
        let a = Sample.listener("a")
        let b = Sample.listener("b")
        let first = try Sample.snapshot([a, b])
        #expect(try Sample.snapshot([b, a], version: 9).root == first.root)
        #expect(try Sample.snapshot([a]).root != first.root)
        #expect(try Sample.snapshot([a, Sample.listener("b", port: 1)]).root != first.root)
        #expect(try Sample.snapshot([]).root == SHA256.hash("causeway snapshot 2\n"))
    }

    @Test func aKeyMayOccurOnce() throws {
        let error = #expect(throws: DuplicateObject.self) {
            try Sample.snapshot([Sample.listener("a"), Sample.listener("b"), Sample.listener("a", port: 1)])
        }
        #expect(error?.key == ObjectKey(.listener, "a"))
    }

    @Test func namesAreToldApartByTheirBytes() throws {
        let composed = "\u{e9}"
        let decomposed = "e\u{301}"
        #expect(composed == decomposed)
        let snapshot = try Sample.snapshot([Sample.listener(composed, port: 1), Sample.listener(decomposed, port: 2)])
        #expect(snapshot[ObjectKey(.listener, composed)]?.object == Sample.listener(composed, port: 1))
        #expect(snapshot[ObjectKey(.listener, decomposed)]?.object == Sample.listener(decomposed, port: 2))
    }

    @Test func everyObjectIsFoundByItsKeyAndNothingElseIs() throws {
        for count in 0..<20 {
            let objects = (0..<count).map { Sample.listener("l\($0)", port: UInt16($0)) }
            let snapshot = try Sample.snapshot(objects)
            for object in objects { #expect(snapshot[object.key]?.object == object) }
            for key in [ObjectKey(.listener, "l"), ObjectKey(.listener, "z"), ObjectKey(.route, "l0")] {
                #expect(snapshot[key] == nil)
            }
        }
    }
}

@Suite struct SnapshotDiffTests {
    private func key(_ name: String) -> ObjectKey { ObjectKey(.listener, name) }

    @Test func tellsAddedChangedAndRemovedApart() throws {
        let old = try Sample.snapshot(["a", "b", "c", "d"].map { Sample.listener($0) })
        let new = try Sample.snapshot([
            Sample.listener("a"), Sample.listener("aa"), Sample.listener("c", port: 9), Sample.listener("d"),
            Sample.listener("e"),
        ])
        let diff = SnapshotDiff(from: old, to: new)
        #expect(diff.addedKeys == [key("aa"), key("e")])
        #expect(diff.changedKeys == [key("c")])
        #expect(
            diff.changed.map { [$0.old.object, $0.new.object] } == [
                [Sample.listener("c"), Sample.listener("c", port: 9)]
            ])
        #expect(diff.removedKeys == [key("b")])
        let back = SnapshotDiff(from: new, to: old)
        #expect(back.addedKeys == diff.removedKeys && back.removedKeys == diff.addedKeys)
        #expect(back.changedKeys == diff.changedKeys)
    }

    @Test func equalSnapshotsDoNotDiffer() throws {
        let snapshot = try Sample.snapshot([Sample.listener("a")])
        #expect(SnapshotDiff(from: snapshot, to: snapshot).isEmpty)
        #expect(SnapshotDiff(from: nil, to: nil).isEmpty)
    }

    @Test func nothingBeforeMeansEverythingIsAdded() throws {
        let snapshot = try Sample.snapshot([Sample.listener("a"), Sample.listener("b")])
        #expect(SnapshotDiff(from: nil, to: snapshot).addedKeys == [key("a"), key("b")])
        #expect(SnapshotDiff(from: snapshot, to: nil).removedKeys == [key("a"), key("b")])
    }

    @Test func agreesWithSetsOnRandomInput() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let names = (0..<12).map { "l\($0)" }
            func some() throws -> Snapshot {
                let chosen = names.filter { _ in Bool.random(using: &generator) }
                return try Sample.snapshot(chosen.map { Sample.listener($0, port: generator.next() % 2 == 0 ? 1 : 2) })
            }
            let (old, new) = (try some(), try some())
            let diff = SnapshotDiff(from: old, to: new)
            let (before, after) = (Set(old.objects.map(\.key)), Set(new.objects.map(\.key)))
            #expect(Set(diff.addedKeys) == after.subtracting(before), "seed \(seed)")
            #expect(Set(diff.removedKeys) == before.subtracting(after), "seed \(seed)")
            let changed = before.intersection(after).filter { old[$0]?.hash != new[$0]?.hash }
            #expect(Set(diff.changedKeys) == Set(changed), "seed \(seed)")
        }
    }
}

@Suite struct HistoryIDTests {
    @Test func readsWhatItWrites() throws {
        let id = HistoryID.mint()
        #expect(HistoryID(hex: id.hex) == id)
        #expect(HistoryID(id.bytes) == id)
        #expect(id.hex.count == 32)
        #expect(id != HistoryID.mint())
        let known = try #require(HistoryID(hex: "000102030405060708090a0b0c0d0e0f"))
        #expect(known.bytes == Array(0...15))
    }

    @Test func refusesOtherLengthsAndOtherText() {
        #expect(HistoryID([1, 2, 3]) == nil)
        #expect(HistoryID([UInt8](repeating: 0, count: 17)) == nil)
        #expect(HistoryID(hex: String(repeating: "g", count: 32)) == nil)
    }
}
