// Turns everything that handlers throw into the API's one shape of error. What nobody foresaw is logged here and shown as
// "internal", without its text: that may name files and rows.

import Hummingbird
import Logging
import Persistence

/// Catches what handlers throw.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = AdminContext
    let methods: PathMethods

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let problem as Problem {
            return try problem.response()
        } catch let error as HTTPError {
            return try problem(for: error, request).response()
        } catch let error as StoreError where error.kind == .restored {
            return try Problem(.conflict, .restored, error.description).response()
        } catch let error as StoreError {
            context.logger.error("storing failed", error: error)
            return try Problem(.serviceUnavailable, .storage, "The change could not be stored: \(error)").response()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            context.logger.error("request failed", error: error, metadata: ["path": "\(request.uri.path)"])
            return try Problem(
                .internalServerError, .internal,
                "Something went wrong here. The log has the reason under the request id \(context.id)."
            ).response()
        }
    }

    private func problem(for error: HTTPError, _ request: Request) -> Problem {
        if error.status == .notFound {
            let allowed = methods.allowed(at: request.uri.path)
            if !allowed.isEmpty, !allowed.contains(request.method.rawValue) {
                var problem = Problem(
                    .methodNotAllowed, .methodNotAllowed,
                    "\(request.uri.path) has no \(request.method.rawValue), only \(allowed.joined(separator: ", ")).")
                problem.allowed = allowed
                return problem
            }
            return Problem(.notFound, .notFound, "There is nothing at \(request.method.rawValue) \(request.uri.path).")
        }
        return Problem(error.status, .http, error.body ?? error.status.reasonPhrase)
    }
}
