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
        let configuration = store.configuration
        let shape = ListShape<Console.Consumer>([
            "name": .text(\.name), "credentials": .texts(\.places),
            "usedBy": .number { Int64(configuration.routes.userCount(of: .consumer($0.name))) },
        ]) { [$0.name] + $0.places }
        let query = try ListQuery(request, shape)
        return try .json(await query.page(of: configuration.consumers) { Self.answer($0, in: configuration) })
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (consumer, warnings) = try await request.model(Console.Consumer.self, limit: bodyLimit)
        consumer.normalize()
        let findings = consumer.checkWithKeys()
        try findings.throwIfRefused()
        warnings += findings.warnings
        return try await editor.edit(request, context) { [consumer] draft in
            if draft.configuration.consumers[consumer.name] != nil {
                throw Problem.duplicate("consumer", consumer.name)
            }
            return draft.put(consumer)
        } respond: { [warnings] edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, warnings + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let consumer = configuration.consumers[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(consumer, in: configuration)))
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
            try whole.checkWithKeys().throwIfRefused()
            try checkVersion("consumer", name, given: consumer.version, current: current.version)
            return draft.put(whole)
        } respond: { [warnings] edited, held in
            try .json(
                Self.answer(edited.answer, in: edited.configuration, warnings + edited.answer.check().warnings + held))
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
        _ consumer: Console.Consumer, in configuration: StoredConfiguration, _ warnings: [String] = []
    ) -> Remarked<Console.Consumer> {
        Remarked(value: consumer.shown, usage: configuration.usage(ofConsumer: consumer.name), warnings: warnings)
    }
}

extension Console.Consumer {
    /// Where each credential is looked for, and whose it is.
    fileprivate var places: [String] {
        credentials.map { each in
            let type = each.kind == .token ? each.type : nil
            return [type, each.source ?? each.type, each.key, each.username, each.issuer].compactMap(\.self)
                .joined(separator: " ")
        }
    }
}
