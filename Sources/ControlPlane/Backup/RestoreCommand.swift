// What `causeway-control restore` does: finds the key of the backup, and lets the store put it back after a full compile.

import ConfigModel
import Foundation
import Glibc
package import Logging
import Persistence
import Seal

/// A backup into a data folder.
package enum RestoreCommand {
    /// What was done, in one sentence; throws why not. `passphrase` is asked only where it is needed.
    package static func run(
        _ file: String, _ options: ControlPlaneOptions, logger: Logger, passphrase: () throws -> String
    ) throws -> String {
        guard FileManager.default.fileExists(atPath: file) else { throw StartError("There is no file \(file).") }
        let facts = try Restore.examine(file)
        let store = Store.Options(folder: options.data, migrations: options.migrations)
        let key = try key(of: facts, at: store.sealingKey, passphrase)
        var settings = GatewaySettings()
        for assignment in options.settings { try settings.set(assignment) }
        let compiler = SnapshotCompiler(settings: settings)
        try Restore.run(
            file, into: store, key: key,
            by: Author(name: "system", address: "local", via: "uid \(geteuid()) pid \(getpid())"), logger: logger
        ) { configuration in
            guard let history = HistoryID(Random.bytes(16)) else { preconditionFailure("a history has 16 bytes") }
            let compiled = try compiler.compile(configuration, history: history)
            for problem in compiled.problems {
                logger.warning("the backup has a problem", metadata: ["problem": "\(problem.sentence)"])
            }
        }
        return
            "Version \(facts.version) is back in \(options.data). Start the control plane; everybody has to log in again."
    }

    private static func key(
        of facts: BackupFacts, at path: String, _ passphrase: () throws -> String
    ) throws -> SealingKey {
        let present = FileManager.default.fileExists(atPath: path) ? try SealingKey(loadingFrom: path) : nil
        do {
            return try facts.key(present: present) { Secret(try passphrase()) }
        } catch let error as BackupKeyError {
            guard case .absent = error, present == nil else { throw StartError("\(error)") }
            throw StartError("\(error) Put its file at \(path) first.")
        }
    }
}
