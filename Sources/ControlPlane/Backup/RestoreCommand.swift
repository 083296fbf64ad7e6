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
        if FileManager.default.fileExists(atPath: path) {
            let present = try SealingKey(loadingFrom: path)
            if present.id == facts.keyID { return present }
        }
        guard let sealed = facts.sealedKey else {
            throw StartError(
                "The backup was made without a passphrase, so it does not hold the key of its secrets (\(facts.keyID)): put that file at \(path) first."
            )
        }
        let opened: [UInt8]
        do {
            opened = try PassphraseSeal.open(sealed, passphrase: Secret(try passphrase()), purpose: BackupFacts.purpose)
        } catch let error as PassphraseError {
            throw StartError("The backup cannot be opened: \(error).")
        }
        guard let key = SealingKey(Secret(opened)), key.id == facts.keyID else {
            throw StartError("The backup holds another key than that of its secrets (\(facts.keyID)).")
        }
        return key
    }
}
