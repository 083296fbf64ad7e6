// Who asks is found out before the handler runs, by the session's cookie, else by the Authorization header, and held
// against the operation's rule. `WWW-Authenticate` is never sent: the browser's own password box would keep credentials
// that no logout ends.

import HTTPTypes
import Hummingbird
import Logging
import Persistence

/// Lets through who may do what he asks for.
struct AccessMiddleware: RouterMiddleware {
    typealias Context = AdminContext

    let authenticator: Authenticator

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        // Where the router has found nothing there is nothing to guard.
        guard let path = context.endpointPath else { return try await next(request, context) }
        // Who somebody is, and what he read, does not outlive a restore.
        return try await authenticator.store.withinOneEra { try await admit(request, context, path, next) }
    }

    private func admit(
        _ request: Request, _ context: AdminContext, _ path: String,
        _ next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        guard let rule = AccessRule.rule(request.method, path) else {
            context.logger.error("no rule says who may call this", metadata: ["path": "\(path)"])
            throw Problem.forbidden("Nobody may call \(request.method.rawValue) \(path).")
        }
        if rule.role == nil { return try await next(request, context) }
        guard let identity = try await authenticator.identity(of: request, from: context.peer) else {
            throw Problem.loginRequired
        }
        if let refusal = rule.refusal(of: identity) { throw refusal }
        var context = context
        context.identity = identity
        return try await next(request, context)
    }
}
