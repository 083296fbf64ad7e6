// /v1/users: the people who may use the console, for administrators. One of them always stays.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence
import Seal

/// Accounts.
struct AccountController: Sendable {
    let store: Store
    let authenticator: Authenticator
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .post(use: create)
            .get("{name}", use: show)
            .put("{name}", use: replace)
            .delete("{name}", use: remove)
            .post("{name}/password", use: resetPassword)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let query = try ListQuery(request, Self.shape)
        return try .json(await query.page(of: try await store.accounts()) { $0.shown })
    }

    private static let shape = ListShape<Account>([
        "name": .text(\.name), "displayName": .text(\.displayName), "role": .text(\.role.rawValue),
        "createdAt": .number(\.createdAt), "passwordChangedAt": .number(\.passwordChangedAt),
    ]) { [$0.name, $0.displayName, $0.role.rawValue] }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        let (account, unknown) = try await request.model(Console.Account.self, limit: bodyLimit)
        let findings = account.check(creating: true)
        try findings.throwIfRefused()
        guard let role = account.role.flatMap(Console.Role.init) else { throw Problem.invalid("role", "Is required.") }
        // Nobody waits for scrypt to learn that the name is taken.
        if try await store.account(named: account.name) != nil { throw Problem.duplicate("user", account.name) }
        let new = Account(
            id: 0, name: account.name, displayName: account.displayName ?? account.name, avatarURL: account.avatarUrl,
            role: role, passwordHash: try await authenticator.hash(Secret(account.password?.value ?? "")))
        let made = try await store.createAccount(new, by: try context.author()).account(named: account.name)
        return try .json(Remarked(value: made.shown, warnings: unknown + findings.warnings), status: .created)
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        guard let account = try await store.account(named: try context.name()) else { return .missing }
        return try .json(Envelope(account.shown))
    }

    /// Role and display name; what is left out stays as it is.
    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (change, unknown) = try await request.model(Console.Account.self, limit: bodyLimit)
        if change.name.isEmpty { change.name = name }
        guard change.name == name else { throw Problem.invalid("name", "Must be \(name), as in the path.") }
        let findings = change.check(creating: false)
        try findings.throwIfRefused()
        let account = try await store.updateAccount(
            named: name, displayName: change.displayName, role: change.role.flatMap(Console.Role.init),
            by: try context.author()
        ).account(named: name)
        authenticator.forget(account)
        return try .json(Remarked(value: account.shown, warnings: unknown + findings.warnings))
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        let account = try await store.removeAccount(named: name, by: try context.author()).account(named: name)
        authenticator.forget(account)
        return Response(status: .noContent)
    }

    private func resetPassword(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        let (reset, unknown) = try await request.model(Console.PasswordReset.self, limit: bodyLimit)
        let findings = reset.check()
        try findings.throwIfRefused()
        guard let account = try await store.account(named: name) else { throw Problem.unknown("user", name) }
        try await authenticator.setPassword(
            Secret(reset.newPassword?.value ?? ""), of: account, by: try context.author())
        return try .json(Envelope<String>(nil, warnings: unknown + findings.warnings))
    }
}

extension AccountChange {
    /// The account after it, or the problem that there is with it.
    fileprivate func account(named name: String) throws(Problem) -> Account {
        switch self {
        case .done(let account): return account
        case .unknown: throw .unknown("user", name)
        case .duplicate: throw .duplicate("user", name)
        case .lastAdministrator:
            throw Problem(
                .conflict, .lastAdministrator,
                "\(name) is the last administrator: make another one first.")
        }
    }
}
