// Sessions of people in a browser. Only the hash of what the cookie holds is kept.

import ConsoleModel
import Foundation
import GRDB
package import Seal

/// A login that lasts.
package struct SessionRecord: Hashable, Sendable {
    /// For lists; opens nothing.
    package var id: Int64
    package var account: String
    /// Unix milliseconds.
    package var createdAt: Int64
    package var expiresAt: Int64
    /// Some minutes old.
    package var lastUsedAt: Int64
    package var address: String
    /// What the browser calls itself.
    package var agent: String
}

extension Store {
    /// How old the time of a session's or token's last use may be: each step is a write to the disk.
    package static let useResolution: Int64 = 300_000
    /// Sessions of one account; the one that was not used for the longest time goes.
    package static let maximumSessions = 50

    /// Opens a session; those that have run out go at the same time.
    package func openSession(
        _ idHash: Hash256, account: Account, now: Int64, expiresAt: Int64, agent: String = "", by author: Author
    ) async throws {
        try await writing { db in
            try db.execute(sql: "DELETE FROM session WHERE expires_at <= ?", arguments: [now])
            try db.execute(
                sql: """
                    DELETE FROM session WHERE id IN (
                        SELECT id FROM session WHERE account_id = ? ORDER BY last_used_at DESC, id DESC LIMIT -1 OFFSET ?)
                    """, arguments: [account.id, Self.maximumSessions - 1])
            try db.execute(
                sql: """
                    INSERT INTO session (id_hash, account_id, created_at, expires_at, last_used_at, address, agent)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    Data(idHash.bytes), account.id, now, expiresAt, now, author.address, String(agent.prefix(200)),
                ])
            try Self.audit(db, by: author, action: "login", kind: "account", name: account.name)
        }
    }

    /// The account of a session that has not run out, and the session's number.
    package func account(ofSession idHash: Hash256, now: Int64) async throws -> (account: Account, session: Int64)? {
        let found = try await reading { db -> (Account, session: Int64, lastUsedAt: Int64)? in
            try Row.fetchOne(
                db,
                sql: """
                    SELECT account.*, session.id AS session_id, session.last_used_at
                    FROM session JOIN account ON account.id = session.account_id
                    WHERE session.id_hash = ? AND session.expires_at > ?
                    """, arguments: [Data(idHash.bytes), now]
            ).map { (try Account($0), $0["session_id"], $0["last_used_at"]) }
        }
        guard let (account, session, lastUsedAt) = found else { return nil }
        if now - lastUsedAt >= Self.useResolution {
            try await writing { db in
                try db.execute(sql: "UPDATE session SET last_used_at = ? WHERE id = ?", arguments: [now, session])
            }
        }
        return (account, session)
    }

    /// Newest first; of everybody without an account.
    package func sessions(ofAccount id: Int64?, now: Int64) async throws -> [SessionRecord] {
        try await reading { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT session.*, account.name AS account_name
                    FROM session JOIN account ON account.id = session.account_id
                    WHERE session.expires_at > ? AND (? IS NULL OR account_id = ?) ORDER BY session.id DESC
                    """, arguments: [now, id, id]
            ).map { row in
                SessionRecord(
                    id: row["id"], account: row["account_name"], createdAt: row["created_at"],
                    expiresAt: row["expires_at"], lastUsedAt: row["last_used_at"], address: row["address"],
                    agent: row["agent"])
            }
        }
    }

    /// Ends a session by what its cookie holds; nothing happens when there is none.
    package func closeSession(_ idHash: Hash256, by author: Author) async throws {
        try await writing { db in
            try db.execute(sql: "DELETE FROM session WHERE id_hash = ?", arguments: [Data(idHash.bytes)])
            if db.changesCount > 0 {
                try Self.audit(db, by: author, action: "logout", kind: "account", name: author.name)
            }
        }
    }

    /// Ends a session by its number. With an account, only one of that account. `false`: there is none.
    package func revokeSession(_ id: Int64, ofAccount account: Int64?, by author: Author) async throws -> Bool {
        try await writing { db in
            let owner = try String.fetchOne(
                db,
                sql: """
                    SELECT account.name FROM session JOIN account ON account.id = session.account_id
                    WHERE session.id = ? AND (? IS NULL OR account_id = ?)
                    """, arguments: [id, account, account])
            guard let owner else { return false }
            try db.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [id])
            try Self.audit(
                db, by: author, action: "revoke", kind: "session", name: String(id),
                before: .object(["user": .string(owner)]))
            return true
        }
    }
}
