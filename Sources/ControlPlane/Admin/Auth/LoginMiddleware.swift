// Who asks is found out before the handler runs: the cookie first, then HTTP Basic. `WWW-Authenticate` is never sent: the
// browser's own password box would keep credentials that no logout ends.

import HTTPTypes
import Hummingbird

/// Lets only people with an account through.
struct LoginMiddleware: RouterMiddleware {
    typealias Context = AdminContext

    let authenticator: Authenticator

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        if let cookie = request.cookies[Authenticator.cookieName] {
            context.account = try await authenticator.account(ofSession: cookie.value)
        }
        if context.account == nil, let header = request.headers[.authorization],
            let credentials = BasicCredentials(header: header)
        {
            context.account = try await authenticator.authenticate(credentials, from: context.peer)
        }
        guard context.account != nil else { throw Problem.loginRequired }
        return try await next(request, context)
    }
}
