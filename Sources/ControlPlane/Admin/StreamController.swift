// /v1/streams: what runs now through the workers, and the power to end one of it.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Live streams.
struct StreamController: Sendable {
    let store: Store
    let inspection: WorkerInspection

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .delete("{id}", use: end)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let limit = try request.limit(most: WorkerInspection.mostStreams)
        let live = await inspection.streams(route: request.text("route"), limit: limit)
        var warnings = live.silent.map { "The worker at \($0) does not answer: its streams are missing." }
        if inspection.paths.isEmpty {
            warnings.append(WorkerInspection.unknownSockets)
        }
        return try .json(Sample(live.streams, more: live.more, warnings: warnings))
    }

    private func end(_ request: Request, context: AdminContext) async throws -> Response {
        let id = try context.name("id")
        let author = try context.author()
        guard try await inspection.end(stream: id) else { throw Problem.unknown("stream", id) }
        try await store.note("close", kind: "stream", name: id, by: author)
        return Response(status: .noContent)
    }
}
