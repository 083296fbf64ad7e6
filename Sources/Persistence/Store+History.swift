// Versions as a whole: what differs between two, what a former one held, and which are kept. A version is stored as the
// rows that it changed, so its state is, for each resource, the last change up to it.

package import ConsoleModel
import Foundation
import GRDB
import Seal

/// A resource that is not the same in two versions. `nil`: it is not there.
package struct ResourceDifference: Hashable, Sendable {
    package var kind: ResourceKind
    package var name: String
    package var before: JSONValue?
    package var after: JSONValue?
}

/// What a resource was at a former version.
package struct FormerResource: Sendable {
    package var kind: ResourceKind
    package var name: String
    /// `nil`: it was not there.
    package var resource: (any Resource)?
    /// What tells its age among others.
    package var id: Int64
}

extension Store {
    /// The first version that can still be shown and brought back.
    package func oldestVersion() async throws -> UInt64 {
        try await reading { UInt64(clamping: try Self.oldest($0)) }
    }

    /// By kind and name.
    package func differences(from: UInt64, to: UInt64) async throws -> [ResourceDifference] {
        let (from, to) = (Int64(clamping: from), Int64(clamping: to))
        return try await reading { [self] db in
            try Self.changed(after: min(from, to), upTo: max(from, to), in: db).compactMap { kind, name in
                let before = try change(of: kind.rawValue, name, "version <= ?", from, db)
                let after = try change(of: kind.rawValue, name, "version <= ?", to, db)
                if before == after { return nil }
                return ResourceDifference(kind: kind, name: name, before: before, after: after)
            }
        }
    }

    /// Everything that was changed after a version, as it was then.
    package func resources(asOf version: UInt64) async throws -> [FormerResource] {
        let version = Int64(clamping: version)
        return try await reading { [self] db in
            try Self.changed(after: version, upTo: .max, in: db).map { kind, name in
                let row = try Row.fetchOne(
                    db,
                    sql: """
                        SELECT resource_id, body, secret.id AS secret_id, secret.field, secret.sealed
                        FROM change LEFT JOIN secret ON secret.id = change.secret_id
                        WHERE kind = ? AND name = ? AND version <= ? ORDER BY version DESC LIMIT 1
                        """, arguments: [kind.rawValue, name, version])
                guard let row, let body: String = row["body"] else {
                    return FormerResource(kind: kind, name: name, resource: nil, id: 0)
                }
                let secret = try Self.secret(in: row, of: "\(kind.rawValue) \(name)", key: sealingKey)
                let resource: any Resource
                do {
                    resource = try kind.type.init(name: name, body: Array(body.utf8), secret: secret)
                } catch {
                    throw StoreError(
                        .damaged, "The \(kind.rawValue) \(name) of version \(version) cannot be read: \(error)")
                }
                return FormerResource(kind: kind, name: name, resource: resource, id: row["resource_id"])
            }
        }
    }

    /// A resource as people read it: the audit, differences and previews show this form.
    package func readable(_ resource: any Resource) throws -> JSONValue {
        let body = String(decoding: try resource.body(), as: UTF8.self)
        let secret = resource.secret.map { ($0.field, fingerprint(of: $0.value.bytes)) }
        return try Self.readable(body, secret: secret)
    }

    static func readable(_ body: String, secret: (field: String, fingerprint: String)?) throws -> JSONValue {
        guard case .object(var members)? = try json(body) else { return .null }
        if let (field, fingerprint) = secret { members["\(field)Fingerprint"] = .string(fingerprint) }
        // A chain of PEM says nothing to the eye, and its facts stand beside it.
        if case .string(let chain)? = members["chain"] {
            members["chain"] = .string("SHA-256 \(SHA256.hash(chain).hex.prefix(16))")
        }
        return .object(members)
    }

    // MARK: Retention

    /// Forgets versions so that the newest `count` are left; what only they held is deleted, their secrets too. The audit keeps
    /// what it tells. Returns the first that is left, `nil` when there was nothing to do.
    package func prune(keeping count: Int) async throws -> UInt64? {
        try await writing { [self] db in
            let newest = try Int64.fetchOne(db, sql: "SELECT max(number) FROM version") ?? 0
            let (oldest, first) = (try Self.oldest(db), newest - Int64(max(count, 1)) + 1)
            guard first > oldest else { return nil }
            for row in try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM audit WHERE version BETWEEN ? AND ? AND old_value IS NULL AND new_value IS NULL
                    """, arguments: [oldest, first])
            {
                let record = try auditRecord(row, db)
                try db.execute(
                    sql: "UPDATE audit SET old_value = ?, new_value = ? WHERE id = ?",
                    arguments: [try Self.text(record.before), try Self.text(record.after), record.id])
            }
            // The last change of each resource up to the first version that is left is what that version holds.
            try db.execute(
                sql: """
                    DELETE FROM change WHERE version < ? AND (action = 'delete' OR EXISTS (
                        SELECT 1 FROM change AS later WHERE later.kind = change.kind AND later.name = change.name
                            AND later.version > change.version AND later.version <= ?))
                    """, arguments: [first, first])
            try db.execute(
                sql: """
                    DELETE FROM secret WHERE NOT EXISTS (SELECT 1 FROM change WHERE change.secret_id = secret.id)
                        AND NOT EXISTS (SELECT 1 FROM resource WHERE resource.secret_id = secret.id)
                    """)
            try db.execute(sql: "UPDATE installation SET oldest_version = ?", arguments: [first])
            return UInt64(clamping: first)
        }
    }

    /// The first version that had a resource of that kind: those before it say nothing of the kind.
    package func firstVersion(of kind: ResourceKind) async throws -> UInt64? {
        try await reading { db in
            try Int64.fetchOne(db, sql: "SELECT min(version) FROM change WHERE kind = ?", arguments: [kind.rawValue])
                .map { UInt64(clamping: $0) }
        }
    }

    static func oldest(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT oldest_version FROM installation") ?? 1
    }

    private static func changed(
        after: Int64, upTo: Int64, in db: Database
    ) throws -> [(kind: ResourceKind, name: String)] {
        try Row.fetchAll(
            db, sql: "SELECT DISTINCT kind, name FROM change WHERE version > ? AND version <= ? ORDER BY kind, name",
            arguments: [after, upTo]
        ).compactMap { row in ResourceKind(rawValue: row["kind"]).map { ($0, row["name"]) } }
    }
}
