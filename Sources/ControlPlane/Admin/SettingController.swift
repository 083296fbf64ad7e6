// /v1/settings: how this control plane behaves. Settings belong to no version; the audit has each change.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Settings.
struct SettingController: Sendable {
    let store: Store
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .put("{name}", use: replace)
            .delete("{name}", use: reset)
    }

    private struct Shown: Encodable {
        var name: String
        var value: JSONValue
        var `default`: JSONValue
        var meaning: String
        var minimum: Int64?
        var maximum: Int64?

        init(_ setting: Setting, value: JSONValue?) {
            name = setting.name
            self.value = value ?? setting.fallback
            `default` = setting.fallback
            meaning = setting.meaning
            minimum = setting.range?.lowerBound
            maximum = setting.range?.upperBound
        }
    }

    private struct Change: Codable, Sendable {
        var value: JSONValue
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let query = try ListQuery(request, ListShape<Setting>(["name": .text(\.name)]) { [$0.name, $0.meaning] })
        let stored = try await store.settings()
        return try .json(await query.page(of: Settings.all) { Shown($0, value: stored[$0.name]) })
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let setting = try setting(context)
        let (change, warnings) = try await request.model(Change.self, limit: bodyLimit)
        if let problem = setting.problem(with: change.value) { throw Problem.invalid("value", problem) }
        try await store.set(setting.name, to: change.value, by: try context.author())
        return try .json(Remarked(value: Shown(setting, value: change.value), warnings: warnings))
    }

    private func reset(_ request: Request, context: AdminContext) async throws -> Response {
        try await store.set(try setting(context).name, to: nil, by: try context.author())
        return Response(status: .noContent)
    }

    private func setting(_ context: AdminContext) throws(Problem) -> Setting {
        let name = try context.name()
        guard let setting = Settings.named(name) else { throw .unknown("setting", name) }
        return setting
    }
}
