// `causeway-control reset-password`: the way back in when the last administrator has forgotten his password. The running
// control plane does it, so that it forgets what it remembers of the old one; where none runs, the command takes the lock.

import ConsoleModel
import Foundation
package import Logging
import Persistence
import Seal

/// A new password for an account, by the operator of the machine.
package enum PasswordReset {
    /// What was done, in one sentence; throws why not.
    package static func run(_ options: ControlPlaneOptions, user: String, password: String, logger: Logger)
        async throws -> String
    {
        guard FileManager.default.fileExists(atPath: "\(options.data)/causeway.db") else {
            throw StartError("There is no control plane in \(options.data) (--data).")
        }
        if let problem = Console.check(newPassword: password).errors.first {
            throw StartError("The password cannot be used: \(problem.message)")
        }
        let request = ManagementRequest(resetPasswordOf: user, to: password)
        let reply: ManagementReply
        if let answer = try ManagementClient.ask(request, at: options.managementPath) {
            reply = answer
        } else {
            let store = try Store(Store.Options(folder: options.data, migrations: options.migrations), logger: logger)
            defer { try? store.close() }
            let authenticator = Authenticator(store: store, hasher: try PasswordHasher())
            reply = await perform(
                request, by: PeerCredentials(pid: getpid(), uid: geteuid(), gid: getegid()), authenticator)
        }
        guard reply.success else { throw StartError(reply.message) }
        return reply.message
    }

    /// On the side that has the database.
    static func perform(
        _ request: ManagementRequest, by peer: PeerCredentials, _ authenticator: Authenticator
    ) async -> ManagementReply {
        if let problem = Console.check(newPassword: request.password).errors.first {
            return ManagementReply(success: false, message: "The password cannot be used: \(problem.message)")
        }
        do {
            return try await authenticator.store.withinOneEra {
                guard let account = try await authenticator.store.account(named: request.user) else {
                    return ManagementReply(success: false, message: "There is no user \(request.user).")
                }
                try await authenticator.setPassword(
                    Secret(request.password), of: account,
                    by: Author(name: "system", address: "local", via: "uid \(peer.uid) pid \(peer.pid)"))
                return ManagementReply(
                    success: true,
                    message: "\(request.user) has a new password; all sessions of \(request.user) have ended.")
            }
        } catch let problem as Problem {
            return ManagementReply(success: false, message: problem.message)
        } catch {
            return ManagementReply(success: false, message: "The password could not be stored: \(error)")
        }
    }
}
