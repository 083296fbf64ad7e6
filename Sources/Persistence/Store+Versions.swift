// What was saved, when and by whom.

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

extension Store {
    /// Those that are kept.
    package func versionCount() async throws -> Int {
        try await reading { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM version WHERE number >= ?", arguments: [try Self.oldest(db)]) ?? 0
        }
    }

    /// Newest first, of those `after` a version.
    package func versions(after: UInt64 = 0, offset: Int = 0, limit: Int) async throws -> [VersionRecord] {
        try await reading { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM version WHERE number >= ? AND number > ? ORDER BY number DESC LIMIT ? OFFSET ?",
                arguments: [try Self.oldest(db), Int64(clamping: after), limit, offset]
            ).map { try Self.record($0, db) }
        }
    }

    package func version(_ number: UInt64) async throws -> VersionRecord? {
        guard let number = Int64(exactly: number) else { return nil }
        return try await reading { db in
            try Row.fetchOne(
                db, sql: "SELECT * FROM version WHERE number = ? AND number >= ?",
                arguments: [number, try Self.oldest(db)]
            )
            .map { try Self.record($0, db) }
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
}
