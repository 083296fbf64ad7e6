// A copy of the database while it is in use: `VACUUM INTO` on a second, read-only connection, so that nobody waits and there
// is never a second writer. The copy is one SQLite file with a table more, which says what it is.

import Foundation
import GRDB
package import Seal

/// What a backup says of itself.
package struct BackupFacts: Hashable, Sendable {
    /// The key that its secrets are sealed with.
    package var keyID: String
    /// That key under a passphrase; `nil`: it has to be there where the backup is put back.
    package var sealedKey: String?
    package var version: Int64
    package var history: [UInt8]
    /// Unix milliseconds; `nil`: a copy of a database, which does not say.
    package var createdAt: Int64?

    /// What the key is sealed for.
    package static let purpose = "causeway.backup/1"

    /// What a backup has beyond the database.
    static let table = "CREATE TABLE backup (created_at INTEGER NOT NULL, sealed_key TEXT) STRICT"

    /// Of a file that may be anybody's.
    init(of db: Database) throws {
        guard let installation = try Row.fetchOne(db, sql: "SELECT sealing_key_id, history FROM installation"),
            let keyID = String.fromDatabaseValue(installation[0]), let history = Data.fromDatabaseValue(installation[1])
        else {
            throw StoreError(
                .damaged, "The file is a database without an installation, not a backup of a control plane.")
        }
        let backup =
            try db.tableExists("backup") ? Row.fetchOne(db, sql: "SELECT created_at, sealed_key FROM backup") : nil
        let version = try DatabaseValue.fetchOne(db, sql: "SELECT max(number) FROM version") ?? .null
        self.keyID = keyID
        self.history = Array(history)
        self.version = Int64.fromDatabaseValue(version) ?? 0
        sealedKey = backup.flatMap { String.fromDatabaseValue($0[1]) }
        createdAt = backup.flatMap { Int64.fromDatabaseValue($0[0]) }
    }

    /// The key of the backup's secrets: the one that is here where it is that one, else the one in the backup. `passphrase` is asked
    /// for only where it is needed.
    package func key(
        present: SealingKey?, passphrase: () throws -> Secret?
    ) throws -> SealingKey {
        if let present, present.id == keyID { return present }
        guard let sealedKey else { throw BackupKeyError.absent(keyID) }
        guard let passphrase = try passphrase() else { throw BackupKeyError.passphraseNeeded }
        let opened: [UInt8]
        do {
            opened = try PassphraseSeal.open(sealedKey, passphrase: passphrase, purpose: Self.purpose)
        } catch let error as PassphraseError {
            throw BackupKeyError.notOpened(error)
        }
        guard let key = SealingKey(Secret(opened)), key.id == keyID else { throw BackupKeyError.other(keyID) }
        return key
    }
}

/// Why the secrets of a backup cannot be opened.
package enum BackupKeyError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It was made without a passphrase, and the key that is here is another.
    case absent(String)
    case passphraseNeeded
    case notOpened(PassphraseError)
    /// It holds a key, but not that one.
    case other(String)

    package var description: String {
        switch self {
        case .absent(let id):
            "The backup was made without a passphrase, so it does not hold the key of its secrets (\(id)), and that key is not here."
        case .passphraseNeeded: "The backup holds the key of its secrets under a passphrase, which is needed."
        case .notOpened(let error): "The backup cannot be opened: \(error)."
        case .other(let id): "The backup holds another key than that of its secrets (\(id))."
        }
    }
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
                    sql: "\(BackupFacts.table); INSERT INTO backup (created_at, sealed_key) VALUES (?, ?)",
                    arguments: [WallClock.milliseconds(), sealedKey])
            }
            try copy.close()
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }
}
