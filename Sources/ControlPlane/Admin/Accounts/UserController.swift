// /user: the account of whoever asks.

import ConsoleModel
import Hummingbird
import Persistence
import Seal

/// One's own account.
struct UserController: Sendable {
    let store: Store
    let authenticator: Authenticator
    let servesTLS: Bool
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get("info", use: info)
            .post("changePassword", use: changePassword)
    }

    private func info(_ request: Request, context: AdminContext) async throws -> Response {
        try .json(Envelope(try context.signedIn().account.shown))
    }

    private func changePassword(_ request: Request, context: AdminContext) async throws -> Response {
        let author = try context.author()
        let (change, unknown) = try await request.model(Console.ChangePasswordRequest.self, limit: bodyLimit)
        if try await store.settings()[Settings.passwordChangeDisabled] == .bool(true) {
            throw Problem(.forbidden, .forbidden, "Changing passwords is switched off.")
        }
        let findings = change.check()
        try findings.throwIfRefused()
        let account: Account
        do {
            account = try await authenticator.authenticate(
                user: author.name, password: Secret(change.oldPassword?.value ?? ""), from: context.peer)
        } catch let problem as Problem where problem.code == .wrongCredentials {
            throw Problem.invalid("oldPassword", "Is not the current password.")
        }
        try await authenticator.setPassword(Secret(change.newPassword?.value ?? ""), of: account, by: author)
        var response = try Response.json(Envelope<String>(nil, warnings: unknown + findings.warnings))
        response.setCookie(.session("", maxAge: 0, secure: servesTLS))
        return response
    }
}
