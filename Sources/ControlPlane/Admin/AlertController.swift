// /v1/alerts: what somebody has to be told of, and whether the webhook hears it.

import HTTPTypes
import Hummingbird
import Persistence

/// Alerts.
struct AlertController: Sendable {
    let store: Store
    let watch: AlertWatch

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("webhook", use: showWebhook)
            .post("webhook/test", use: test)
    }

    private struct Shown: Encodable {
        var name: String
        var subject: [String: String]
        var severity: Alert.Severity
        var description: String
        var since: String
        var fingerprint: String

        init(_ firing: FiringAlert) {
            name = firing.alert.key.name
            subject = firing.alert.key.subject
            severity = firing.alert.severity
            description = firing.alert.description
            since = Timestamp.text(firing.since)
            fingerprint = firing.alert.key.fingerprint
        }
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let query = try ListQuery(request, Self.shape)
        return try .json(await query.page(of: await watch.alerts()) { Shown($0) })
    }

    private static let shape = ListShape<FiringAlert>([
        "name": .text(\.alert.key.name), "severity": .text(\.alert.severity.rawValue), "since": .number(\.since),
    ]) { firing in
        [firing.alert.key.text, firing.alert.severity.rawValue, firing.alert.description]
    }

    private func showWebhook(_ request: Request, context: AdminContext) async throws -> Response {
        try .json(Envelope(await watch.webhookState()))
    }

    private func test(_ request: Request, context: AdminContext) async throws -> Response {
        let author = try context.author()
        try await watch.test()
        try await store.note("test", kind: "alert-webhook", name: "webhook", by: author)
        return Response(status: .noContent)
    }
}
