// /v1/listeners: the addresses and ports that the gateway accepts connections on.

import ConsoleModel
import Foundation
import HTTPTypes
import Hummingbird
import Persistence

/// Listeners. What they open is the machine's, so that writes need the role admin: here by the table of access rules, elsewhere
/// (a document, a rollback) by `Editor`.
struct ListenerController: Sendable {
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
        let query = try ListQuery(request, Self.shape(broken: await broken()))
        guard let text = request.text("protocol") else {
            return try .json(await query.page(of: configuration.listeners) { Self.answer($0, in: configuration) })
        }
        guard let kind = Console.Listener.Kind(rawValue: text) else {
            throw Problem.invalidQuery("protocol", "Must be http or https.")
        }
        let chosen = configuration.listeners.values.map(\.value).filter { $0.kind == kind }.sorted { $0.name < $1.name }
        return try .json(await query.page(of: chosen) { Self.answer($0, in: configuration) })
    }

    private static func shape(broken: Set<String>) -> ListShape<Console.Listener> {
        ListShape([
            "name": .text(\.name), "address": .text(\.place), "port": .number { Int64($0.portNumber) },
            "protocol": .text(\.`protocol`), "features": .texts(\.features),
            "state": .number { broken.contains($0.name) ? 0 : 1 },
        ]) { [$0.name, $0.place, $0.`protocol`] + $0.features }
    }

    /// Those that a worker that serves could not open.
    private func broken() async -> Set<String> {
        let degraded = await editor.publisher.report().filter { $0.state == "serving" }.flatMap(\.degraded)
        return Set(degraded.filter { $0.kind == "listener" }.compactMap(\.name))
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (listener, warnings) = try await request.model(Console.Listener.self, limit: bodyLimit)
        listener.normalize()
        let findings = listener.check()
        try findings.throwIfRefused()
        return try await editor.edit(request, context) { [listener] draft in
            if draft.configuration.listeners[listener.name] != nil {
                throw Problem.duplicate("listener", listener.name)
            }
            try draft.configuration.checkReferences(of: listener).throwIfRefused()
            return draft.put(listener)
        } respond: { edited, held in
            let all = warnings + findings.warnings + PrivilegedPorts.warnings(on: edited.answer)
            return try .json(Self.answer(edited.answer, in: edited.configuration, all + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let listener = configuration.listeners[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(listener, in: configuration)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (listener, warnings) = try await request.model(Console.Listener.self, limit: bodyLimit)
        if listener.name.isEmpty { listener.name = name }
        guard listener.name == name else { throw Problem.invalid("name", "Must be \(name), as in the path.") }
        listener.normalize()
        let findings = listener.check()
        return try await editor.edit(request, context) { [listener] draft in
            guard let current = draft.configuration.listeners[name]?.value else {
                throw Problem.unknown("listener", name)
            }
            try findings.throwIfRefused()
            try checkVersion("listener", name, given: listener.version, current: current.version)
            try draft.configuration.checkReferences(of: listener).throwIfRefused()
            return draft.put(listener)
        } respond: { edited, held in
            let all = warnings + findings.warnings + PrivilegedPorts.warnings(on: edited.answer)
            return try .json(Self.answer(edited.answer, in: edited.configuration, all + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            if draft.configuration.listeners[name] == nil { throw Problem.unknown("listener", name) }
            if draft.configuration.listeners.count == 1 {
                throw Problem(
                    .conflict, .lastListener,
                    "The listener \(name) is the last one: without it the gateway accepts nothing. Make another one first."
                )
            }
            draft.remove(Console.Listener.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    private static func answer(
        _ listener: Console.Listener, in configuration: StoredConfiguration, _ warnings: [String] = []
    ) -> Remarked<Console.Listener> {
        Remarked(value: listener, warnings: warnings + configuration.remarks(on: listener))
    }
}

extension Console.Listener {
    /// What it does beyond accepting, by the names of fields.
    fileprivate var features: [String] {
        [
            proxyProtocol == nil ? nil : "proxyProtocol", forwardedHeaders == nil ? nil : "forwardedHeaders",
            limits == nil ? nil : "limits",
        ].compactMap(\.self)
    }
}

/// Ports that not every process may open here.
enum PrivilegedPorts {
    /// The first that every process may open: Linux has a setting for it.
    private static let firstFree: Int = {
        let text = try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 1_024
    }()

    static func warnings(on listener: Console.Listener) -> [String] {
        guard let port = listener.port, port < firstFree else { return [] }
        return [
            "port: the worker opens \(port), which is below \(firstFree), only with the capability CAP_NET_BIND_SERVICE"
                + " (scripts/install gives it); GET /v1/workers says in degraded where it could not."
        ]
    }
}
