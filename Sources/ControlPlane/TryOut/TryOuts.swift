// The try-outs that are open: how many there may be, whose they are, and when they end.

import ConsoleModel
import HTTPTypes
import NIOCore
import NIOPosix
import Persistence
import Seal
import Synchronization

/// Begins try-outs and finds them again.
package final class TryOuts: Sendable {
    /// What one user of the API may make the gateway and this process hold.
    package struct Limits: Sendable {
        package var most = 10
        package var lifetime = Duration.seconds(300)
        /// Of payload, both ways together.
        package var bytes = 4 << 20

        package init() {}
    }

    let limits: Limits
    private let open = Mutex([String: TryOut]())

    package init(_ limits: Limits = Limits()) {
        self.limits = limits
    }

    /// A try-out of that account, which connects in its own time and tells of it by its events.
    func begin(_ request: Console.TryRequest, at door: TryDoor, of owner: Int64) throws(Problem) -> TryOut {
        let id = Hex.encode(Random.bytes(16))
        let made = TryOut(id: id, owner: owner, request: request, door: door, limits: limits) { [weak self] in
            self?.end(id)
        }
        let (hasRoom, displaced) = open.withLock { open -> (Bool, TryOut?) in
            var displaced: TryOut?
            // One that is over and was never read goes first.
            if open.count >= limits.most, let over = open.values.first(where: { $0.isOver }) {
                displaced = open.removeValue(forKey: over.id)
            }
            guard open.count < limits.most else { return (false, displaced) }
            open[id] = made
            return (true, displaced)
        }
        displaced?.end("It made room for another.")
        guard hasRoom else {
            made.end("There is no room for it.")
            throw Problem(
                .tooManyRequests, .busy,
                "\(limits.most) are being tried already. End one with DELETE /v1/try/{id}, or wait until it is over.",
                retryAfter: 5)
        }
        made.connect()
        return made
    }

    /// Only for those whose it is, and for administrators; to others it is not there.
    func find(_ id: String, for identity: Identity) throws(Problem) -> TryOut {
        guard let found = open.withLock({ $0[id] }), found.owner == identity.account.id || identity.role == .admin
        else { throw .unknown("try-out", id) }
        return found
    }

    func end(_ id: String) {
        let gone = open.withLock { $0.removeValue(forKey: id) }
        gone?.end("It was ended here.")
    }
}
