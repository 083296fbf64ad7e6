// Accounts: the people who may use the console. Each change is audited in the transaction that makes it.

package import ConsoleModel
import Foundation
import GRDB

/// A person who may use the console.
package struct Account: Hashable, Sendable {
    package typealias Role = Console.Role

    package var id: Int64
    package var name: String
    package var displayName: String
    package var avatarURL: String?
    package var role: Role
    /// scrypt, with parameters and salt.
    package var passwordHash: String
    /// Unix milliseconds.
    package var createdAt: Int64
    package var passwordChangedAt: Int64

    package init(
        id: Int64, name: String, displayName: String, avatarURL: String?, role: Role, passwordHash: String,
        createdAt: Int64 = 0, passwordChangedAt: Int64 = 0
    ) {
        self.id = id
        self.name = name
        self.displayName = displayName
        self.avatarURL = avatarURL
        self.role = role
        self.passwordHash = passwordHash
        self.createdAt = createdAt
        self.passwordChangedAt = passwordChangedAt
    }

    init(_ row: Row) throws {
        let text: String = row["role"]
        guard let role = Role(rawValue: text) else {
            throw StoreError(.damaged, "The database holds an account with the unknown role \(text).")
        }
        self.init(
            id: row["id"], name: row["name"], displayName: row["display_name"], avatarURL: row["avatar_url"],
            role: role,
            passwordHash: row["password_hash"], createdAt: row["created_at"],
            passwordChangedAt: row["password_changed_at"])
    }

    /// What the audit tells of it.
    fileprivate var audited: JSONValue {
        .object(["displayName": .string(displayName), "role": .string(role.rawValue)])
    }
}

/// What came of a change of an account.
package enum AccountChange: Sendable {
    case done(Account)
    case unknown
    case duplicate
    /// There would be nobody left who can manage accounts.
    case lastAdministrator
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
            try Self.insert(
                Account(
                    id: 0, name: name, displayName: displayName, avatarURL: nil, role: .admin,
                    passwordHash: passwordHash), in: db)
            for (key, value) in settings {
                try db.execute(
                    sql: "INSERT INTO setting (name, value) VALUES (?, ?)", arguments: [key, try Self.text(value)])
            }
            try Self.audit(db, by: author, action: "initialize", kind: "account", name: name)
            return true
        }
    }

    package func account(named name: String) async throws -> Account? {
        try await reading { try Self.account(named: name, in: $0) }
    }

    /// By name.
    package func accounts() async throws -> [Account] {
        try await reading { try Row.fetchAll($0, sql: "SELECT * FROM account ORDER BY name").map(Account.init) }
    }

    /// Makes an account; its id is given here.
    package func createAccount(_ account: Account, by author: Author) async throws -> AccountChange {
        try await writing { db in
            if try Self.account(named: account.name, in: db) != nil { return .duplicate }
            try Self.insert(account, in: db)
            try Self.audit(
                db, by: author, action: "create", kind: "account", name: account.name, after: account.audited)
            return try Self.account(named: account.name, in: db).map(AccountChange.done) ?? .unknown
        }
    }

    /// Another role or display name. Sessions and tokens go on, with the new role at once.
    package func updateAccount(
        named name: String, displayName: String?, role: Account.Role?, by author: Author
    ) async throws -> AccountChange {
        try await writing { db in
            guard let before = try Self.account(named: name, in: db) else { return .unknown }
            var account = before
            if let displayName { account.displayName = displayName }
            if let role { account.role = role }
            if account == before { return .done(account) }
            if before.role == .admin, account.role != .admin, try !Self.hasOtherAdministrator(than: before.id, in: db) {
                return .lastAdministrator
            }
            try db.execute(
                sql: "UPDATE account SET display_name = ?, role = ? WHERE id = ?",
                arguments: [account.displayName, account.role.rawValue, account.id])
            try Self.audit(
                db, by: author, action: "update", kind: "account", name: name, before: before.audited,
                after: account.audited)
            return .done(account)
        }
    }

    /// Its sessions and tokens go with it.
    package func removeAccount(named name: String, by author: Author) async throws -> AccountChange {
        try await writing { db in
            guard let account = try Self.account(named: name, in: db) else { return .unknown }
            if account.role == .admin, try !Self.hasOtherAdministrator(than: account.id, in: db) {
                return .lastAdministrator
            }
            try db.execute(sql: "DELETE FROM account WHERE id = ?", arguments: [account.id])
            try Self.audit(db, by: author, action: "delete", kind: "account", name: name, before: account.audited)
            return .done(account)
        }
    }

    /// Changes the password and ends every session of the account. Tokens have no part in it: they go on.
    package func setPasswordHash(_ hash: String, ofAccount id: Int64, by author: Author) async throws {
        try await writing { db in
            guard let name = try String.fetchOne(db, sql: "SELECT name FROM account WHERE id = ?", arguments: [id])
            else {
                return
            }
            try db.execute(
                sql: "UPDATE account SET password_hash = ?, password_changed_at = ? WHERE id = ?",
                arguments: [hash, WallClock.milliseconds(), id])
            try db.execute(sql: "DELETE FROM session WHERE account_id = ?", arguments: [id])
            let action = author.name == name ? "change-password" : "reset-password"
            try Self.audit(db, by: author, action: action, kind: "account", name: name)
        }
    }

    private static func account(named name: String, in db: Database) throws -> Account? {
        try Row.fetchOne(db, sql: "SELECT * FROM account WHERE name = ?", arguments: [name]).map(Account.init)
    }

    private static func hasOtherAdministrator(than id: Int64, in db: Database) throws -> Bool {
        try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM account WHERE role = 'admin' AND id <> ?)", arguments: [id]) ?? false
    }

    private static func insert(_ account: Account, in db: Database) throws {
        let now = WallClock.milliseconds()
        try db.execute(
            sql: """
                INSERT INTO account (name, display_name, avatar_url, role, password_hash, created_at, password_changed_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                account.name, account.displayName, account.avatarURL, account.role.rawValue, account.passwordHash, now,
                now,
            ])
    }
}
