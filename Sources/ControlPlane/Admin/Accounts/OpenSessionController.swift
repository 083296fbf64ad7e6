// /v1/sessions: logins that last. People see and end their own, administrators everybody's.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Open sessions.
struct OpenSessionController: Sendable {
    let store: Store
    let authenticator: Authenticator

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .delete("{id}", use: revoke)
    }

    private struct Session: Encodable {
        var id: String
        var user: String
        var createdAt: String
        var expiresAt: String
        var lastUsedAt: String
        var address: String
        var agent: String
        /// Whether it is the one that asks.
        var current: Bool

        init(_ record: SessionRecord, asking: Identity) {
            id = String(record.id)
            user = record.account
            createdAt = Timestamp.text(record.createdAt)
            expiresAt = Timestamp.text(record.expiresAt)
            lastUsedAt = Timestamp.text(record.lastUsedAt)
            address = record.address
            agent = record.agent
            current = asking.proof == .session(record.id)
        }
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let identity = try context.signedIn()
        let owner = try identity.owner(all: try request.flag("all"))
        let query = try ListQuery(request, Self.shape)
        let sessions = try await store.sessions(ofAccount: owner, now: authenticator.clock())
        return try .json(await query.page(of: sessions) { Session($0, asking: identity) })
    }

    private static let shape = ListShape<SessionRecord>([
        "agent": .text(\.agent), "user": .text(\.account), "address": .text(\.address),
        "createdAt": .number(\.createdAt), "lastUsedAt": .number(\.lastUsedAt), "expiresAt": .number(\.expiresAt),
    ]) { [$0.agent, $0.account, $0.address] }

    private func revoke(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        guard let number = Int64(id),
            try await store.revokeSession(
                number, ofAccount: try context.signedIn().manageable, by: try context.author())
        else { throw Problem.unknown("session", id) }
        return Response(status: .noContent)
    }
}

extension Identity {
    /// Whose things a list shows: one's own, or, for administrators who ask for it, everybody's (`nil`).
    func owner(all: Bool) throws(Problem) -> Int64? {
        if !all { return account.id }
        guard role == .admin else { throw .forbidden("Only administrators see those of others.") }
        return nil
    }

    /// Whose things may be ended: `nil` everybody's.
    var manageable: Int64? { role == .admin ? nil : account.id }
}
