// /v1/backup: a copy of everything that the control plane keeps, while it is in use.

import ConsoleModel
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Persistence
import Seal
import Synchronization

/// Backups.
struct BackupController: Sendable {
    let store: Store
    /// Where a backup stands while it is sent.
    let folder: String
    let bodyLimit: Int
    private let running = Running()

    init(store: Store, folder: String, bodyLimit: Int) {
        self.store = store
        self.folder = folder
        self.bodyLimit = bodyLimit
    }

    /// One at a time: each is a copy of the whole.
    private final class Running: Sendable {
        let isBusy = Mutex(false)
    }

    private static let chunk = 1 << 18

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.post(use: backUp)
    }

    private func backUp(_ request: Request, context: AdminContext) async throws -> Response {
        let (asked, _) = try await request.model(Console.BackupRequest.self, limit: bodyLimit)
        try asked.check().throwIfRefused()
        let passphrase = asked.passphrase.map { Secret($0.value) }
        let author = try context.author()
        let isFree = running.isBusy.withLock { busy in
            defer { busy = true }
            return !busy
        }
        guard isFree else {
            throw Problem(.tooManyRequests, .busy, "Another backup is being made. Try again later.", retryAfter: 5)
        }
        defer { running.isBusy.withLock { $0 = false } }
        let path = "\(folder)/backup-\(Hex.encode(Random.bytes(8))).db"
        let (file, length) = try await NIOThreadPool.singleton.runIfActive { [store] in
            // Once it is open its name can go: it goes with whoever reads it, however that ends.
            defer { try? FileManager.default.removeItem(atPath: path) }
            try store.backUp(to: path, passphrase: passphrase)
            let length = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
            return (try FileHandle(forReadingFrom: URL(fileURLWithPath: path)), length)
        }
        let what = passphrase == nil ? "without the sealing key" : "with the sealing key"
        try await store.note("backup", kind: "configuration", name: what, by: author)
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/vnd.sqlite3", .cacheControl: "no-store",
                .contentDisposition: "attachment; filename=\"causeway-\(store.configuration.version).db\"",
                .causewaySealingKey: passphrase == nil ? "absent" : "sealed",
            ],
            body: ResponseBody(contentLength: length) { writer in
                while let part = try await NIOThreadPool.singleton.runIfActive({ try file.read(upToCount: Self.chunk) }
                ),
                    !part.isEmpty
                {
                    try await writer.write(ByteBuffer(bytes: part))
                }
                try await writer.finish(nil)
            })
    }
}

extension HTTPField.Name {
    static let causewaySealingKey = HTTPField.Name("Causeway-Sealing-Key")!
}
