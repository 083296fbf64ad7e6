// A backup in the place of a database that is open: what is read and written afterwards, and who is refused.

import ConsoleModel
import Foundation
import Persistence
import Seal
import Testing

struct StoreRestoreTests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    /// A backup as it is now, checked.
    private func candidate(
        for store: Store, from source: Store? = nil, passphrase: Secret? = nil
    ) throws -> (RestoreCandidate, RestoreCandidate.Contents) {
        let path = "\(folder.path)/backup-\(Hex.encode(Random.bytes(4))).db"
        try (source ?? store).backUp(to: path, passphrase: passphrase)
        let upload = try RestoreUpload(for: store)
        try upload.write(Array(try #require(FileManager.default.contents(atPath: path))))
        let candidate = try RestoreCandidate(upload, migrations: folder.migrations)
        return (candidate, try store.open(candidate, passphrase: passphrase))
    }

    @Test func whatIsReadAndWrittenAfterwardsIsTheRestored() async throws {
        let history = Random.bytes(16)
        do {
            let store = try folder.open()
            _ = try await store.edit(by: author) { draft in
                draft.put(Console.Domain(name: "kept.test"))
                draft.put(makeCertificate("c", key: "-----OLD-----"))
            }
            let (checked, contents) = try candidate(for: store)
            #expect(contents.counts["domain"] == 1 && !contents.hasAdministrator)
            _ = try await store.edit(by: author) { draft in
                draft.put(makeCertificate("c", key: "-----NEW-----"))
                draft.put(Console.Domain(name: "lost.test"))
            }
            let ended = store.history
            let restored = try await store.replace(by: checked, contents, history: history, author: author)
            #expect(restored.endedHistory == ended && restored.replacedVersion == 2)
            #expect(store.history == history && store.configuration.version == 1)
            #expect(store.configuration.domains.names.sorted() == ["kept.test"])
            #expect(store.configuration.certificates["c"]?.value.privateKey == Secret("-----OLD-----"))
            let edited = try await store.edit(by: author) { $0.put(Console.Domain(name: "after.test")) }
            #expect(edited.answer.version == "2")
            #expect(try await store.versions(limit: 9).map(\.history) == [history, ended])
            #expect(
                try await store.auditRecords(limit: 9).contains {
                    $0.id == restored.lastAudit && $0.action == "restore"
                })
            try store.close()
        }
        let again = try folder.open()
        #expect(again.configuration.domains.names.sorted() == ["after.test", "kept.test"])
        #expect(again.history == history)
        try again.close()
    }

    /// What is refused as being of another era.
    private func isRefused(_ body: () async throws -> Void) async -> Bool {
        do {
            try await body()
            return false
        } catch {
            return (error as? StoreError)?.kind == .restored
        }
    }

    @Test func whoBeganBeforeIsRefused() async throws {
        let store = try folder.open()
        let (checked, contents) = try candidate(for: store)
        try await store.withinOneEra {
            #expect(try await store.accounts() == [])
            _ = try await store.replace(by: checked, contents, history: Random.bytes(16), author: author)
            #expect(await isRefused { _ = try await store.accounts() })
            #expect(await isRefused { try await store.note("x", kind: "x", name: "x", by: author) })
            #expect(
                await isRefused { _ = try await store.edit(by: author) { $0.put(Console.Domain(name: "late.test")) } })
            #expect(await isRefused { try store.checkEra() })
            // The tasks of a task are bound as it is.
            #expect(await isRefused { _ = try await Task { [store] in try await store.accounts() }.value })
        }
        #expect(store.configuration.domains.count == 0)
        try await store.withinOneEra {
            _ = try await store.edit(by: author) { $0.put(Console.Domain(name: "next.test")) }
        }
        #expect(store.configuration.domains.count == 1)
    }

    @Test func aHistoryThatHasEndedMintsNoOther() async throws {
        let store = try folder.open()
        let ended = store.history
        let (checked, contents) = try candidate(for: store)
        _ = try await store.replace(by: checked, contents, history: Random.bytes(16), author: author)
        let now = store.history
        #expect(try await store.mintHistory(replacing: ended, reason: "a worker knew more") == nil)
        #expect(store.history == now)
    }

    @Test func anotherKeysSecretsAreSealedAnew() async throws {
        do {
            let store = try folder.open()
            let other = try TestFolder()
            let source = try other.open()
            for key in ["-----ONE-----", "-----TWO-----"] {
                _ = try await source.edit(by: author) { $0.put(makeCertificate("c", key: key)) }
            }
            #expect(throws: BackupKeyError.absent(source.sealingKeyID)) { try candidate(for: store, from: source) }
            let (checked, contents) = try candidate(for: store, from: source, passphrase: Secret("a long passphrase"))
            _ = try await store.replace(by: checked, contents, history: Random.bytes(16), author: author)
            try store.close()
            try source.close()
        }
        let again = try folder.open()
        #expect(again.configuration.certificates["c"]?.value.privateKey == Secret("-----TWO-----"))
        let former = try await again.resources(asOf: 1)
        #expect((former.first?.resource as? StoredCertificate)?.privateKey == Secret("-----ONE-----"))
        #expect(try folder.bytesOnDisk().range(of: Data("causeway-sealed".utf8)) == nil)
        try again.close()
    }

    @Test func whatAKilledProcessLeftIsSweptAway() throws {
        try FileManager.default.createDirectory(atPath: folder.data, withIntermediateDirectories: true)
        for name in ["restore-00.db", "restore-00.db-journal", "backup-11.db", "restore-notes.txt"] {
            try folder.write("x", to: "data/\(name)")
        }
        let store = try folder.open()
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.data)
        #expect(!left.contains { $0.contains("-00") || $0.contains("-11") } && left.contains("restore-notes.txt"))
        try store.close()
    }
}
