// migrations/*.sql, applied in order, each once, each recorded with its hash. A file that changed after it was applied
// stops the start: the database would no longer be what the file says.

import Foundation
import GRDB
import Seal

/// The SQL files of a folder, and which of them a database has seen.
struct Migrations: Sendable {
    struct File: Sendable {
        var name: String
        var sql: String
        var hash: String
    }

    let folder: String
    let files: [File]

    init(folder: String) throws(StoreError) {
        self.folder = folder
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sql") }.sorted()
        } catch {
            throw StoreError(
                .migration, "Cannot read the migrations folder \(folder) (--migrations): \(StoreError.reason(error)).")
        }
        if names.isEmpty {
            throw StoreError(.migration, "The migrations folder \(folder) (--migrations) has no .sql file.")
        }
        var files: [File] = []
        for (index, name) in names.enumerated() {
            guard let number = Int(name.prefix(4)), number == index + 1, name.dropFirst(4).hasPrefix("_") else {
                throw StoreError(
                    .migration,
                    "Migration \(folder)/\(name) must begin with the number \(index + 1) in four digits and '_'.")
            }
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)"),
                let sql = String(data: data, encoding: .utf8)
            else { throw StoreError(.migration, "Cannot read migration \(folder)/\(name) as UTF-8 text.") }
            files.append(File(name: name, sql: sql, hash: SHA256.hash(Array(data)).hex))
        }
        self.files = files
    }

    /// Those that the database has seen. Throws where they are others than the files.
    func check(_ db: Database) throws -> [String] {
        let seen = try Row.fetchAll(db, sql: "SELECT name, sha256 FROM migration ORDER BY number")
        return try seen.enumerated().map { index, row in
            // The file may be anybody's, and hold anything.
            guard let name = String.fromDatabaseValue(row[0]), let hash = String.fromDatabaseValue(row[1]) else {
                throw StoreError(.damaged, "The table migration of the database holds what is no migration.")
            }
            guard index < files.count, files[index].name == name else {
                throw StoreError(
                    .migration,
                    "The database has seen migration \(name), which is not in \(folder): it was written by a newer Causeway."
                )
            }
            if files[index].hash != hash {
                throw StoreError(
                    .migration,
                    "Migration \(folder)/\(name) changed after it was applied. Restore the file; write a new one for changes."
                )
            }
            return name
        }
    }

    /// Brings the database up to date, or up to the first files. Returns the names of the files applied now.
    func apply(to db: Database, upTo count: Int = .max) throws -> [String] {
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS migration (
                    number INTEGER PRIMARY KEY,
                    name TEXT NOT NULL UNIQUE,
                    sha256 TEXT NOT NULL,
                    applied_at INTEGER NOT NULL
                ) STRICT
                """)
        let seen = try check(db)
        let pending = files.prefix(count).dropFirst(seen.count)
        for (number, file) in zip((seen.count + 1)..., pending) {
            do {
                try db.inTransaction {
                    try db.execute(sql: file.sql)
                    try db.execute(
                        sql: "INSERT INTO migration (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)",
                        arguments: [number, file.name, file.hash, WallClock.milliseconds()])
                    return .commit
                }
            } catch {
                throw StoreError(.migration, "Migration \(folder)/\(file.name) failed: \(error).")
            }
        }
        return pending.map(\.name)
    }
}

/// The wall clock, as the database keeps it.
package enum WallClock {
    /// Unix milliseconds.
    package static func milliseconds() -> Int64 {
        Int64(Date().timeIntervalSince1970 * 1_000)
    }
}
