// /v1/consumers: who may use routes that ask for credentials.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Consumers. Their secrets go in and never come out.
struct ConsumerController: Sendable {
    let store: Store
    let editor: Editor
    let bodyLimit: Int

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .post(use: create)
            .get("{name}", use: show)
            .put("{name}", use: replace)
            .delete("{name}", use: remove)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        try .json(Page(of: store.configuration.consumers, PageRequest(request)) { Self.answer($0) })
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (consumer, warnings) = try await request.model(Console.Consumer.self, limit: bodyLimit)
        consumer.normalize()
        try consumer.check().throwIfRefused()
        return try await editor.edit(request, context) { [consumer] draft in
            if draft.configuration.consumers[consumer.name] != nil {
                throw Problem.duplicate("consumer", consumer.name)
            }
            return draft.put(consumer)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, warnings + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        guard let consumer = store.configuration.consumers[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(consumer)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (consumer, warnings) = try await request.model(Console.Consumer.self, limit: bodyLimit)
        if consumer.name.isEmpty { consumer.name = name }
        guard consumer.name == name else { throw Problem.invalid("name", "Must be \(name), as in the path.") }
        consumer.normalize()
        return try await editor.edit(request, context) { [consumer] draft in
            guard let current = draft.configuration.consumers[name]?.value else {
                throw Problem.unknown("consumer", name)
            }
            let whole = consumer.keepingSecrets(of: current)
            try whole.check().throwIfRefused()
            try checkVersion("consumer", name, given: consumer.version, current: current.version)
            return draft.put(whole)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, warnings + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            if draft.configuration.consumers[name] == nil { throw Problem.unknown("consumer", name) }
            let users = draft.configuration.users(ofConsumer: name)
            if !users.isEmpty { throw Problem.inUse("consumer", name, by: users) }
            draft.remove(Console.Consumer.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    private static func answer(
        _ consumer: Console.Consumer, _ warnings: [String] = []
    ) -> Remarked<Console.Consumer> {
        Remarked(value: consumer.shown, warnings: warnings)
    }
}
