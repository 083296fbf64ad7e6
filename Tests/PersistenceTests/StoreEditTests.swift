// Edits: whole or not at all, one after the other, found again after a restart, with secrets sealed.

import ConsoleModel
import Foundation
import GRDB
import Persistence
import Seal
import Testing

struct StoreEditTests {
    struct Refused: Error {}

    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    @Test func aSaveMakesAVersion() async throws {
        let store = try folder.open()
        let edited = try await store.edit(by: author) { $0.put(Console.Domain(name: "a.test")) }
        #expect(edited.changed)
        #expect(edited.answer.version == "1")
        #expect(store.configuration.version == 1)
        #expect(store.configuration.domains["a.test"]?.value.version == "1")
        let record = try #require(try await store.version(1))
        #expect(record.author == "admin")
        #expect(record.summary == "create domain a.test")
        #expect(record.changes == [ResourceChange(kind: .domain, name: "a.test", action: .create)])
        #expect(record.history == store.history)
        let audit = try #require(try await store.auditRecords(limit: 1).first)
        #expect(audit.action == "create")
        #expect(audit.version == 1)
        #expect(audit.address == "127.0.0.1")
    }

    @Test func aSaveThatChangesNothingMakesNone() async throws {
        let store = try folder.open()
        _ = try await store.edit(by: author) { $0.put(Console.Domain(name: "a.test", enableHttps: "off")) }
        _ = try await store.edit(by: author) { $0.put(makeCertificate("c")) }
        let again = try await store.edit(by: author) { draft in
            draft.put(makeCertificate("c"))
            return draft.put(Console.Domain(name: "a.test", enableHttps: "off"))
        }
        #expect(!again.changed)
        #expect(again.answer.version == "1")
        #expect(store.configuration.version == 2)
        #expect(try await store.versionCount() == 2)
    }

    @Test func whatIsRefusedLeavesNothing() async throws {
        let store = try folder.open()
        await #expect(throws: Refused.self) {
            try await store.edit(by: author) { draft in
                draft.put(Console.Domain(name: "a.test"))
                throw Refused()
            }
        }
        #expect(store.configuration.version == 0)
        #expect(store.configuration.domains.isEmpty)
        #expect(try await store.versionCount() == 0)
        #expect(try await store.auditRecords(limit: 10).isEmpty)
    }

    @Test func everythingIsFoundAgain() async throws {
        let before: StoredConfiguration
        do {
            let store = try folder.open()
            var source = Console.ServiceSource(name: "reg", kind: .consul, domain: "c.test", port: 8500)
            source.authN = .init()
            source.authN?.properties = Concealed(["consulToken": .string("open sesame")])
            let edited = try await store.edit(by: author) { [source] draft in
                draft.put(makeCertificate("c"))
                draft.put(Console.Domain(name: "a.test", enableHttps: "on", certIdentifier: "c"))
                draft.put(source)
                draft.put(Console.ServiceSource(name: "greeter", kind: .static, domain: "127.0.0.1:1", port: 80))
                draft.put(
                    Console.Route(
                        name: "r", domains: ["a.test"], path: .init(.prefix, "/"),
                        services: [.init(name: "greeter.static")]))
            }
            before = edited.configuration
            try store.close()
        }
        let after = try folder.open().configuration
        #expect(after.version == 1)
        #expect(after.domains == before.domains)
        #expect(after.certificates == before.certificates)
        #expect(after.serviceSources == before.serviceSources)
        #expect(after.routes == before.routes)
        #expect(after.certificates["c"]?.value.privateKey == Secret("-----KEY-----"))
        #expect(after.serviceSources["reg"]?.value.authN?.properties?.value == ["consulToken": .string("open sesame")])
    }

    @Test func whatComesBackIsAsOldAsItWasAlsoInThePlaceOfAnother() async throws {
        let key = makeCertificate("c", key: "key")
        let old: Int64
        do {
            let store = try folder.open()
            _ = try await store.edit(by: author) { $0.put(key) }
            old = try #require(store.configuration.certificates["c"]?.id)
            _ = try await store.edit(by: author) { $0.remove(StoredCertificate.self, named: "c") }
            _ = try await store.edit(by: author) { $0.put(key) }
            #expect(store.configuration.certificates["c"]?.id != old)
            #expect(try await store.edit(by: author) { $0.put(key, as: old) }.changed)
            #expect(try await !store.edit(by: author) { $0.put(key, as: old) }.changed)
            try store.close()
        }
        let again = try folder.open().configuration.certificates["c"]
        #expect(again?.id == old)
        #expect(again?.value.privateKey == Secret("key"))
    }

    @Test func secretsAreNotOnTheDiskInClear() async throws {
        let store = try folder.open()
        var source = Console.ServiceSource(name: "reg", kind: .consul, domain: "c.test", port: 8500)
        source.authN = .init()
        source.authN?.properties = Concealed(["consulToken": .string("open sesame")])
        _ = try await store.edit(by: author) { [source] draft in
            draft.put(makeCertificate("c", key: "the very private key"))
            draft.put(source)
        }
        let bytes = try folder.bytesOnDisk()
        #expect(bytes.range(of: Data("-----CHAIN-----".utf8)) != nil)
        #expect(bytes.range(of: Data("very private".utf8)) == nil)
        #expect(bytes.range(of: Data("sesame".utf8)) == nil)
    }

    @Test func sealedBytesMeanNothingElsewhere() async throws {
        do {
            let store = try folder.open()
            _ = try await store.edit(by: author) { draft in
                draft.put(makeCertificate("one", key: "first"))
                draft.put(makeCertificate("two", key: "second"))
            }
            try store.close()
        }
        let queue = try DatabaseQueue(path: folder.options.database)
        try await queue.write { db in
            try db.execute(sql: "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE id = 1) WHERE id = 2")
        }
        try queue.close()
        #expect(errorText(folder.open).contains("tls-certificate two in the database cannot be opened"))
    }

    @Test func anUnchangedSecretIsNotSealedAgain() async throws {
        let store = try folder.open()
        _ = try await store.edit(by: author) { $0.put(makeCertificate("c")) }
        _ = try await store.edit(by: author) { draft in
            var changed = makeCertificate("c")
            changed.chain = "-----OTHER-----"
            draft.put(changed)
        }
        try store.close()
        let queue = try DatabaseQueue(path: folder.options.database)
        #expect(try await queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM secret") } == 1)
        #expect(try await queue.read { try Int.fetchAll($0, sql: "SELECT secret_id FROM change") } == [1, 1])
    }

    @Test func aRemovalIsAVersion() async throws {
        let store = try folder.open()
        for name in ["a", "b"] {
            _ = try await store.edit(by: author) { $0.put(Console.Domain(name: name)) }
        }
        _ = try await store.edit(by: author) { $0.remove(Console.Domain.self, named: "b") }
        let last = try #require(try await store.version(3))
        #expect(last.changes == [ResourceChange(kind: .domain, name: "b", action: .delete)])
        try store.close()
    }

    @Test func identitiesAreNeverUsedAgain() async throws {
        do {
            let store = try folder.open()
            _ = try await store.edit(by: author) { $0.put(Console.Domain(name: "a")) }
            _ = try await store.edit(by: author) { $0.remove(Console.Domain.self, named: "a") }
            try store.close()
        }
        let store = try folder.open()
        #expect(store.configuration.version == 2)
        _ = try await store.edit(by: author) { $0.put(Console.Domain(name: "a")) }
        #expect(store.configuration.domains["a"]?.id == 2)
        #expect(store.configuration.version == 3)
    }

    @Test func editsRunOneAfterTheOther() async throws {
        let store = try folder.open()
        let versions = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for number in 0..<40 {
                group.addTask {
                    try await store.edit(by: author) { $0.put(Console.Domain(name: "d\(number)")) }.configuration
                        .version
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(versions.sorted() == Array(1...40))
        #expect(store.configuration.domains.count == 40)
        #expect(Set(store.configuration.domains.values.map(\.id)).count == 40)
    }

    @Test func aNewHistoryIsDurableAndAudited() async throws {
        let store = try folder.open()
        let old = store.history
        let minted = try await store.mintHistory(replacing: store.history, reason: "a worker knew a higher version")
        #expect(minted != old)
        #expect(store.history == minted)
        #expect(try await store.auditRecords(limit: 1).first?.action == "mint-history")
        try store.close()
    }

    @Test func versionsAreListedNewestFirst() async throws {
        let store = try folder.open()
        for number in 1...5 {
            _ = try await store.edit(by: author) { $0.put(Console.Domain(name: "d\(number)")) }
        }
        #expect(try await store.versions(offset: 1, limit: 2).map(\.number) == [4, 3])
        #expect(try await store.versions(offset: 5, limit: 2) == [])
        #expect(try await store.versions(after: 2, limit: 2).map(\.number) == [5, 4])
        #expect(try await store.versions(after: 5, limit: 2) == [])
        #expect(try await store.version(6) == nil)
        #expect(try await store.version(.max) == nil)
    }
}
