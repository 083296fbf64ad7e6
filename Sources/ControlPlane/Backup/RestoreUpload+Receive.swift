// The body of a restore into its file, as it comes: bounded, and not for longer than its sender has something to say.

import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Persistence
import Synchronization

extension RestoreUpload {
    /// Who sends, as the watch sees him.
    private final class Sender: Sendable {
        private let last = Mutex(ContinuousClock.now)

        var silence: Duration { last.withLock { $0 }.duration(to: .now) }

        func speaks() { last.withLock { $0 = .now } }
    }

    /// For which a sender may say nothing.
    private static let patience = Duration.seconds(30)

    func receive(_ request: Request, from channel: any Channel, limit: Int) async throws {
        let announced = request.headers[.contentLength].flatMap { Int($0) }
        if let announced, announced > limit { throw Problem.backupTooLarge(limit) }
        let sender = Sender()
        let total = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while sender.silence < Self.patience { try await Task.sleep(for: .seconds(1)) }
                channel.close(promise: nil)
            }
            defer { group.cancelAll() }
            var total = 0
            for try await part in request.body {
                total += part.readableBytes
                guard total <= limit else { throw Problem.backupTooLarge(limit) }
                let bytes = Array(part.readableBytesView)
                try await NIOThreadPool.singleton.runIfActive { [self] in try write(bytes) }
                sender.speaks()
            }
            return total
        }
        if let announced, announced != total {
            throw Problem(
                .badRequest, .malformedBody,
                "The upload ended after \(total) of \(announced) bytes. Nothing was changed.")
        }
    }
}

extension Problem {
    fileprivate static func backupTooLarge(_ limit: Int) -> Problem {
        Problem(
            .contentTooLarge, .tooLarge,
            "The backup is larger than \(limit) bytes (--restore-limit). `causeway-control restore` takes any, while no control plane runs."
        )
    }
}
