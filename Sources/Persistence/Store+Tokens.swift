// Bearer tokens of the API. A token is shown once, when it is made; here is only its hash.

import ConsoleModel
import Foundation
import GRDB
package import Seal

/// What is known of a token.
package struct TokenRecord: Hashable, Sendable {
    package var id: Int64
    package var account: String
    package var name: String
    package var role: Account.Role
    /// The kinds of resources that it may be used for; `nil`: all.
    package var kinds: [String]?
    /// Unix milliseconds.
    package var createdAt: Int64
    /// `nil`: never.
    package var expiresAt: Int64?
    package var lastUsedAt: Int64?
    package var lastAddress: String?

    package init(
        id: Int64 = 0, account: String, name: String, role: Account.Role, kinds: [String]?, createdAt: Int64,
        expiresAt: Int64?
    ) {
        self.id = id
        self.account = account
        self.name = name
        self.role = role
        self.kinds = kinds
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    fileprivate init(_ row: Row) throws {
        let text: String = row["token_role"]
        guard let role = Account.Role(rawValue: text) else {
            throw StoreError(.damaged, "The database holds a token with the unknown role \(text).")
        }
        let kinds: String? = row["kinds"]
        self.init(
            id: row["token_id"], account: row["name"], name: row["token_name"], role: role,
            kinds: try kinds.map { try JSONDecoder().decode([String].self, from: Data($0.utf8)) },
            createdAt: row["token_created_at"], expiresAt: row["expires_at"])
        lastUsedAt = row["last_used_at"]
        lastAddress = row["last_address"]
    }

    fileprivate var audited: JSONValue {
        .object([
            "user": .string(account), "role": .string(role.rawValue),
            "kinds": kinds.map { .array($0.map(JSONValue.string)) } ?? .null,
            "expiresAt": expiresAt.map(JSONValue.integer) ?? .null,
        ])
    }

    fileprivate static let selection = """
        SELECT account.*, token.id AS token_id, token.name AS token_name, token.role AS token_role, token.kinds,
            token.created_at AS token_created_at, token.expires_at, token.last_used_at, token.last_address
        FROM token JOIN account ON account.id = token.account_id
        """
}

extension Store {
    /// Tokens of one account.
    package static let maximumTokens = 100

    package enum TokenCreation: Sendable {
        case done(TokenRecord)
        case duplicate
        case tooMany
    }

    package func createToken(
        _ token: TokenRecord, hash: Hash256, owner: Account, by author: Author
    ) async throws -> TokenCreation {
        try await writing { db in
            let names = try String.fetchAll(
                db, sql: "SELECT name FROM token WHERE account_id = ?", arguments: [owner.id])
            if names.contains(token.name) { return .duplicate }
            if names.count >= Self.maximumTokens { return .tooMany }
            try db.execute(
                sql: """
                    INSERT INTO token (account_id, name, hash, role, kinds, created_at, expires_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    owner.id, token.name, Data(hash.bytes), token.role.rawValue,
                    try Self.text(token.kinds.map { .array($0.map(JSONValue.string)) }), token.createdAt,
                    token.expiresAt,
                ])
            var made = token
            made.id = db.lastInsertedRowID
            try Self.audit(db, by: author, action: "create", kind: "token", name: token.name, after: token.audited)
            return .done(made)
        }
    }

    /// The token of this hash with its account, unless it has expired.
    package func token(
        _ hash: Hash256, now: Int64, address: String
    ) async throws -> (account: Account, token: TokenRecord)? {
        let found = try await reading { db in
            try Row.fetchOne(
                db, sql: "\(TokenRecord.selection) WHERE hash = ? AND (expires_at IS NULL OR expires_at > ?)",
                arguments: [Data(hash.bytes), now]
            ).map { (account: try Account($0), token: try TokenRecord($0)) }
        }
        guard let found else { return nil }
        let id = found.token.id
        if now - (found.token.lastUsedAt ?? 0) >= Self.useResolution || found.token.lastAddress != address {
            try await writing { db in
                try db.execute(
                    sql: "UPDATE token SET last_used_at = ?, last_address = ? WHERE id = ?",
                    arguments: [now, address, id])
            }
        }
        return found
    }

    /// By account and name, also those that have expired; of everybody without an account.
    package func tokens(ofAccount id: Int64?) async throws -> [TokenRecord] {
        try await reading { db in
            try Row.fetchAll(
                db,
                sql: """
                    \(TokenRecord.selection) WHERE ? IS NULL OR token.account_id = ? ORDER BY account.name, token.name
                    """, arguments: [id, id]
            ).map(TokenRecord.init)
        }
    }

    /// Ends a token. With an account, only one of that account. `false`: there is none.
    package func revokeToken(_ id: Int64, ofAccount account: Int64?, by author: Author) async throws -> Bool {
        try await writing { db in
            let token = try Row.fetchOne(
                db, sql: "\(TokenRecord.selection) WHERE token.id = ? AND (? IS NULL OR token.account_id = ?)",
                arguments: [id, account, account]
            ).map(TokenRecord.init)
            guard let token else { return false }
            try db.execute(sql: "DELETE FROM token WHERE id = ?", arguments: [id])
            try Self.audit(db, by: author, action: "revoke", kind: "token", name: token.name, before: token.audited)
            return true
        }
    }
}
