// /v1/service-sources: where services are found.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence
import TLSMaterial

/// Service sources.
struct ServiceSourceController: Sendable {
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
        let shape = ListShape<Console.ServiceSource>([
            "name": .text(\.name), "type": .text(\.type), "domain": .text(\.domain),
            "protocol": .text { $0.`protocol` ?? "http" }, "features": .texts(\.features),
            "usedBy": .number { Int64(configuration.routes.userCount(of: .service($0.serviceName))) },
        ]) { source in
            let port = source.kind == .static ? nil : source.port.map { String($0) }
            return [source.name, source.type, source.domain, source.`protocol` ?? "http"]
                + [port, source.proxyName, source.tlsClientCertificate].compactMap(\.self) + source.features
        }
        let query = try ListQuery(request, shape)
        return try .json(await query.page(of: configuration.serviceSources) { Self.answer($0, in: configuration) })
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (source, warnings) = try await request.model(Console.ServiceSource.self, limit: bodyLimit)
        source.normalize()
        try source.check().throwIfRefused()
        try Self.checkAuthorities(of: source)
        return try await editor.edit(request, context) { [source] draft in
            if draft.configuration.serviceSources[source.name] != nil {
                throw Problem.duplicate("service source", source.name)
            }
            try draft.configuration.checkReferences(of: source).throwIfRefused()
            return draft.put(source)
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, warnings + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let source = configuration.serviceSources[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(source, in: configuration)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (source, warnings) = try await request.model(Console.ServiceSource.self, limit: bodyLimit)
        // The path names it, whatever the body says, as in Higress.
        if source.name != name, !source.name.isEmpty { warnings.append("name: is \(name), as in the path.") }
        source.name = name
        source.normalize()
        let findings = source.check()
        return try await editor.edit(request, context) { [source] draft in
            guard let current = draft.configuration.serviceSources[name]?.value else {
                throw Problem.unknown("service source", name)
            }
            try findings.throwIfRefused()
            try Self.checkAuthorities(of: source)
            try draft.configuration.checkReferences(of: source).throwIfRefused()
            try checkVersion("service source", name, given: source.version, current: current.version)
            if !source.offersService || source.serviceName != current.serviceName {
                let users = draft.configuration.users(of: current)
                if !users.isEmpty { throw Problem.inUse("service", current.serviceName, by: users) }
            }
            return draft.put(source.keepingCredentials(of: current))
        } respond: { edited, held in
            try .json(Self.answer(edited.answer, in: edited.configuration, warnings + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            guard let current = draft.configuration.serviceSources[name]?.value else {
                throw Problem.unknown("service source", name)
            }
            let users = draft.configuration.users(of: current)
            if !users.isEmpty { throw Problem.inUse("service source", name, by: users) }
            draft.remove(Console.ServiceSource.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    /// What the worker could not read is refused here, also while no route uses the source.
    private static func checkAuthorities(of source: Console.ServiceSource) throws(Problem) {
        guard let pem = source.tlsCa else { return }
        do {
            _ = try CertificateAuthorities(pem: pem)
        } catch {
            throw Problem.invalid("tlsCa", error.sentence)
        }
    }

    /// Credentials go in and never come out.
    private static func answer(
        _ source: Console.ServiceSource, in configuration: StoredConfiguration, _ warnings: [String] = []
    ) -> Remarked<Console.ServiceSource> {
        var shown = source
        shown.authN?.properties = nil
        return Remarked(
            value: shown, usage: configuration.usage(ofService: source.serviceName),
            warnings: warnings + source.check().warnings)
    }
}

extension Console.ServiceSource {
    /// What it does beyond naming addresses, by the names of fields.
    fileprivate var features: [String] {
        let texts: [String?] = [
            healthCheck.map { "healthCheck:\($0.type)" }, loadBalancing.map { "loadBalancing:\($0.policy)" },
            proxyName.map { "proxy:\($0)" }, (endpoints ?? []).contains { $0.drain == true } ? "drain" : nil,
            tlsVerify == false ? "unverified" : nil, ejection?.enabled == false ? "noEjection" : nil,
        ]
        return texts.compactMap(\.self)
    }

    /// Absent or empty credentials on an update mean the stored ones.
    fileprivate func keepingCredentials(of stored: Console.ServiceSource) -> Console.ServiceSource {
        guard authN != nil, authN?.properties?.value.isEmpty ?? true else { return self }
        var result = self
        result.authN?.properties = stored.authN?.properties
        return result
    }
}
