// A backup that is to take the database's place. It is a stranger's file until it is proved to be ours: its schema is compared
// with that of our migrations before a row is read, and its rows with its schema, so that nothing in it can act or trap.
//
// Order: shape, schema, integrity, numbers, migrations (`init`); secrets, resources (`open`); history, sessions, audit (`finish`).
// All of that on the file itself, which nobody else has.

import ConsoleModel
import Foundation
import GRDB
package import Seal

/// A checked copy of a backup.
package final class RestoreCandidate: Sendable {
    package let facts: BackupFacts
    /// Migrations that it had not seen and has now.
    package let migrated: [String]
    let queue: DatabaseQueue
    /// Whose file it is.
    private let upload: RestoreUpload

    /// What it brings.
    package struct Contents: Sendable {
        let state: Store.State
        package var configuration: StoredConfiguration { state.configuration }
        /// How many there are of a kind, by its name in the API.
        package var counts: [String: Int]
        package var hasAdministrator: Bool
    }

    /// Takes the file over and checks what needs no key. Takes a while: not on an event loop.
    package init(_ upload: RestoreUpload, migrations folder: String) throws {
        self.upload = upload
        let migrations = try Migrations(folder: folder)
        do {
            var configuration = Configuration()
            configuration.label = "restore"
            queue = try DatabaseQueue(path: upload.path, configuration: configuration)
            (facts, migrated) = try queue.writeWithoutTransaction { db in
                // It may be a copy of a file that was in use. What is deleted from it must not come along in empty pages.
                try db.execute(
                    sql: "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON")
                try Self.checkSchema(db, migrations)
                try Self.checkRows(db)
                let facts = try BackupFacts(of: db)
                let migrated = try migrations.apply(to: db)
                if try Int.fetchOne(db, sql: "PRAGMA page_size") != Self.pageSize {
                    try db.execute(sql: "PRAGMA page_size = \(Self.pageSize); VACUUM")
                }
                return (facts, migrated)
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }

    /// SQLite's own, which a database that takes this one's place in a transaction has to share.
    private static let pageSize = 4_096

    static func failure(_ error: DatabaseError) -> StoreError {
        switch error.resultCode.primaryResultCode {
        case .SQLITE_FULL, .SQLITE_IOERR: return Store.failure(error)
        default:
            let reason = error.message ?? "SQLite cannot read it"
            return StoreError(.damaged, "The file is no backup of a control plane, or it is damaged: \(reason).")
        }
    }

    // MARK: Checks

    private static let schema = """
        SELECT concat FROM (SELECT coalesce(type, '') || ' ' || coalesce(name, '') || ' ' || coalesce(tbl_name, '') || ' '
            || coalesce(CAST(sql AS TEXT), '') AS concat, name FROM sqlite_schema)
        WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        """

    /// A trigger, a view or a table of other types could do what nobody expects of it.
    private static func checkSchema(_ db: Database, _ migrations: Migrations) throws {
        let found = Set(try String.fetchAll(db, sql: schema))
        let model = try DatabaseQueue()
        // What a query reads has to be a table of ours before it reads it.
        let first = try model.writeWithoutTransaction { db in
            _ = try migrations.apply(to: db, upTo: 0)
            return try String.fetchAll(db, sql: schema)
        }
        guard found.isSuperset(of: first) else {
            throw StoreError(
                .damaged, "The file is a database of another application, not a backup of a control plane.")
        }
        let seen = try migrations.check(db).count
        let expected = try model.writeWithoutTransaction { db in
            _ = try migrations.apply(to: db, upTo: seen)
            try db.execute(sql: BackupFacts.table)
            return Set(try String.fetchAll(db, sql: schema))
        }
        let backup = expected.filter { $0.hasPrefix("table backup ") }
        guard found.union(backup) == expected else {
            let odd = found.symmetricDifference(expected).subtracting(backup).sorted().first ?? ""
            let name = odd.split(separator: " ", maxSplits: 2).prefix(2).joined(separator: " ")
            throw StoreError(
                .damaged,
                "The schema of the file is not that of its migrations: look at the \(name.isEmpty ? "schema" : name).")
        }
    }

    /// With the schema known, SQLite's own check covers types, NULLs and CHECKs too. What is left is what arithmetic would trap on.
    private static func checkRows(_ db: Database) throws {
        let found = try String.fetchAll(db, sql: "PRAGMA integrity_check(1)")
        guard found == ["ok"] else {
            throw StoreError(.damaged, "The backup is damaged: \(found.first ?? "SQLite finds no reason").")
        }
        if let row = try Row.fetchOne(db, sql: "PRAGMA foreign_key_check") {
            throw StoreError(
                .damaged, "The backup is damaged: a row of \(row[0] as DatabaseValue) refers to one that is not there.")
        }
        let tables = try String.fetchAll(
            db,
            sql:
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND (name = 'sqlite_sequence' OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\')"
        )
        for table in tables {
            let columns =
                table == "sqlite_sequence"
                ? ["seq"]
                : try String.fetchAll(
                    db, sql: "SELECT name FROM pragma_table_info(?) WHERE type = 'INTEGER'", arguments: [table])
            for column in columns {
                let odd = "typeof(\(column)) NOT IN ('integer', 'null') OR \(column) < 0 OR \(column) > \(largest)"
                if try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM \(table) WHERE \(odd))") ?? true {
                    throw StoreError(
                        .damaged, "The backup is damaged: \(table).\(column) holds a number that nothing here writes.")
                }
            }
        }
        guard try Int.fetchOne(db, sql: "SELECT count(*) FROM installation") == 1 else {
            throw StoreError(.damaged, "The backup is damaged: it has no installation.")
        }
    }

    /// Of identifiers, versions and milliseconds.
    private static let largest: Int64 = 1 << 53

    private static func check(_ certificate: StoredCertificate) throws {
        let facts = certificate.facts
        for time in [facts.notBefore, facts.notAfter, facts.chainExpiry?.notAfter ?? 0]
        where time.magnitude > UInt64(largest) {
            throw StoreError(
                .damaged, "The backup is damaged: the certificate \(certificate.name) has a date that is none.")
        }
    }

    // MARK: Steps

    /// Opens every secret, former versions' too, and seals it under this folder's key where that is another one.
    package func open(_ key: SealingKey, sealingWith own: SealingKey) throws -> Contents {
        do {
            return try queue.write { db in
                try Self.reseal(db, from: key, to: own)
                let state = try Store.load(from: db, key: own)
                for stored in state.configuration.certificates.values { try Self.check(stored.value) }
                return Contents(
                    state: state, counts: try Self.counts(db),
                    hasAdministrator: try Bool.fetchOne(
                        db, sql: "SELECT EXISTS (SELECT 1 FROM account WHERE role = 'admin')") ?? false)
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }

    private static func reseal(_ db: Database, from key: SealingKey, to own: SealingKey) throws {
        for id in try Int64.fetchAll(db, sql: "SELECT id FROM secret") {
            guard
                let row = try Row.fetchOne(
                    db, sql: "SELECT id AS secret_id, field, sealed FROM secret WHERE id = ?", arguments: [id]),
                let secret = try Store.secret(in: row, of: "the backup", key: key)
            else { continue }
            if key.id == own.id { continue }
            let context = Store.secretContext(id: id, field: row["field"], key: own)
            let sealed = try own.seal(secret.bytes, context: context)
            try db.execute(sql: "UPDATE secret SET sealed = ? WHERE id = ?", arguments: [Data(sealed), id])
        }
        try db.execute(sql: "UPDATE installation SET sealing_key_id = ?", arguments: [own.id])
    }

    private static func counts(_ db: Database) throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for kind in ResourceKind.allCases {
            counts[kind.rawValue] = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM resource WHERE kind = ?", arguments: [kind.rawValue])
        }
        for (name, table) in [("accounts", "account"), ("tokens", "token"), ("audit", "audit")] {
            counts[name] = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table)")
        }
        counts["versions"] = try Int.fetchOne(
            db, sql: "SELECT count(*) FROM version WHERE number >= ?", arguments: [try Store.oldest(db)])
        return counts
    }

    /// The last step on the file: sessions end, a new history begins, so that no worker takes a version of it for one that it has
    /// seen, and the audit tells who did it. Returns the number of that entry.
    func finish(history: [UInt8], by author: Author, replacing old: JSONValue?) throws -> Int64 {
        do {
            return try queue.write { [facts] db in
                try db.execute(sql: "UPDATE installation SET history = ?", arguments: [Data(history)])
                try db.execute(sql: "DELETE FROM session; DROP TABLE IF EXISTS backup;")
                let restored = JSONValue.object([
                    "version": .string(String(facts.version)), "history": .string(Hex.encode(facts.history)),
                ])
                try Store.audit(
                    db, by: author, action: "restore", kind: "configuration", name: "from a backup", before: old,
                    after: restored)
                return db.lastInsertedRowID
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }
}
