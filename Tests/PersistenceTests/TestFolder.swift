// A data folder for one test, with the repository's migrations beside it.

import ConsoleModel
import Foundation
import Logging
import Persistence
import Seal

/// A folder that goes when the test is over.
final class TestFolder: Sendable {
    let path: String
    let data: String
    let migrations: String

    init() throws {
        path = NSTemporaryDirectory() + "causeway-\(Hex.encode(Random.bytes(8)))"
        data = "\(path)/data"
        migrations = "\(path)/migrations"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: Self.repositoryMigrations, toPath: migrations)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    static var repositoryMigrations: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("migrations").path
    }

    var options: Store.Options { Store.Options(folder: data, migrations: migrations) }

    /// Those that the folder holds, in order.
    var migrationNames: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: migrations)) ?? []).sorted()
    }

    /// The file name of a migration to come: the next one, or one `after` it.
    func migration(_ words: String, after: Int = 0) -> String {
        let number = String(migrationNames.count + 1 + after)
        return String(repeating: "0", count: 4 - number.count) + "\(number)_\(words).sql"
    }

    func open() throws -> Store {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Store(options, logger: logger)
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    /// Everything that stands in the data folder, as it stands on the disk.
    func bytesOnDisk() throws -> Data {
        try FileManager.default.contentsOfDirectory(atPath: data).sorted().reduce(into: Data()) { all, name in
            all += FileManager.default.contents(atPath: "\(data)/\(name)") ?? Data()
        }
    }

    func permissions(of name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")[.posixPermissions] as? Int
    }
}

let author = Author(name: "admin", address: "127.0.0.1")

func makeCertificate(_ name: String, key: String = "-----KEY-----") -> StoredCertificate {
    StoredCertificate(
        name: name, chain: "-----CHAIN-----", privateKey: Secret(key),
        facts: .init(
            names: ["a.test"], hasSAN: true, notBefore: 1, notAfter: 2, keyDescription: "RSA 2048", selfSigned: false,
            fingerprint: "00"))
}

/// The text of the error that `body` throws; empty when it throws none.
func errorText<T>(_ body: () throws -> T) -> String {
    do {
        _ = try body()
        return ""
    } catch {
        return "\(error)"
    }
}
