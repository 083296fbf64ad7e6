// Settings that belong to no version: how this control plane behaves, whatever the configuration says.

package import ConsoleModel
import Foundation
import GRDB

extension Store {
    /// Those that differ from their defaults.
    package func settings() async throws -> [String: JSONValue] {
        try await reading { db in
            var settings: [String: JSONValue] = [:]
            for row in try Row.fetchAll(db, sql: "SELECT name, value FROM setting") {
                settings[row["name"]] = try Self.json(row["value"])
            }
            return settings
        }
    }

    /// Sets one; `nil`: back to its default.
    package func set(_ name: String, to value: JSONValue?, by author: Author) async throws {
        try await writing { db in
            let stored = try String.fetchOne(db, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name])
            let before = try Self.json(stored)
            if before == value { return }
            if let value {
                try db.execute(
                    sql: """
                        INSERT INTO setting (name, value) VALUES (?, ?)
                        ON CONFLICT (name) DO UPDATE SET value = excluded.value
                        """,
                    arguments: [name, try Self.text(value)])
            } else {
                try db.execute(sql: "DELETE FROM setting WHERE name = ?", arguments: [name])
            }
            let action = value == nil ? "delete" : before == nil ? "create" : "update"
            try Self.audit(db, by: author, action: action, kind: "setting", name: name, before: before, after: value)
        }
    }
}
