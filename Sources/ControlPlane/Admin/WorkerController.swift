// /v1/workers: which processes serve, which version each of them serves, and what is wrong with it.

import Hummingbird

/// The connected workers.
struct WorkerController: Sendable {
    let publisher: Publisher

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.get(use: list)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let reports = await publisher.report()
        return try .json(try Page(of: reports, PageRequest(request)) { WorkerItem(report: $0) })
    }
}

/// A report with the served version under the name that every other resource has for it.
struct WorkerItem: Encodable {
    var report: WorkerReport

    private enum Key: CodingKey {
        case version
    }

    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(report.servedVersion, forKey: .version)
    }
}
