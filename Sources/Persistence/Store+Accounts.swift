// Accounts, their sessions and the settings that belong to no version.

package import ConsoleModel
import Foundation
import GRDB
package import Seal

/// A person who may use the console.
package struct Account: Hashable, Sendable {
    package enum Role: String, Sendable {
        case admin, editor, viewer
    }

    package var id: Int64
    package var name: String
    package var displayName: String
    package var avatarURL: String?
    package var role: Role
    /// scrypt, with parameters and salt.
    package var passwordHash: String

    package init(
        id: Int64, name: String, displayName: String, avatarURL: String?, role: Role, passwordHash: String
    ) {
        self.id = id
        self.name = name
        self.displayName = displayName
        self.avatarURL = avatarURL
        self.role = role
        self.passwordHash = passwordHash
    }
}

extension Store {
    package func hasAccounts() async throws -> Bool {
        try await reading { try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM account)") ?? false }
    }

    /// The first-run set-up: one administrator and the settings given with it. `false`: somebody was faster.
    package func initialize(
        name: String, displayName: String, passwordHash: String, settings: [String: JSONValue], by author: Author
    ) async throws -> Bool {
        try await writing { db in
            if try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM account)") ?? false { return false }
            let now = WallClock.milliseconds()
            try db.execute(
                sql: """
                    INSERT INTO account (name, display_name, role, password_hash, created_at, password_changed_at)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [name, displayName, Account.Role.admin.rawValue, passwordHash, now, now])
            for (key, value) in settings {
                try db.execute(
                    sql: "INSERT INTO setting (name, value) VALUES (?, ?)",
                    arguments: [key, String(decoding: try ConsoleJSON.encode(value), as: UTF8.self)])
            }
            try Self.audit(db, by: author, action: "initialize", kind: "account", name: name)
            return true
        }
    }

    package func account(named name: String) async throws -> Account? {
        try await reading { db in
            try Row.fetchOne(db, sql: "SELECT * FROM account WHERE name = ?", arguments: [name]).flatMap(Self.account)
        }
    }

    /// Changes the password and ends every session of the account.
    package func setPasswordHash(_ hash: String, ofAccount id: Int64, by author: Author) async throws {
        try await writing { db in
            try db.execute(
                sql: "UPDATE account SET password_hash = ?, password_changed_at = ? WHERE id = ?",
                arguments: [hash, WallClock.milliseconds(), id])
            try db.execute(sql: "DELETE FROM session WHERE account_id = ?", arguments: [id])
            try Self.audit(db, by: author, action: "change-password", kind: "account", name: author.name)
        }
    }

    /// Opens a session; those that have run out go at the same time.
    package func openSession(
        _ idHash: Hash256, account: Account, now: Int64, expiresAt: Int64, by author: Author
    ) async throws {
        try await writing { db in
            try db.execute(sql: "DELETE FROM session WHERE expires_at <= ?", arguments: [now])
            try db.execute(
                sql: "INSERT INTO session (id_hash, account_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
                arguments: [Data(idHash.bytes), account.id, now, expiresAt])
            try Self.audit(db, by: author, action: "login", kind: "account", name: account.name)
        }
    }

    package func account(ofSession idHash: Hash256, now: Int64) async throws -> Account? {
        try await reading { db in
            try Row.fetchOne(
                db,
                sql: """
                    SELECT account.* FROM session JOIN account ON account.id = session.account_id
                    WHERE session.id_hash = ? AND session.expires_at > ?
                    """, arguments: [Data(idHash.bytes), now]
            ).flatMap(Self.account)
        }
    }

    /// Ends a session; nothing happens when there is none.
    package func closeSession(_ idHash: Hash256, by author: Author) async throws {
        try await writing { db in
            try db.execute(sql: "DELETE FROM session WHERE id_hash = ?", arguments: [Data(idHash.bytes)])
            if db.changesCount > 0 {
                try Self.audit(db, by: author, action: "logout", kind: "account", name: author.name)
            }
        }
    }

    package func settings() async throws -> [String: JSONValue] {
        try await reading { db in
            var settings: [String: JSONValue] = [:]
            for row in try Row.fetchAll(db, sql: "SELECT name, value FROM setting") {
                let value: String = row["value"]
                settings[row["name"]] = try JSONDecoder().decode(JSONValue.self, from: Data(value.utf8))
            }
            return settings
        }
    }

    private static func account(_ row: Row) -> Account? {
        guard let role = Account.Role(rawValue: row["role"]) else { return nil }
        return Account(
            id: row["id"], name: row["name"], displayName: row["display_name"], avatarURL: row["avatar_url"],
            role: role,
            passwordHash: row["password_hash"])
    }
}
