// /v1/route-tester: where a request would go, and which routes nothing reaches.

import ConsoleModel
import HTTPTypes
import Hummingbird
import NIOPosix

/// The route tester.
struct RouteTestController: Sendable {
    let editor: Editor
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .post(use: test)
            .get("shadowed", use: shadowed)
    }

    private func test(_ request: Request, context: AdminContext) async throws -> Response {
        let (asked, warnings) = try await request.model(Console.RouteTestRequest.self, limit: bodyLimit)
        try asked.check().throwIfRefused()
        let compiled = try editor.current()
        // Patterns are compiled for it: not on an event loop's thread.
        let result = try await NIOThreadPool.singleton.runIfActive {
            try RouteTest(compiled: compiled, request: asked).run()
        }
        return try .json(Envelope(result, warnings: warnings))
    }

    private func shadowed(_ request: Request, context: AdminContext) async throws -> Response {
        let page = try PageRequest(request)
        let snapshot = try editor.current().snapshot
        let found = try await NIOThreadPool.singleton.runIfActive { ShadowedRoute.all(in: snapshot) }
        return try .json(Page(of: found, page) { $0 })
    }
}
