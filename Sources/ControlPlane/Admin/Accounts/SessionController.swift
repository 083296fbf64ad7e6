// /session: login and logout.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence
import Seal

/// Sessions of people in a browser.
struct SessionController: Sendable {
    let authenticator: Authenticator
    let servesTLS: Bool
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .post("login", use: login)
            .get("logout", use: logout)
    }

    private func login(_ request: Request, context: AdminContext) async throws -> Response {
        let (login, warnings) = try await request.model(Console.LoginRequest.self, limit: bodyLimit)
        try login.check().throwIfRefused()
        let account = try await authenticator.authenticate(
            user: login.username, password: Secret(login.password?.value ?? ""), from: context.peer)
        let kept = login.autoLogin ?? false
        let (cookie, lifetime) = try await authenticator.openSession(
            for: account, kept: kept, agent: request.headers[.userAgent] ?? "", from: context.peer)
        var response = try Response.json(Remarked(value: account.shown, warnings: warnings), status: .created)
        response.setCookie(.session(cookie, maxAge: kept ? lifetime : nil, secure: servesTLS))
        return response
    }

    private func logout(_ request: Request, context: AdminContext) async throws -> Response {
        if let cookie = request.cookies[Authenticator.cookieName],
            let (account, _) = try await authenticator.account(ofSession: cookie.value)
        {
            try await authenticator.closeSession(
                cookie.value, by: Author(name: account.name, address: context.peer.address, via: "session"))
        }
        var response = try Response.json(Envelope<String>(nil))
        response.setCookie(.session("", maxAge: 0, secure: servesTLS))
        return response
    }
}

extension Cookie {
    /// Strict: the cookie never comes with a request that another site's page made.
    static func session(_ id: String, maxAge: Int?, secure: Bool) -> Cookie {
        Cookie(
            name: Authenticator.cookieName, value: id, maxAge: maxAge, path: "/", secure: secure, httpOnly: true,
            sameSite: .strict)
    }
}

extension Account {
    /// As answers show it.
    var shown: Console.Account {
        var shown = Console.Account()
        shown.name = name
        shown.displayName = displayName
        shown.avatarUrl = avatarURL
        shown.role = role.rawValue
        shown.createdAt = Timestamp.text(createdAt)
        shown.passwordChangedAt = Timestamp.text(passwordChangedAt)
        return shown
    }
}
