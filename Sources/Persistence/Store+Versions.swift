// What was saved, when and by whom; and the audit.

import Foundation
import GRDB

/// One saved version.
package struct VersionRecord: Hashable, Sendable {
    package var number: UInt64
    /// Which line of versions it belongs to.
    package var history: [UInt8]
    /// Unix milliseconds.
    package var createdAt: Int64
    package var author: String
    package var summary: String
    package var changes: [ResourceChange]
}

/// One line of the audit.
package struct AuditRecord: Hashable, Sendable {
    package var at: Int64
    package var actor: String
    package var address: String
    package var action: String
    package var kind: String?
    package var name: String?
    package var version: Int64?
    package var detail: String?
}

extension Store {
    package func versionCount() async throws -> Int {
        try await reading { try Int.fetchOne($0, sql: "SELECT count(*) FROM version") ?? 0 }
    }

    /// Newest first.
    package func versions(offset: Int, limit: Int) async throws -> [VersionRecord] {
        try await reading { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM version ORDER BY number DESC LIMIT ? OFFSET ?", arguments: [limit, offset]
            ).map { try Self.record($0, db) }
        }
    }

    package func version(_ number: UInt64) async throws -> VersionRecord? {
        guard let number = Int64(exactly: number) else { return nil }
        return try await reading { db in
            try Row.fetchOne(db, sql: "SELECT * FROM version WHERE number = ?", arguments: [number])
                .map { try Self.record($0, db) }
        }
    }

    /// Newest first.
    package func auditRecords(limit: Int) async throws -> [AuditRecord] {
        try await reading { db in
            try Row.fetchAll(db, sql: "SELECT * FROM audit ORDER BY id DESC LIMIT ?", arguments: [limit]).map { row in
                AuditRecord(
                    at: row["at"], actor: row["actor"], address: row["address"], action: row["action"],
                    kind: row["kind"], name: row["name"], version: row["version"], detail: row["detail"])
            }
        }
    }

    private static func record(_ row: Row, _ db: Database) throws -> VersionRecord {
        let number: Int64 = row["number"]
        let history: Data = row["history"]
        let changes = try Row.fetchAll(
            db, sql: "SELECT kind, name, action FROM change WHERE version = ? ORDER BY kind, name", arguments: [number]
        ).compactMap { change -> ResourceChange? in
            guard let kind = ResourceKind(rawValue: change["kind"]),
                let action = ResourceChange.Action(rawValue: change["action"])
            else { return nil }
            return ResourceChange(kind: kind, name: change["name"], action: action)
        }
        return VersionRecord(
            number: UInt64(clamping: number), history: Array(history), createdAt: row["created_at"],
            author: row["author"], summary: row["summary"], changes: changes)
    }

    static func audit(
        _ db: Database, by author: Author, action: String, kind: String? = nil, name: String? = nil,
        version: Int64? = nil, detail: String? = nil
    ) throws {
        try db.execute(
            sql: """
                INSERT INTO audit (at, actor, address, action, kind, name, version, detail)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                WallClock.milliseconds(), author.name, author.address, action, kind, name, version, detail,
            ])
    }
}
