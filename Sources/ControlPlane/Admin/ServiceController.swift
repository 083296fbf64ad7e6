// /v1/services: what routes can send requests to, and how the workers find the endpoints of each.

import ConsoleModel
import HTTPTypes
import Hummingbird
import Persistence

/// The services that sources offer.
struct ServiceController: Sendable {
    let store: Store
    let publisher: Publisher
    let health: EndpointHealth

    func addRoutes(to group: RouterGroup<AdminContext>) {
        group
            .get(use: list)
            .get("{name}", use: show)
    }

    private struct Shown: Encodable {
        var service: Console.Service
        var usage: Usage
        var health: HealthSummary
        /// Of one service alone.
        var endpoints: [EndpointStanding]?

        private enum Key: CodingKey {
            case health, endpointHealth
        }

        func encode(to encoder: any Encoder) throws {
            try service.encode(to: encoder)
            try usage.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(health, forKey: .health)
            try container.encodeIfPresent(endpoints, forKey: .endpointHealth)
        }
    }

    private func list(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        let sources = configuration.serviceSources
        let query = try ListQuery(request, Self.shape(in: configuration))
        // Addresses are read of those on the page alone.
        let names = sources.sortedNames.compactMap { sources[$0]?.value }.filter(\.offersService)
            .map { (service: $0.serviceName, name: $0.name) }.sorted { $0.service < $1.service }.map(\.name)
        let page = await query.page(of: sources, named: names) { Console.Service(of: $0) }
        let services = page.items.compactMap(\.self)
        let reading = await health.read(services.map(\.name).filter { Self.isUsed($0, in: configuration) })
        var answer = Page(
            items: services.map { Self.shown($0, reading, in: configuration) }, total: page.total, page.request)
        answer.warnings = reading.warnings
        return try .json(answer)
    }

    private static func shape(in configuration: StoredConfiguration) -> ListShape<Console.ServiceSource> {
        ListShape([
            "name": .text(\.serviceName), "endpoints": .texts { $0.serviceEndpoints.map(\.text) },
            "protocol": .text { $0.`protocol` ?? "http" },
            "usedBy": .number { Int64(configuration.routes.userCount(of: .service($0.serviceName))) },
        ]) { [$0.serviceName, $0.`protocol` ?? "http"] + $0.serviceEndpoints.map(\.text) }
    }

    private func show(_ request: Request, context: AdminContext) async throws -> Response {
        let configuration = store.configuration
        guard let source = configuration.serviceSource(offering: try context.name()),
            let service = Console.Service(of: source)
        else { return .missing }
        let reading = await health.read(Self.isUsed(service.name, in: configuration) ? [service.name] : [])
        var shown = Self.shown(service, reading, in: configuration)
        let ids = Dictionary(
            await publisher.report().map { (Int32(bitPattern: $0.pid), $0.id) }, uniquingKeysWith: { $1 })
        shown.endpoints = reading.standings(of: service.name, workers: ids)
        return try .json(Envelope(shown, warnings: reading.warnings))
    }

    /// A worker knows the services of its routes.
    private static func isUsed(_ service: String, in configuration: StoredConfiguration) -> Bool {
        configuration.routes.userCount(of: .service(service)) > 0
    }

    private static func shown(
        _ service: Console.Service, _ reading: EndpointHealth.Reading, in configuration: StoredConfiguration
    ) -> Shown {
        Shown(
            service: service, usage: configuration.usage(ofService: service.name),
            health: reading.summary(
                of: service, isUsed: isUsed(service.name, in: configuration)))
    }
}
