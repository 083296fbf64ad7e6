// A backup on its way into the data folder: a file of its owner alone, which goes when nobody needs it any more, and at the next start
// where the process was killed meanwhile.

import Foundation
import Seal

/// The file of an upload.
package final class RestoreUpload: Sendable {
    let path: String
    private let descriptor: Int32

    /// Makes the file, in the store's folder.
    package convenience init(for store: Store) throws {
        try self.init(in: store.folder)
    }

    init(in folder: String) throws {
        path = "\(folder)/restore-\(Hex.encode(Random.bytes(8))).db"
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(errno) }
    }

    deinit {
        discard()
        close(descriptor)
    }

    /// Takes the file out of the folder. Who has it open reads on.
    package func discard() {
        for part in Store.parts(of: path) { unlink(part) }
    }

    /// Appends. Waits for the disk.
    package func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.failure(errno) }
                written += count
            }
        }
    }

    private static func failure(_ code: Int32) -> StoreError {
        switch code {
        case ENOSPC, EDQUOT: .full
        default:
            StoreError(
                .writing,
                "the disk of the data folder (--data) takes no writes (\(StoreError.reason(code))). Mend that, then try again."
            )
        }
    }
}

extension Store {
    /// The files that SQLite makes of a database.
    static func parts(of path: String) -> [String] { [path, "\(path)-journal", "\(path)-wal", "\(path)-shm"] }

    /// What a process that was killed left of backups and restores. The folder is ours alone.
    static func sweep(_ folder: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        where name.contains(".db") && (name.hasPrefix("restore-") || name.hasPrefix("backup-")) {
            unlink("\(folder)/\(name)")
        }
    }
}
