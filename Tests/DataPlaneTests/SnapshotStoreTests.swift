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
        store = SnapshotStore(
            folder: folder, key: key, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
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

    @Test func aDamagedFileIsSetAsideAndTheOneBeforeIsUsed() throws {
        let first = try snapshot(1)
        let second = try snapshot(2)
        try store.save(first, served: ServedVersion(first))
        try store.save(second, served: ServedVersion(second))
        var damaged = bytes("snapshot.current")
        damaged[damaged.count / 2] ^= 1
        overwrite("snapshot.current", damaged)
        #expect(store.load()?.snapshot.version == 1)
        #expect(bytes("snapshot.current.damaged") == damaged)
        #expect(bytes("snapshot.current").isEmpty)
    }

    @Test func anotherKeyOpensNothing() throws {
        let kept = try snapshot(1)
        try store.save(kept, served: ServedVersion(kept))
        let other = SnapshotStore(
            folder: folder, key: SealingKey.generate(),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        #expect(other.load() == nil)
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
