// A copy of the database while it is in use: `VACUUM INTO` on a second, read-only connection, so that nobody waits and there
// is never a second writer. The copy is one SQLite file with a table more, which says what it is.

import Foundation
import GRDB
package import Logging
package import Seal

/// What a backup says of itself.
package struct BackupFacts: Hashable, Sendable {
    /// The key that its secrets are sealed with.
    package var keyID: String
    /// That key under a passphrase; `nil`: it has to be there where the backup is put back.
    package var sealedKey: String?
    package var version: Int64
    /// Unix milliseconds.
    package var createdAt: Int64

    /// What the key is sealed for.
    package static let purpose = "causeway.backup/1"
}

extension Store {
    /// Writes a copy to a file that is not there yet, for the owner's eyes only. Takes a while: not on an event loop.
    package func backUp(to path: String, passphrase: Secret?) throws {
        let sealedKey = try passphrase.map {
            try PassphraseSeal.seal(sealingKey.secret.bytes, passphrase: $0, purpose: BackupFacts.purpose)
        }
        // SQLite fills an empty file and leaves its mode.
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError(.folder, "Cannot write the backup \(path): \(StoreError.reason(errno)).")
        }
        Glibc.close(descriptor)
        do {
            var configuration = Configuration()
            configuration.readonly = true
            let reader = try DatabaseQueue(path: queue.path, configuration: configuration)
            try reader.inDatabase { try $0.execute(sql: "VACUUM INTO ?", arguments: [path]) }
            try reader.close()
            let copy = try DatabaseQueue(path: path)
            try copy.write { db in
                try db.execute(
                    sql: """
                        CREATE TABLE backup (created_at INTEGER NOT NULL, sealed_key TEXT) STRICT;
                        INSERT INTO backup (created_at, sealed_key) VALUES (?, ?);
                        """, arguments: [WallClock.milliseconds(), sealedKey])
            }
            try copy.close()
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }
}

/// Puts a backup in the place of a data folder's database, with no control plane on it.
package enum Restore {
    /// Looks at a file without changing it.
    package static func examine(_ path: String) throws -> BackupFacts {
        var configuration = Configuration()
        configuration.readonly = true
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            defer { try? queue.close() }
            return try queue.read { db in
                guard let keyID = try String.fetchOne(db, sql: "SELECT sealing_key_id FROM installation") else {
                    throw StoreError(.damaged, "\(path) is a database without an installation.")
                }
                let row = try db.tableExists("backup") ? Row.fetchOne(db, sql: "SELECT * FROM backup") : nil
                return BackupFacts(
                    keyID: keyID, sealedKey: row?["sealed_key"],
                    version: try Int64.fetchOne(db, sql: "SELECT max(number) FROM version") ?? 0,
                    createdAt: row?["created_at"] ?? 0)
            }
        } catch let error as DatabaseError {
            throw StoreError(
                .damaged, "\(path) is no backup of a control plane: \(error.message ?? "SQLite cannot read it").")
        }
    }

    /// Checks a copy of the file in every way that a start would, then replaces the folder's database by it, in one transaction of
    /// SQLite: what fails before that leaves everything as it was. Sessions end, and a new history begins, so that no worker
    /// takes a version of it for one that it has seen. `judge` sees the configuration.
    package static func run(
        _ file: String, into options: Store.Options, key: SealingKey, by author: Author, logger: Logger,
        judge: (StoredConfiguration) throws -> Void
    ) throws {
        try Store.makeFolder(options.folder)
        let lock = try ControlLock(at: options.lock)
        defer { withExtendedLifetime(lock) {} }
        let path = "\(options.folder)/restore.db"
        let parts = [path, "\(path)-journal", "\(path)-wal", "\(path)-shm"]
        func clear() { for part in parts { try? FileManager.default.removeItem(atPath: part) } }
        clear()
        defer { clear() }
        do {
            try FileManager.default.copyItem(atPath: file, toPath: path)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        } catch {
            throw StoreError(.folder, "Cannot copy \(file) to \(path): \(StoreError.reason(error)).")
        }
        do {
            let copy = try DatabaseQueue(path: path)
            try check(copy, options, key, judge)
            try copy.write { db in
                try db.execute(sql: "UPDATE installation SET history = ?", arguments: [Data(Random.bytes(16))])
                try db.execute(sql: "DELETE FROM session; DROP TABLE IF EXISTS backup;")
                try Store.audit(db, by: author, action: "restore", kind: "configuration", name: "from a backup")
            }
            try place(key, at: options.sealingKey, logger)
            let target = try Store.open(options.database)
            try copy.backup(to: target)
            try target.close()
            try copy.close()
        } catch let error as DatabaseError {
            throw Store.failure(error)
        }
    }

    private static func check(
        _ copy: DatabaseQueue, _ options: Store.Options, _ key: SealingKey,
        _ judge: (StoredConfiguration) throws -> Void
    ) throws {
        let found = try copy.read { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
        guard found == ["ok"] else {
            throw StoreError(.damaged, "The backup is damaged: \(found.first ?? "SQLite finds no reason").")
        }
        let migrations = try Migrations(folder: options.migrations)
        _ = try copy.writeWithoutTransaction { try migrations.apply(to: $0) }
        // Opens every secret.
        try judge(try copy.read { try Store.load(from: $0, key: key) }.configuration)
    }

    /// Makes the key the folder's. Another one that is there is kept beside it, under its id.
    private static func place(_ key: SealingKey, at path: String, _ logger: Logger) throws {
        if FileManager.default.fileExists(atPath: path) {
            let present = try SealingKey(loadingFrom: path)
            if present.id == key.id { return }
            try FileManager.default.moveItem(atPath: path, toPath: "\(path).\(present.id)")
            logger.notice("the sealing key that was there is kept", metadata: ["path": "\(path).\(present.id)"])
        }
        try key.create(at: path)
    }
}
