// The start of the store: what it makes, what it sets, and what stops it, with the file to blame.

import Foundation
import GRDB
import Persistence
import Seal
import Testing

struct StoreOpeningTests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    @Test func makesAPrivateFolder() throws {
        let store = try folder.open()
        defer { try? store.close() }
        #expect(try folder.permissions(of: "data") == 0o700)
        for name in ["causeway.db", "causeway.db-wal", "sealing.key", "control.lock"] {
            #expect(try folder.permissions(of: "data/\(name)") == 0o600, "\(name)")
        }
        #expect(store.configuration.version == 0)
        #expect(store.history.count == 16)
    }

    @Test func aSecondStartIsRefusedWithTheHoldersProcess() throws {
        let store = try folder.open()
        let message = errorText(folder.open)
        #expect(message.contains("in use by process \(getpid())"))
        #expect(message.contains("control.lock"))
        withExtendedLifetime(store) {}
    }

    @Test func theLockGoesWithTheStore() throws {
        try folder.open().close()
        try folder.open().close()
    }

    @Test func keepsItsHistory() throws {
        let first = try folder.open().history
        #expect(try folder.open().history == first)
    }

    @Test func aChangedMigrationStopsTheStart() throws {
        try folder.open().close()
        let path = "\(folder.migrations)/0001_initial.sql"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try folder.write(text + "\n-- edited\n", to: "migrations/0001_initial.sql")
        #expect(errorText(folder.open).contains("\(path) changed after it was applied"))
        try folder.write(text, to: "migrations/0001_initial.sql")
        try folder.open().close()
    }

    @Test func newMigrationsAreAppliedOnceAndInOrder() throws {
        let present = folder.migrationNames
        let (later, more) = (folder.migration("later"), folder.migration("more", after: 1))
        try folder.open().close()
        try folder.write(
            "CREATE TABLE later (id INTEGER); INSERT INTO later VALUES (1);", to: "migrations/\(later)")
        try folder.write("INSERT INTO later SELECT id + 1 FROM later;", to: "migrations/\(more)")
        try folder.open().close()
        try folder.open().close()
        let queue = try DatabaseQueue(path: folder.options.database)
        #expect(try queue.read { try Int.fetchAll($0, sql: "SELECT id FROM later ORDER BY id") } == [1, 2])
        #expect(
            try queue.read { try String.fetchAll($0, sql: "SELECT name FROM migration ORDER BY number") } == present + [
                later, more,
            ])
    }

    @Test func aFailingMigrationLeavesNothing() throws {
        let half = folder.migration("half")
        try folder.open().close()
        try folder.write("CREATE TABLE half (id INTEGER); SELECT nonsense;", to: "migrations/\(half)")
        #expect(errorText(folder.open).contains("migrations/\(half) failed"))
        let queue = try DatabaseQueue(path: folder.options.database)
        #expect(try queue.read { try $0.tableExists("half") } == false)
    }

    @Test func aDatabaseFromANewerCausewayIsRefused() throws {
        let later = folder.migration("later")
        try folder.write("CREATE TABLE later (id INTEGER);", to: "migrations/\(later)")
        try folder.open().close()
        try FileManager.default.removeItem(atPath: "\(folder.migrations)/\(later)")
        #expect(errorText(folder.open).contains(later))
    }

    @Test func migrationsAreNumberedWithoutGaps() throws {
        let gap = folder.migration("gap", after: 1)
        let missing = folder.migrationNames.count + 1
        try folder.write("SELECT 1;", to: "migrations/\(gap)")
        #expect(errorText(folder.open).contains("\(gap) must begin with the number \(missing)"))
    }

    @Test func aMissingMigrationsFolderIsNamed() throws {
        try FileManager.default.removeItem(atPath: folder.migrations)
        #expect(errorText(folder.open).contains("\(folder.migrations) (--migrations)"))
    }

    @Test func aMissingSealingKeyStopsTheStartAndIsNotMadeAnew() throws {
        try folder.open().close()
        let path = folder.options.sealingKey
        try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
        #expect(errorText(folder.open).contains("The sealing key \(path) is missing"))
        #expect(!FileManager.default.fileExists(atPath: path))
        try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
        try folder.open().close()
    }

    @Test func aWrongSealingKeyStopsTheStart() throws {
        let other = try TestFolder()
        try folder.open().close()
        try other.open().close()
        let path = folder.options.sealingKey
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: other.options.sealingKey, toPath: path)
        let message = errorText(folder.open)
        #expect(message.contains("The sealing key \(path) has the id"))
    }

    @Test func aFileInPlaceOfTheDatabaseIsNotTouched() throws {
        try FileManager.default.createDirectory(atPath: folder.data, withIntermediateDirectories: true)
        try folder.write(String(repeating: "not a database ", count: 100), to: "data/causeway.db")
        #expect(errorText(folder.open).contains(folder.options.database))
        #expect(FileManager.default.contents(atPath: folder.options.database)?.count == 1_500)
    }
}
