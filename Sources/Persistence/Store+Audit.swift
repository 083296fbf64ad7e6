// The audit: who did what, when, from where, and what it was before and after. Entries about resources take both values
// from the versions; a secret appears as a fingerprint, which tells whether it changed and nothing else.

package import ConsoleModel
import Foundation
import GRDB
import Seal

/// One line of the audit.
package struct AuditRecord: Hashable, Sendable {
    package var id: Int64
    /// Unix milliseconds.
    package var at: Int64
    package var actor: String
    package var address: String
    package var via: String?
    package var action: String
    package var kind: String?
    package var name: String?
    package var version: Int64?
    package var detail: String?
    package var before: JSONValue?
    package var after: JSONValue?
}

/// Which lines of the audit are asked for. What is `nil` does not restrict.
package struct AuditFilter: Hashable, Sendable {
    package var actor: String?
    package var action: String?
    package var kind: String?
    package var name: String?
    /// Unix milliseconds, both included.
    package var since: Int64?
    package var until: Int64?
    /// Only lines with a smaller id: how an export goes on.
    package var below: Int64?
    /// Only lines with a greater id.
    package var above: Int64?

    package init() {}

    fileprivate var condition: (sql: String, arguments: StatementArguments) {
        let parts: [(String, (any DatabaseValueConvertible)?)] = [
            ("actor = ?", actor), ("action = ?", action), ("kind = ?", kind), ("name = ?", name), ("at >= ?", since),
            ("at <= ?", until), ("id < ?", below), ("id > ?", above),
        ]
        let given = parts.filter { $0.1 != nil }
        if given.isEmpty { return ("", []) }
        return ("WHERE " + given.map(\.0).joined(separator: " AND "), StatementArguments(given.map(\.1)))
    }
}

extension Store {
    package func auditCount(_ filter: AuditFilter = AuditFilter()) async throws -> Int {
        try await reading { db in
            let (condition, arguments) = filter.condition
            return try Int.fetchOne(db, sql: "SELECT count(*) FROM audit \(condition)", arguments: arguments) ?? 0
        }
    }

    /// Newest first.
    package func auditRecords(
        _ filter: AuditFilter = AuditFilter(), offset: Int = 0, limit: Int
    ) async throws -> [AuditRecord] {
        try await reading { [self] db in
            let (condition, arguments) = filter.condition
            return try Row.fetchAll(
                db, sql: "SELECT * FROM audit \(condition) ORDER BY id DESC LIMIT ? OFFSET ?",
                arguments: arguments + [limit, offset]
            ).map { try auditRecord($0, db) }
        }
    }

    /// Something that was done and changed nothing here.
    package func note(
        _ action: String, kind: String, name: String, detail: String? = nil, by author: Author
    ) async throws {
        try await writing { db in
            try Self.audit(db, by: author, action: action, kind: kind, name: name, detail: detail)
        }
    }

    func auditRecord(_ row: Row, _ db: Database) throws -> AuditRecord {
        var record = AuditRecord(
            id: row["id"], at: row["at"], actor: row["actor"], address: row["address"], via: row["via"],
            action: row["action"], kind: row["kind"], name: row["name"], version: row["version"],
            detail: row["detail"], before: try Self.json(row["old_value"]), after: try Self.json(row["new_value"]))
        // What a version that is not kept any more held was written into the entry when it went.
        if record.before == nil, record.after == nil, let version = record.version, let kind = record.kind,
            let name = record.name
        {
            record.before = try change(of: kind, name, "version < ?", version, db)
            record.after = try change(of: kind, name, "version = ?", version, db)
        }
        return record
    }

    /// The newest value of a resource among the changes that the condition admits.
    func change(
        of kind: String, _ name: String, _ condition: String, _ version: Int64, _ db: Database
    ) throws -> JSONValue? {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT body, secret.id AS secret_id, secret.field, secret.sealed
                FROM change LEFT JOIN secret ON secret.id = change.secret_id
                WHERE kind = ? AND name = ? AND \(condition) ORDER BY version DESC LIMIT 1
                """, arguments: [kind, name, version])
        guard let row, let body: String = row["body"] else { return nil }
        let secret = try Self.secret(in: row, of: "\(kind) \(name)", key: sealingKey)
        let field: String = row["field"] ?? ""
        return try Self.readable(body, secret: secret.map { (field, fingerprint(of: $0.bytes)) })
    }

    /// Equal for equal secrets of this installation. Keyed, so that a short password cannot be found by trying.
    func fingerprint(of secret: [UInt8]) -> String {
        let key = Secret(HMAC.sha256(Array("causeway fingerprint".utf8), key: sealingKey.secret).bytes)
        return String(HMAC.sha256(secret, key: key).hex.prefix(16))
    }

    static func json(_ text: String?) throws -> JSONValue? {
        try text.map { try JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
    }

    static func text(_ value: JSONValue?) throws -> String? {
        try value.map { String(decoding: try ConsoleJSON.encode($0), as: UTF8.self) }
    }

    static func audit(
        _ db: Database, by author: Author, action: String, kind: String? = nil, name: String? = nil,
        version: Int64? = nil, detail: String? = nil, before: JSONValue? = nil, after: JSONValue? = nil
    ) throws {
        try db.execute(
            sql: """
                INSERT INTO audit (at, actor, address, via, action, kind, name, version, detail, old_value, new_value)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                WallClock.milliseconds(), author.name, author.address, author.via, action, kind, name, version, detail,
                try text(before), try text(after),
            ])
    }
}
