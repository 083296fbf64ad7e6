// /v1/tokens: bearer tokens for programs. A token is shown once; its rights are at most those of its owner.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Tokens of the API.
struct TokenController: Sendable {
    let store: Store
    let authenticator: Authenticator
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .post(use: create)
            .delete("{id}", use: revoke)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let owner = try context.signedIn().owner(all: try request.flag("all"))
        let query = try ListQuery(request, Self.shape)
        let now = authenticator.clock()
        return try .json(await query.page(of: try await store.tokens(ofAccount: owner)) { $0.shown(at: now) })
    }

    /// One that never expires comes after all that do, one that was never used before all that were.
    private static let shape = ListShape<TokenRecord>([
        "name": .text(\.name), "user": .text(\.account), "role": .text(\.role.rawValue),
        "kinds": .texts { $0.kinds ?? [] }, "createdAt": .number(\.createdAt),
        "expiresAt": .number { $0.expiresAt ?? .max }, "lastUsedAt": .number { $0.lastUsedAt ?? .min },
    ]) { [$0.name, $0.account, $0.role.rawValue] + ($0.kinds ?? []) }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        let (asked, unknown) = try await request.model(Console.Token.self, limit: bodyLimit)
        let owner = try context.signedIn().account
        let now = authenticator.clock()
        var findings = asked.check(knownKinds: AccessRule.kinds)
        let expiry = asked.expiresAt.flatMap { Timestamp.milliseconds($0) }
        if let text = asked.expiresAt {
            if expiry == nil { findings.refuse("expiresAt", "\(text) is not a time as in 2026-01-31T12:00:00Z.") }
            if let expiry, expiry <= now { findings.refuse("expiresAt", "Is in the past.") }
        }
        let role = asked.role.flatMap(Console.Role.init)
        if let role, role > owner.role {
            findings.refuse("role", "Must not be more than your own, \(owner.role.rawValue).")
        }
        try findings.throwIfRefused()
        guard let role else { throw Problem.invalid("role", "Is required.") }
        let (text, hash) = Authenticator.makeToken()
        let token = TokenRecord(
            account: owner.name, name: asked.name, role: role, kinds: asked.kinds.map { Set($0).sorted() },
            createdAt: now, expiresAt: expiry)
        switch try await store.createToken(token, hash: hash, owner: owner, by: try context.author()) {
        case .done(let made):
            var shown = made.shown(at: now)
            shown.token = text
            return try .json(Remarked(value: shown, warnings: unknown + findings.warnings), status: .created)
        case .duplicate: throw Problem.duplicate("token", asked.name)
        case .tooMany:
            throw Problem(
                .conflict, .tooMany, "\(owner.name) has \(Store.maximumTokens) tokens: revoke those that nobody needs.")
        }
    }

    private func revoke(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        guard let number = Int64(id),
            try await store.revokeToken(
                number, ofAccount: try context.signedIn().manageable, by: try context.author())
        else { throw Problem.unknown("token", id) }
        return Response(status: .noContent)
    }
}

extension TokenRecord {
    fileprivate func shown(at now: Int64) -> Console.Token {
        var shown = Console.Token()
        shown.id = String(id)
        shown.user = account
        shown.name = name
        shown.role = role.rawValue
        shown.kinds = kinds
        shown.createdAt = Timestamp.text(createdAt)
        shown.expiresAt = expiresAt.map(Timestamp.text)
        shown.expired = expiresAt.map { $0 <= now } ?? false
        shown.lastUsedAt = lastUsedAt.map(Timestamp.text)
        shown.lastAddress = lastAddress
        return shown
    }
}
