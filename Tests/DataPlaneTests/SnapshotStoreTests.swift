// Mirrors SnapshotStore.swift: what is on disk is believed only when it is whole.

import ConfigChannel
import ConfigModel
import DataPlane
import Glibc
import Logging
import Seal
import Testing

struct SnapshotStoreTests {
    private let folder: String
    private let key = SealingKey.generate()
    private let store: SnapshotStore

    init() {
        var template = Array("/tmp/causeway-store-XXXXXX".utf8CString)
        folder = String(cString: mkdtemp(&template))
        store = Self.store(folder, key)
    }

    /// To which no snapshot is small.
    private static func store(_ folder: String, _ key: SealingKey, changesLimit: Int = 1 << 20) -> SnapshotStore {
        SnapshotStore(
            folder: folder, key: key, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            smallSize: 0, changesLimit: changesLimit)
    }

    /// What a worker would start from now.
    private func reloaded() -> UInt64? { Self.store(folder, key).load()?.snapshot.version }

    /// Versions of one history, each with one object more, one fewer or one changed.
    private func versions(_ count: UInt64) throws -> [Snapshot] {
        var result = [try snapshot(1)]
        for version in 2...count {
            let name = "c\(version % 3)"
            let put = SnapshotObject(
                .cluster(
                    Cluster(
                        name: name, endpoints: [Endpoint(host: "a", port: UInt16(version))], protocol: .http1)))
            let removals = version % 4 == 0 ? [ObjectKey(.cluster, "c\((version + 1) % 3)")] : []
            result.append(result[result.count - 1].applying([put], removals, version: version))
        }
        return result
    }

    private func snapshot(_ version: UInt64) throws -> Snapshot {
        try Snapshot(
            historyID: HistoryID.mint(), version: version,
            objects: [
                .listener(Listener(name: "http", address: "127.0.0.1", port: 8000, tls: false)),
                .tlsIdentity(TLSIdentity(name: "c", certificateChain: "chain", privateKey: Secret("secret-key-bytes"))),
            ] as [ConfigObject])
    }

    private func bytes(_ name: String) -> [UInt8] {
        guard let file = fopen(folder + "/" + name, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    private func overwrite(_ name: String, _ bytes: [UInt8]) {
        guard let file = fopen(folder + "/" + name, "w") else { return }
        defer { fclose(file) }
        fwrite(bytes, 1, bytes.count, file)
    }

    @Test func bringsBackWhatItKept() throws {
        let kept = try snapshot(5)
        try store.save(kept, served: ServedVersion(kept))
        let loaded = try #require(store.load())
        #expect(loaded.snapshot.version == 5)
        #expect(loaded.snapshot.root == kept.root)
        #expect(loaded.served == ServedVersion(kept))
    }

    @Test func hasNothingAtFirst() {
        #expect(store.load() == nil)
    }

    @Test func privateKeysAreNotInTheFile() throws {
        let kept = try snapshot(1)
        try store.save(kept, served: ServedVersion(kept))
        #expect(!String(decoding: bytes("snapshot.current"), as: UTF8.self).contains("secret-key-bytes"))
    }

    @Test func aDamagedFileIsSetAsideAndTheGenerationBeforeIsUsed() throws {
        let all = try versions(3)
        let tight = Self.store(folder, key, changesLimit: 0)
        for version in all { try tight.save(version, served: ServedVersion(version)) }
        var damaged = bytes("snapshot.current")
        damaged[damaged.count / 2] ^= 1
        overwrite("snapshot.current", damaged)
        let found = try #require(tight.load())
        #expect(found.snapshot.version < 3 && found.snapshot.root == all[Int(found.snapshot.version) - 1].root)
        #expect(bytes("snapshot.current.damaged") == damaged)
        #expect(bytes("snapshot.current").isEmpty)
    }

    // MARK: Changes

    @Test func aSmallSnapshotIsAGenerationEachTime() throws {
        let usual = SnapshotStore(
            folder: folder, key: key, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        for version in try versions(3) { try usual.save(version, served: ServedVersion(version)) }
        #expect(bytes("snapshot.changes").isEmpty)
        overwrite("snapshot.current", [])
        #expect(usual.load()?.snapshot.version == 2)
    }

    @Test func aChangeIsAppendedAndBroughtBack() throws {
        let all = try versions(20)
        for version in all { try store.save(version, served: ServedVersion(version)) }
        #expect(bytes("snapshot.previous").isEmpty, "one whole, then changes")
        let whole = bytes("snapshot.current")
        let loaded = try #require(Self.store(folder, key).load())
        #expect(loaded.snapshot.root == all[19].root && loaded.served == ServedVersion(all[19]))
        #expect(bytes("snapshot.current") == whole)
    }

    @Test func aStartGoesOnWhereTheLastOneEnded() throws {
        for version in try versions(30) {
            let again = Self.store(folder, key)
            #expect(again.load()?.snapshot.version == (version.version == 1 ? nil : version.version - 1))
            try again.save(version, served: ServedVersion(version))
        }
        #expect(reloaded() == 30)
        #expect(bytes("snapshot.previous").isEmpty)
    }

    @Test func whenChangesHaveGrownANewGenerationBegins() throws {
        let tight = Self.store(folder, key, changesLimit: 0)
        for version in try versions(40) {
            try tight.save(version, served: ServedVersion(version))
            #expect(reloaded() == version.version)
            #expect(bytes("snapshot.changes").count <= bytes("snapshot.current").count)
        }
        #expect(!bytes("snapshot.previous").isEmpty)
    }

    @Test func changesThatAreCutOrDamagedEndWhereTheDamageBegins() throws {
        let all = try versions(6)
        for version in all { try store.save(version, served: ServedVersion(version)) }
        let (whole, changes) = (bytes("snapshot.current"), bytes("snapshot.changes"))
        var seen: Set<UInt64> = []
        for index in stride(from: 0, to: changes.count, by: 11) {
            var flipped = changes
            flipped[index] ^= 0x10
            for damaged in [Array(changes[..<index]), flipped] {
                overwrite("snapshot.current", whole)
                overwrite("snapshot.changes", damaged)
                unlink(folder + "/snapshot.previous")
                unlink(folder + "/snapshot.previous.changes")
                let again = Self.store(folder, key)
                let found = try #require(again.load(), "at \(index)")
                #expect(found.snapshot.root == all[Int(found.snapshot.version) - 1].root)
                seen.insert(found.snapshot.version)
                // And the next start finds the same, and what is saved from there on.
                #expect(reloaded() == found.snapshot.version, "at \(index)")
                try again.save(all[5], served: ServedVersion(all[5]))
                #expect(reloaded() == 6, "at \(index)")
            }
        }
        #expect(seen == [1, 2, 3, 4, 5])
    }

    /// A crash between any two steps of beginning a generation leaves the old snapshot or the new one.
    @Test func aGenerationThatWasBegunHalfwayLosesNothing() throws {
        let all = try versions(5)
        for version in all[..<4] { try store.save(version, served: ServedVersion(version)) }
        let (whole, changes) = (bytes("snapshot.current"), bytes("snapshot.changes"))
        let other = Self.store(folder + "/", key, changesLimit: 0)
        try other.save(all[4], served: ServedVersion(all[4]))
        let new = bytes("snapshot.current")
        let names = ["snapshot.current", "snapshot.previous", "snapshot.changes", "snapshot.previous.changes"]
        let states: [([String: [UInt8]], UInt64)] = [
            (["snapshot.current": whole, "snapshot.changes": changes], 4),
            (["snapshot.previous": whole, "snapshot.changes": changes], 4),
            (["snapshot.current": new, "snapshot.previous": whole, "snapshot.changes": changes], 5),
            (["snapshot.current": new, "snapshot.previous": whole, "snapshot.previous.changes": changes], 5),
        ]
        for (files, version) in states {
            for name in names { unlink(folder + "/" + name) }
            for (name, content) in files { overwrite(name, content) }
            #expect(reloaded() == version)
            #expect(reloaded() == version)
            let again = Self.store(folder, key)
            _ = again.load()
            let next = all[4].applying([], [ObjectKey(.listener, "http")], version: 6)
            try again.save(next, served: ServedVersion(next))
            #expect(reloaded() == 6)
        }
        // And where the new one is damaged, the old one is there with all its changes.
        overwrite("snapshot.current", [1, 2, 3])
        overwrite("snapshot.previous", whole)
        overwrite("snapshot.previous.changes", changes)
        unlink(folder + "/snapshot.changes")
        #expect(reloaded() == 4)
    }

    @Test func anotherKeyOpensNothing() throws {
        let kept = try snapshot(1)
        try store.save(kept, served: ServedVersion(kept))
        #expect(Self.store(folder, SealingKey.generate()).load() == nil)
    }

    @Test func noTruncationAndNoFlippedBitIsBelieved() throws {
        let kept = try snapshot(3)
        try store.save(kept, served: ServedVersion(kept))
        let whole = bytes("snapshot.current")
        for length in stride(from: 0, to: whole.count, by: 7) {
            overwrite("snapshot.current", Array(whole[..<length]))
            #expect(store.load() == nil, "cut at \(length)")
        }
        for index in stride(from: 0, to: whole.count, by: 5) {
            var flipped = whole
            flipped[index] ^= 0x10
            overwrite("snapshot.current", flipped)
            #expect(store.load() == nil, "flipped at \(index)")
        }
    }
}
