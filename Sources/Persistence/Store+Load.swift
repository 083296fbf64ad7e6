// The configuration out of the database, with every secret opened once, at the start.

import ConsoleModel
import Foundation
import GRDB
import Seal

extension Store {
    static func load(from db: Database, key: SealingKey) throws -> State {
        var configuration = StoredConfiguration()
        configuration.version = UInt64(try Int64.fetchOne(db, sql: "SELECT max(number) FROM version") ?? 0)
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT resource.id, kind, name, version, body, secret.id AS secret_id, secret.field, secret.sealed
                FROM resource LEFT JOIN secret ON secret.id = resource.secret_id ORDER BY resource.id
                """)
        while let row = try rows.next() {
            let text: String = row["kind"]
            guard let kind = ResourceKind(rawValue: text) else {
                throw StoreError(.damaged, "The database holds a resource of the unknown kind \(text).")
            }
            switch kind {
            case .domain: try add(Console.Domain.self, row, key, &configuration)
            case .certificate: try add(StoredCertificate.self, row, key, &configuration)
            case .route: try add(Console.Route.self, row, key, &configuration)
            case .serviceSource: try add(Console.ServiceSource.self, row, key, &configuration)
            case .consumer: try add(Console.Consumer.self, row, key, &configuration)
            case .proxyServer: try add(Console.ProxyServer.self, row, key, &configuration)
            case .listener: try add(Console.Listener.self, row, key, &configuration)
            }
        }
        guard let history = try Data.fetchOne(db, sql: "SELECT history FROM installation") else {
            throw StoreError(.damaged, "The database has lost its history id.")
        }
        // AUTOINCREMENT's own record: ids of deleted rows are not used again either.
        let last = try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'resource'") ?? 0
        return State(configuration: configuration, history: Array(history), nextID: last + 1)
    }

    private static func add<R: Resource>(
        _ type: R.Type, _ row: Row, _ key: SealingKey, _ configuration: inout StoredConfiguration
    ) throws {
        let name: String = row["name"]
        let secret = try secret(in: row, of: "\(R.kind.rawValue) \(name)", key: key)
        let body: String = row["body"]
        var resource: R
        do {
            resource = try R(name: name, body: Array(body.utf8), secret: secret)
        } catch {
            throw StoreError(.damaged, "The \(R.kind.rawValue) \(name) in the database cannot be read: \(error)")
        }
        let version: Int64 = row["version"]
        resource.version = String(version)
        configuration[keyPath: R.collection][name] = Stored(id: row["id"], value: resource)
    }

    /// The secret of a row that has its columns; `nil`: the resource has none.
    static func secret(in row: Row, of subject: String, key: SealingKey) throws -> Secret? {
        guard let sealed: Data = row["sealed"] else { return nil }
        do {
            let context = secretContext(id: row["secret_id"], field: row["field"], key: key)
            return Secret(try key.open(Array(sealed), context: context))
        } catch {
            throw StoreError(.damaged, "The secret of \(subject) in the database cannot be opened: \(error)")
        }
    }

    /// Bound to the place where the sealed bytes stand, so that they mean nothing elsewhere.
    static func secretContext(id: Int64, field: String, key: SealingKey) -> String {
        "secret/\(id)/\(field)/\(key.id)"
    }
}
