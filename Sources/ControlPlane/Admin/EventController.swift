// /v1/events: what happens, told to the page as it happens.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Server-sent events.
struct EventController: Sendable {
    let feed: EventFeed
    let authenticator: Authenticator

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.get(use: listen)
    }

    private func listen(_ request: Request, context: AdminContext) async throws -> Response {
        let identity = try context.signedIn()
        let queue = try feed.listen(after: request.headers[.lastEventID], role: identity.role)
        return queue.response(to: request, context: context) { [authenticator] in
            await authenticator.holds(identity, of: request, from: context.peer)
        }
    }
}

extension HTTPField.Name {
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
}
