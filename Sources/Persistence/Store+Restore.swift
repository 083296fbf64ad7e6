// A checked backup in the place of the database: of the one that is open, or of a folder's that nobody has open.
//
// SQLite copies the pages in one transaction on the writer's queue. A process that is killed before its end leaves the
// database as it was, and one that is killed after it leaves the restored one; the sealing key is touched in neither case.

import ConsoleModel
import Foundation
import GRDB
package import Logging
package import Seal
import Synchronization

/// What a restore has replaced, and what is there now.
package struct Restored: Sendable {
    package var configuration: StoredConfiguration
    /// The line of versions that has ended.
    package var endedHistory: [UInt8]
    package var replacedVersion: UInt64
    /// The newest entry of the audit.
    package var lastAudit: Int64
}

extension Store {
    /// Opens the candidate's secrets, by this store's key or the one that it holds under the passphrase.
    package func open(_ candidate: RestoreCandidate, passphrase: Secret?) throws -> RestoreCandidate.Contents {
        let key = try candidate.facts.key(present: sealingKey) { passphrase }
        return try candidate.open(key, sealingWith: sealingKey)
    }

    /// Which key seals here.
    package var sealingKeyID: String { sealingKey.id }

    /// Replaces everything. Whoever began with what was there before is refused from then on (`withinOneEra`).
    package func replace(
        by candidate: RestoreCandidate, _ contents: RestoreCandidate.Contents, history: [UInt8], author: Author
    ) async throws -> Restored {
        do {
            return try await queue.writeWithoutTransaction { [self] db in
                let before = state.withLock { $0 }
                let old = JSONValue.object([
                    "version": .string(String(before.configuration.version)),
                    "history": .string(Hex.encode(before.history)),
                ])
                let lastAudit = try candidate.finish(history: history, by: author, replacing: old)
                try candidate.queue.read { try $0.backup(to: db) }
                var next = contents.state
                next.history = history
                next.era = before.era + 1
                state.withLock { [next] in $0 = next }
                // The log is as long as the database now. Somebody who reads from it keeps it so for a while.
                try? db.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
                return Restored(
                    configuration: next.configuration, endedHistory: before.history,
                    replacedVersion: before.configuration.version, lastAudit: lastAudit)
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }

    // MARK: Eras

    /// The database that a task began with, told from those restored since: what it read there (who somebody is, the number of a
    /// row) means nothing in another.
    @TaskLocal static var era: UInt64?

    /// Runs `body`, whose reads and writes are refused once another database has taken the place of the present one.
    package func withinOneEra<Value>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async rethrows -> Value {
        try await Self.$era.withValue(currentEra, operation: body, isolation: isolation)
    }

    /// Counts restores of this process.
    package var currentEra: UInt64 { state.withLock { $0.era } }

    /// Throws where the database is another than the one that the task began with.
    package func checkEra() throws { try check(Self.era) }

    func check(_ era: UInt64?) throws {
        guard let era, era != currentEra else { return }
        throw StoreError(
            .restored,
            "A backup was restored while this was under way: what it asked for is not in it. Read again, then try again."
        )
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
            return try queue.read { try BackupFacts(of: $0) }
        } catch let error as DatabaseError {
            throw StoreError(
                .damaged, "\(path) is no backup of a control plane: \(error.message ?? "SQLite cannot read it").")
        }
    }

    /// Checks a copy of the file as a restore into a running control plane does, and puts it in the place of the folder's database in
    /// the same way. Secrets are sealed under the folder's key, which is made the backup's where there is none. `judge` sees the
    /// configuration.
    package static func run(
        _ file: String, into options: Store.Options, key: SealingKey, by author: Author, logger: Logger,
        judge: (StoredConfiguration) throws -> Void
    ) throws {
        try Store.makeFolder(options.folder)
        let lock = try ControlLock(at: options.lock)
        defer { withExtendedLifetime(lock) {} }
        Store.sweep(options.folder)
        let upload = try RestoreUpload(in: options.folder)
        guard let source = FileHandle(forReadingAtPath: file) else {
            throw StoreError(.folder, "Cannot read \(file).")
        }
        while let part = try source.read(upToCount: 1 << 20), !part.isEmpty { try upload.write(Array(part)) }
        let candidate = try RestoreCandidate(upload, migrations: options.migrations)
        let hasKey = FileManager.default.fileExists(atPath: options.sealingKey)
        let own = hasKey ? try SealingKey(loadingFrom: options.sealingKey) : key
        try judge(try candidate.open(key, sealingWith: own).configuration)
        _ = try candidate.finish(history: Random.bytes(16), by: author, replacing: nil)
        if !hasKey { try own.create(at: options.sealingKey) }
        do {
            let target = try Store.open(options.database)
            try candidate.queue.backup(to: target)
            try target.close()
        } catch let error as DatabaseError {
            throw Store.failure(error)
        }
    }
}
