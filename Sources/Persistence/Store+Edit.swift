// An edit: judged on a copy, then written in one transaction (version, resources, changes, secrets, audit), then current.

import Foundation
import GRDB
import Seal
import Synchronization

/// What came of an edit.
package struct Edited<Answer: Sendable>: Sendable {
    package var answer: Answer
    /// The configuration after it; the one before it when nothing changed.
    package var configuration: StoredConfiguration
    package var changed: Bool

    /// The same edit with another answer.
    package func answering<Other: Sendable>(_ other: Other) -> Edited<Other> {
        Edited<Other>(answer: other, configuration: configuration, changed: changed)
    }
}

extension Store {
    /// Runs `body` on a copy of the configuration. What it throws leaves everything as it was. One edit runs at a time.
    package func edit<Answer: Sendable>(
        by author: Author, _ body: @escaping @Sendable (inout Draft) throws -> Answer
    ) async throws -> Edited<Answer> {
        do {
            return try await queue.writeWithoutTransaction { [self, era = Self.era] db in
                try check(era)
                return try run(body, author, db)
            }
        } catch let error as DatabaseError {
            throw Self.failure(error)
        }
    }

    /// On the writer's queue: what is current cannot change meanwhile.
    private func run<Answer: Sendable>(
        _ body: (inout Draft) throws -> Answer, _ author: Author, _ db: Database
    ) throws -> Edited<Answer> {
        let before = state.withLock { $0 }
        var draft = Draft(of: before.configuration, nextID: before.nextID)
        let answer = try body(&draft)
        guard !draft.changesNothing else {
            return Edited(answer: answer, configuration: before.configuration, changed: false)
        }
        let finished = draft
        try db.inTransaction {
            try write(finished, history: before.history, author: author, to: db)
            return .commit
        }
        state.withLock {
            $0.configuration = finished.configuration
            $0.nextID = finished.nextID
        }
        return Edited(answer: answer, configuration: finished.configuration, changed: true)
    }

    /// Starts a new line of versions, durably: the next publish carries it. `nil`: the present one is another than that which was to
    /// end, as a restore has begun one meanwhile.
    package func mintHistory(replacing old: [UInt8], reason: String) async throws -> [UInt8]? {
        let history = Random.bytes(16)
        return try await writing { [self] db in
            if state.withLock({ $0.history }) != old { return nil }
            try db.execute(sql: "UPDATE installation SET history = ?", arguments: [Data(history)])
            try Self.audit(db, by: .system, action: "mint-history", detail: reason)
            db.afterNextTransaction { [self] _ in state.withLock { $0.history = history } }
            return history
        }
    }

    private func write(_ draft: Draft, history: [UInt8], author: Author, to db: Database) throws {
        let number = Int64(clamping: draft.configuration.version)
        try db.execute(
            sql: "INSERT INTO version (number, history, created_at, author, summary) VALUES (?, ?, ?, ?, ?)",
            arguments: [number, Data(history), WallClock.milliseconds(), author.name, summary(of: draft)])
        for (change, resource, id) in draft.changes {
            var body: String?
            var secretID: Int64?
            if let resource {
                body = String(decoding: try resource.body(), as: UTF8.self)
                secretID = try seal(resource, change, in: db)
            }
            try writeResource(change, id: id, version: number, body: body, secretID: secretID, to: db)
            try db.execute(
                sql: """
                    INSERT INTO change (version, kind, name, resource_id, action, body, secret_id)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [number, change.kind.rawValue, change.name, id, change.action.rawValue, body, secretID])
            try Self.audit(
                db, by: author, action: change.action.rawValue, kind: change.kind.rawValue, name: change.name,
                version: number)
        }
    }

    private func writeResource(
        _ change: ResourceChange, id: Int64, version: Int64, body: String?, secretID: Int64?, to db: Database
    ) throws {
        switch change.action {
        case .create:
            try db.execute(
                sql: "INSERT INTO resource (id, kind, name, version, body, secret_id) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [id, change.kind.rawValue, change.name, version, body, secretID])
        case .update:
            // By its name: one that comes back as old as it was has another id.
            try db.execute(
                sql: "UPDATE resource SET id = ?, version = ?, body = ?, secret_id = ? WHERE kind = ? AND name = ?",
                arguments: [id, version, body, secretID, change.kind.rawValue, change.name])
        case .delete:
            try db.execute(sql: "DELETE FROM resource WHERE id = ?", arguments: [id])
        }
    }

    /// The row of the resource's secret: the present one when it still says the same, else a new one.
    private func seal(_ resource: any Resource, _ change: ResourceChange, in db: Database) throws -> Int64? {
        guard let (field, value) = resource.secret else { return nil }
        let current = try Row.fetchOne(
            db,
            sql: """
                SELECT secret.id, secret.sealed FROM resource JOIN secret ON secret.id = resource.secret_id
                WHERE resource.kind = ? AND resource.name = ?
                """, arguments: [change.kind.rawValue, change.name])
        if let current {
            let secretID: Int64 = current["id"]
            let sealed: Data = current["sealed"]
            let context = Self.secretContext(id: secretID, field: field, key: sealingKey)
            if let opened = try? sealingKey.open(Array(sealed), context: context),
                constantTimeEqual(opened, value.bytes)
            {
                return secretID
            }
        }
        // The id is part of what the seal is bound to, so the row comes first.
        try db.execute(sql: "INSERT INTO secret (field, sealed) VALUES (?, x'')", arguments: [field])
        let secretID = db.lastInsertedRowID
        let context = Self.secretContext(id: secretID, field: field, key: sealingKey)
        let sealed = try sealingKey.seal(value.bytes, context: context)
        try db.execute(sql: "UPDATE secret SET sealed = ? WHERE id = ?", arguments: [Data(sealed), secretID])
        return secretID
    }

    private func summary(of draft: Draft) -> String {
        let words = draft.changes.prefix(3).map {
            "\($0.change.action.rawValue) \($0.change.kind.rawValue) \($0.change.name)"
        }
        let rest = draft.changes.count - words.count
        return words.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}
