// /v1/proxy-servers: what stands between the gateway and services that it cannot reach by itself.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Proxy servers.
struct ProxyServerController: Sendable {
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
        let shape = ListShape<Console.ProxyServer>([
            "name": .text(\.name), "serverAddress": .text(\.place),
            "connectTimeout": .number { Int64($0.connectTimeout ?? 0) },
            "usedBy": .number { Int64(configuration.serviceSources.userCount(of: .proxyServer($0.name))) },
        ]) { [$0.name, $0.place] }
        let query = try ListQuery(request, shape)
        return try .json(await query.page(of: configuration.proxyServers) { Self.answer($0, in: configuration) })
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (server, warnings) = try await request.model(Console.ProxyServer.self, limit: bodyLimit)
        server.normalize()
        try server.check().throwIfRefused()
        return try await editor.edit(request, context) { [server] draft in
            if draft.configuration.proxyServers[server.name] != nil {
                throw Problem.duplicate("proxy server", server.name)
            }
            return draft.put(server)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, warnings + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let server = configuration.proxyServers[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(server, in: configuration)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (server, warnings) = try await request.model(Console.ProxyServer.self, limit: bodyLimit)
        // The path names it, whatever the body says, as in Higress.
        if server.name != name, !server.name.isEmpty { warnings.append("name: is \(name), as in the path.") }
        server.name = name
        server.normalize()
        let findings = server.check()
        return try await editor.edit(request, context) { [server] draft in
            guard let current = draft.configuration.proxyServers[name]?.value else {
                throw Problem.unknown("proxy server", name)
            }
            try findings.throwIfRefused()
            try checkVersion("proxy server", name, given: server.version, current: current.version)
            return draft.put(server)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, warnings + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            if draft.configuration.proxyServers[name] == nil { throw Problem.unknown("proxy server", name) }
            let users = draft.configuration.users(ofProxyServer: name)
            if !users.isEmpty { throw Problem.inUse("proxy server", name, by: users) }
            draft.remove(Console.ProxyServer.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    private static func answer(
        _ server: Console.ProxyServer, in configuration: StoredConfiguration, _ warnings: [String] = []
    ) -> Remarked<Console.ProxyServer> {
        Remarked(value: server, usage: configuration.usage(ofProxyServer: server.name), warnings: warnings)
    }
}

extension Console.ProxyServer {
    /// `address:port`, for people.
    fileprivate var place: String {
        (serverAddress.contains(":") ? "[\(serverAddress)]" : serverAddress) + ":\(serverPort ?? 0)"
    }
}
