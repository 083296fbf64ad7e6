// /v1/domains: host names with their HTTPS mode and certificate.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// Domains, and the routes of each.
struct DomainController: Sendable {
    let store: Store
    let editor: Editor
    let bodyLimit: Int
    let routes: RouteController

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .post(use: create)
            .get("{name}", use: show)
            .put("{name}", use: replace)
            .delete("{name}", use: remove)
            .get("{name}/routes", use: listRoutes)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        let query = try ListQuery(request, Self.shape(in: configuration))
        return try .json(await query.page(of: configuration.domains) { Self.answer($0, in: configuration) })
    }

    private static func shape(in configuration: StoredConfiguration) -> ListShape<Console.Domain> {
        ListShape([
            "name": .text(\.name), "enableHttps": .text { $0.https.rawValue },
            "certIdentifier": .text { $0.certIdentifier ?? "" },
            "usedBy": .number { Int64(configuration.routes.userCount(of: .domain($0.name))) },
        ]) { [$0.name, $0.certIdentifier ?? ""] }
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (domain, warnings) = try await request.model(Console.Domain.self, limit: bodyLimit)
        domain.normalize()
        let findings = domain.check()
        try findings.throwIfRefused()
        return try await editor.edit(request, context) { [domain] draft in
            if draft.configuration.domains[domain.name] != nil { throw Problem.duplicate("domain", domain.name) }
            try draft.configuration.checkReferences(of: domain).throwIfRefused()
            return draft.put(domain)
        } respond: { edited, held in
            try .json(
                Self.answer(edited.answer, in: edited.configuration, warnings + findings.warnings + held),
                status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let domain = configuration.domains[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(domain, in: configuration)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (domain, warnings) = try await request.model(Console.Domain.self, limit: bodyLimit)
        if domain.name.isEmpty { domain.name = name }
        guard domain.name == name else { throw Problem.invalid("name", "Must be \(name), as in the path.") }
        domain.normalize()
        let findings = domain.check()
        return try await editor.edit(request, context) { [domain] draft in
            guard let current = draft.configuration.domains[name]?.value else { throw Problem.unknown("domain", name) }
            try findings.throwIfRefused()
            try checkVersion("domain", name, given: domain.version, current: current.version)
            try draft.configuration.checkReferences(of: domain).throwIfRefused()
            return draft.put(domain)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, warnings + findings.warnings + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            if draft.configuration.domains[name] == nil { throw Problem.unknown("domain", name) }
            let users = draft.configuration.users(ofDomain: name)
            if !users.isEmpty { throw Problem.inUse("domain", name, by: users) }
            draft.remove(Console.Domain.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    private func listRoutes(_ request: Request, context: AdminContext) async throws -> Response {
        try .json(await routes.page(request, ofDomain: try context.name()))
    }

    private static func answer(
        _ domain: Console.Domain, in configuration: StoredConfiguration, _ warnings: [String] = []
    ) -> Remarked<Console.Domain> {
        Remarked(
            value: domain, usage: configuration.usage(ofDomain: domain.name),
            warnings: warnings + configuration.remarks(on: domain))
    }
}

/// 409 when the given version is not the current one. None given: the last writer wins, as clients of Higress expect.
func checkVersion(_ noun: String, _ name: String, given: String?, current: String?) throws(Problem) {
    if let given, !given.isEmpty, given != current {
        throw .stale(noun, name, given: given, current: current)
    }
}
