// /v1/routes: which requests go where. What a route does not do yet is said in every answer.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence
import RouteMatching

/// Routes.
struct RouteController: Sendable {
    let store: Store
    let editor: Editor
    let bodyLimit: Int
    let sampler: TrafficSampler

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .post(use: create)
            .get("{name}", use: show)
            .put("{name}", use: replace)
            .delete("{name}", use: remove)
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let query = request.uri.queryParameters
        let domain = query["domainName"].flatMap { $0.isEmpty ? nil : String($0) }
        // Every route here is the console's own, so `all` adds nothing; Higress refuses the combination.
        guard ["true", "false", "", nil].contains(query["all"]) else {
            throw Problem.invalidQuery("all", "Must be true or false.")
        }
        if domain != nil, query["all"] == "true" {
            throw Problem.invalidQuery("all", "Cannot be combined with domainName.")
        }
        return try .json(await page(request, ofDomain: domain))
    }

    /// A page of the routes of a domain, or of all.
    func page(_ request: Request, ofDomain domain: String?) async throws -> Page<Remarked<Console.Route>> {
        let configuration = store.configuration
        let sortsByRequests = ["requests", "-requests"].contains(request.text("sort"))
        let requests = sortsByRequests ? await sampler.requestsOfLastMinute() : [:]
        let query = try ListQuery(request, Console.Route.shape(requests: requests))
        let names = domain.map { configuration.namesOfRoutes(ofDomain: $0) }
        return await query.page(of: configuration.routes, named: names) { Self.answer($0, in: configuration) }
    }

    private func create(_ request: Request, context: AdminContext) async throws -> Response {
        var (route, warnings) = try await request.model(Console.Route.self, limit: bodyLimit)
        route.normalize()
        try Self.check(route).throwIfRefused()
        return try await editor.edit(request, context) { [route] draft in
            if draft.configuration.routes[route.name] != nil { throw Problem.duplicate("route", route.name) }
            try draft.configuration.checkReferences(of: route).throwIfRefused()
            return draft.put(route)
        } respond: { edited, held in
            try .json(Self.written(edited, warnings + held), status: .created)
        }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let route = configuration.routes[try context.name()]?.value else { return .missing }
        return try .json(Envelope(Self.answer(route, in: configuration)))
    }

    private func replace(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        var (route, warnings) = try await request.model(Console.Route.self, limit: bodyLimit)
        if route.name.isEmpty { route.name = name }
        guard route.name == name else { throw Problem.invalid("name", "Must be \(name), as in the path.") }
        route.normalize()
        let findings = Self.check(route)
        return try await editor.edit(request, context) { [route] draft in
            guard let current = draft.configuration.routes[name]?.value else { throw Problem.unknown("route", name) }
            try findings.throwIfRefused()
            try checkVersion("route", name, given: route.version, current: current.version)
            try draft.configuration.checkReferences(of: route).throwIfRefused()
            return draft.put(route)
        } respond: { edited, held in
            try .json(Self.written(edited, warnings + held))
        }
    }

    private func remove(_ request: Request, context: AdminContext) async throws -> Response {
        let name = try context.name()
        return try await editor.edit(request, context) { draft in
            if draft.configuration.routes[name] == nil { throw Problem.unknown("route", name) }
            draft.remove(Console.Route.self, named: name)
        } respond: { _, _ in
            Response(status: .noContent)
        }
    }

    /// The route's own rules and, for its patterns, those of the engine that will run them.
    static func check(_ route: Console.Route) -> Findings {
        var findings = route.check()
        for (field, pattern, caseSensitive) in route.regularExpressions where !pattern.isEmpty {
            do {
                _ = try RegularExpression(pattern: pattern, caseSensitive: caseSensitive)
            } catch {
                findings.refuse(field, "Is not a valid regular expression: \(error.message)")
            }
        }
        StoredConfiguration.checkCipherSuites(of: route, &findings)
        return findings
    }

    /// Reads always tell whether there is authentication.
    static func answer(_ route: Console.Route, in configuration: StoredConfiguration) -> Remarked<Console.Route> {
        var shown = route
        if shown.authConfig == nil { shown.authConfig = Console.Auth(enabled: false) }
        let remarks =
            configuration.remarks(on: route) + configuration.canaryRemarks(on: route)
            + configuration.tlsRemarks(on: route)
        return Remarked(value: shown, warnings: route.check().warnings + remarks)
    }

    /// Writes never do, as in Higress.
    private static func written(_ edited: Edited<Console.Route>, _ warnings: [String]) -> Remarked<Console.Route> {
        var answer = answer(edited.answer, in: edited.configuration)
        answer.value.authConfig = nil
        answer.warnings = warnings + answer.warnings
        return answer
    }
}
