// The database of the control plane: opened once, for one process, and held with the configuration in memory beside it.
//
// Order at the start: lock, database with its settings read back, migrations, sealing key, configuration. GRDB's serial
// queue is the one writer: an edit is judged, written and made current before the next one begins.

import Foundation
import GRDB
package import Logging
import Seal
import Synchronization

/// Everything that the control plane keeps.
package final class Store: Sendable {
    package struct Options: Sendable {
        /// The data folder; made when missing.
        package var folder: String
        package var migrations: String

        package init(folder: String, migrations: String) {
            self.folder = folder
            self.migrations = migrations
        }

        package var database: String { "\(folder)/causeway.db" }
        package var lock: String { "\(folder)/control.lock" }
        package var sealingKey: String { "\(folder)/sealing.key" }
    }

    struct State: Sendable {
        var configuration: StoredConfiguration
        var history: [UInt8]
        var nextID: Int64
        /// See `withinOneEra`.
        var era: UInt64 = 0
    }

    let folder: String
    let queue: DatabaseQueue
    let sealingKey: SealingKey
    let state: Mutex<State>
    private let lock: ControlLock

    package init(_ options: Options, logger: Logger) throws {
        try Self.makeFolder(options.folder)
        lock = try ControlLock(at: options.lock)
        folder = options.folder
        Self.sweep(options.folder)
        queue = try Self.open(options.database)
        let migrations = try Migrations(folder: options.migrations)
        let applied = try queue.writeWithoutTransaction { try migrations.apply(to: $0) }
        if !applied.isEmpty { logger.info("migrations applied", metadata: ["files": "\(applied)"]) }
        let key = try queue.writeWithoutTransaction { try Self.sealingKey(at: options.sealingKey, db: $0) }
        sealingKey = key
        state = Mutex(try queue.read { try Self.load(from: $0, key: key) })
    }

    /// The current configuration.
    package var configuration: StoredConfiguration { state.withLock { $0.configuration } }

    /// The 16 bytes that name the current line of versions.
    package var history: [UInt8] { state.withLock { $0.history } }

    // MARK: Access

    /// Reads in one consistent view.
    func reading<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            return try await queue.read { [self, era = Self.era] db in
                try check(era)
                return try body(db)
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }

    /// Writes in one transaction.
    func writing<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            return try await queue.write { [self, era = Self.era] db in
                try check(era)
                return try body(db)
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }

    private static let busy = Atomic<UInt64>(0)
    /// How often SQLite said that somebody else has the database, which nobody should.
    package static var busyCount: UInt64 { busy.load(ordering: .relaxed) }

    /// SQLite's own words, without the statement and its values.
    static func failure(_ error: DatabaseError) -> StoreError {
        if error.resultCode.primaryResultCode == .SQLITE_BUSY { busy.wrappingAdd(1, ordering: .relaxed) }
        let message = error.message ?? "error \(error.resultCode.rawValue)"
        switch error.resultCode.primaryResultCode {
        case .SQLITE_FULL:
            return .full
        case .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_CANTOPEN:
            return StoreError(
                .writing,
                "the disk of the data folder (--data) takes no writes (\(message)). Mend that, then try again.")
        default: return StoreError(.writing, "SQLite failed: \(message).")
        }
    }

    /// Ends the connection; later calls fail.
    package func close() throws {
        try queue.close()
    }

    static func makeFolder(_ folder: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) {
            guard isFolder.boolValue else { throw StoreError(.folder, "The data folder \(folder) (--data) is a file.") }
            return
        }
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw StoreError(.folder, "Cannot make the data folder \(folder) (--data): \(StoreError.reason(error)).")
        }
    }

    static func open(_ path: String) throws -> DatabaseQueue {
        // SQLite makes its other files with the permissions of the first.
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError(.folder, "Cannot open the database \(path): \(StoreError.reason(errno)).")
        }
        Glibc.close(descriptor)
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.label = "causeway"
        let queue: DatabaseQueue
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction(applySettings)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.damaged, "Cannot open the database \(path): \(error).")
        }
        return queue
    }

    /// GRDB's own set-up for WAL asks for NORMAL, which loses acknowledged writes with the power: ours comes after it,
    /// and is read back.
    private static func applySettings(_ db: Database) throws {
        try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
        let wanted = [("journal_mode", "wal"), ("synchronous", "2"), ("secure_delete", "1"), ("foreign_keys", "1")]
        for (name, value) in wanted {
            let actual = try Row.fetchOne(db, sql: "PRAGMA \(name)")?[0] as DatabaseValue?
            let text = actual.flatMap { String.fromDatabaseValue($0) ?? Int64.fromDatabaseValue($0).map(String.init) }
            guard text == value else {
                throw StoreError(.settings, "SQLite's \(name) is \(text ?? "unset") and cannot be set to \(value).")
            }
        }
    }

    /// A key that exists must be the one that sealed; a database without a key gets one.
    private static func sealingKey(at path: String, db: Database) throws -> SealingKey {
        let known = try String.fetchOne(db, sql: "SELECT sealing_key_id FROM installation")
        if let known, !FileManager.default.fileExists(atPath: path) {
            throw StoreError(
                .sealingKey,
                "The sealing key \(path) is missing. The secrets in the database were sealed with key \(known): restore that file."
            )
        }
        let key: SealingKey
        do {
            key = try SealingKey(loadingOrCreatingAt: path)
        } catch {
            throw StoreError(.sealingKey, "Cannot start with this \(error).")
        }
        if let known {
            guard known == "\(key.id)" else {
                throw StoreError(
                    .sealingKey,
                    "The sealing key \(path) has the id \(key.id), but the secrets in the database were sealed with key \(known): restore that file."
                )
            }
            return key
        }
        try db.execute(
            sql: "INSERT INTO installation (id, history, sealing_key_id, created_at) VALUES (1, ?, ?, ?)",
            arguments: [Data(Random.bytes(16)), "\(key.id)", WallClock.milliseconds()])
        return key
    }
}
