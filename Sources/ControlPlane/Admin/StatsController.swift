// /v1/stats: the traffic of the last hour, as charts need it.

import Hummingbird

/// Traffic in numbers.
struct StatsController: Sendable {
    let sampler: TrafficSampler

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group.get(use: show)
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let report = await sampler.report(route: request.text("route"))
        return try .json(Envelope(report, warnings: report.warnings))
    }
}
