// scrypt, off the event loops and at most two at a time: each run takes about 50 ms of a core and 32 MiB. What comes on
// top is told to come back, so that guessing passwords cannot take the machine.

import HTTPTypes
import NIOPosix
package import Seal
import Synchronization

/// Hashes and checks passwords.
package final class PasswordHasher: Sendable {
    static let concurrency = 2

    private let running = Mutex(0)
    private let parameters: Scrypt.Parameters
    /// Checked where there is no such account, so that the answer takes as long.
    private let decoy: String

    package init(parameters: Scrypt.Parameters = .standard) throws {
        self.parameters = parameters
        decoy = try Scrypt.hash(Secret(Random.bytes(16)), parameters: parameters)
    }

    package func hash(_ password: Secret) async throws -> String {
        try await run { [parameters] in try Scrypt.hash(password, parameters: parameters) }
    }

    /// Whether the password fits. With no hash to compare it takes as long, and does not.
    package func verify(_ password: Secret, against hash: String?) async throws -> Bool {
        try await run { [decoy] in
            let fits = try Scrypt.verify(password, against: hash ?? decoy)
            return fits && hash != nil
        }
    }

    private func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let admitted = running.withLock { count in
            if count >= Self.concurrency { return false }
            count += 1
            return true
        }
        guard admitted else { throw Problem.busy }
        defer { running.withLock { $0 -= 1 } }
        return try await NIOThreadPool.singleton.runIfActive(body)
    }
}

extension Problem {
    static var busy: Problem {
        Problem(.tooManyRequests, .busy, "Too many logins at once. Try again in a second.", retryAfter: 1)
    }
}
