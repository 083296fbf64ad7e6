// What workers say of the endpoints of a service, put together: of each address the worst that one of them says.

import ConsoleModel
import Persistence

/// How many of a service's endpoints are fit.
struct HealthSummary: Encodable {
    var endpoints = 0
    var healthy = 0
    var unhealthy = 0
    var drained = 0
    var unknown = 0
    /// Why nothing is known.
    @JSONField var reason: String?
}

/// One address of an endpoint.
struct EndpointStanding: Encodable {
    /// One worker's view of it, as requests of one protocol see it.
    struct View: Encodable {
        @JSONField var worker: String?
        var process: Int32
        var `protocol`: String
        var state: String
        @JSONField var reason: String?
        @JSONField var since: String?
        @JSONField var ejectedUntil: String?
        /// Percent of its weight.
        @JSONField var slowStart: Int?
        var panics: Bool
        var activeRequests: Int
        var openConnections: Int
    }

    var endpoint: String
    @JSONField var address: String?
    var state: String
    var workers: [View]
}

extension EndpointHealth.View {
    /// The worst first. States that are not known here come last: a worker may be newer.
    private static let order = ["unhealthy", "ejected", "unresolved", "unknown", "drained", "healthy"]

    fileprivate var rank: Int { Self.order.firstIndex(of: state) ?? Self.order.count }
}

extension EndpointHealth.Reading {
    /// The views of each address, endpoints in their order.
    private func grouped(_ service: String) -> [[EndpointHealth.View]] {
        var places: [[String?]: Int] = [:]
        var groups: [[EndpointHealth.View]] = []
        for view in views[service[...]] ?? [] {
            if let place = places[[view.endpoint, view.address]] {
                groups[place].append(view)
            } else {
                places[[view.endpoint, view.address]] = groups.count
                groups.append([view])
            }
        }
        return groups
    }

    func summary(of service: Console.Service, isUsed: Bool) -> HealthSummary {
        var summary = HealthSummary()
        let groups = grouped(service.name)
        if groups.isEmpty {
            summary.endpoints = service.endpoints.count
            summary.unknown = summary.endpoints
            summary.reason = isUsed ? silence ?? "No worker has it yet." : "No route uses it: workers do not know it."
            return summary
        }
        summary.endpoints = groups.count
        for state in groups.compactMap({ $0.min { $0.rank < $1.rank }?.state }) {
            switch state {
            case "healthy": summary.healthy += 1
            case "unhealthy", "ejected", "unresolved": summary.unhealthy += 1
            case "drained": summary.drained += 1
            default: summary.unknown += 1
            }
        }
        return summary
    }

    /// `workers`: ids by process.
    func standings(of service: String, workers: [Int32: String]) -> [EndpointStanding] {
        grouped(service).compactMap { views in
            guard let worst = views.min(by: { $0.rank < $1.rank }) else { return nil }
            return EndpointStanding(
                endpoint: worst.endpoint, address: worst.address, state: worst.state,
                workers: views.map { shown($0, workers) })
        }
    }

    /// A span of time that can be added to one of a calendar.
    private static func bounded(_ milliseconds: Int64) -> Int64 { min(max(milliseconds, 0), 1 << 40) }

    private func shown(_ view: EndpointHealth.View, _ workers: [Int32: String]) -> EndpointStanding.View {
        EndpointStanding.View(
            worker: workers[view.process], process: view.process,
            protocol: String(view.cluster.dropFirst(view.service.count + 1)), state: view.state,
            reason: view.reason, since: view.age.map { Timestamp.text(at - Self.bounded($0)) },
            ejectedUntil: view.ejected.map { Timestamp.text(at + Self.bounded($0)) },
            slowStart: view.share.map { min(max($0, 0), 1_000) / 10 },
            panics: view.panics, activeRequests: view.active, openConnections: view.connections)
    }
}
