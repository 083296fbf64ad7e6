// Routes. The clusters that they need have their own file.

import ConfigModel
import ConsoleModel
import Persistence

extension SnapshotCompiler {
    /// Depends on the sources of its services by their being there and by the protocol that they are spoken to in, on nothing
    /// else of them, and on the routes of the same conditions (Canaries.swift): `CompilationStep` counts on that.
    func route(_ stored: Stored<Console.Route>, _ configuration: StoredConfiguration) -> Route {
        let route = stored.value
        var isGRPC = false
        var destinations = self.destinations(route, configuration, &isGRPC)
        for (canary, weight, total) in configuration.shares(of: route) {
            let others = self.destinations(canary, configuration, &isGRPC)
            destinations = Canaries.split(destinations, others, weight: weight, total: total)
        }
        let mirror = route.effectiveMirror.map { clusterName(of: $0.service, route, configuration) }
        let fallback = route.fallbackService.map { clusterName(of: $0, route, configuration) }
        let timeouts = route.effectiveTimeouts
        var headers = (route.headers ?? []).map { Self.predicate($0, key: $0.key.lowercased()) }
        if case .header(let condition) = route.canary {
            headers.append(Self.predicate(condition, key: condition.key.lowercased()))
        }
        return Route(
            name: route.name, virtualHosts: route.domains, order: UInt64(clamping: stored.id),
            path: Self.path(route.effectivePath), methods: route.methods ?? [], headers: headers,
            queryParameters: (route.urlParams ?? []).map { Self.predicate($0, key: $0.key) },
            destinations: destinations,
            kind: isGRPC ? .grpc : .http,
            timeouts: RouteTimeouts(
                responseHeaders: timeouts.responseHeaders.map { UInt32(clamping: $0) },
                streamIdle: timeouts.streamIdle.map { UInt32(clamping: $0) },
                total: timeouts.total.map { UInt32(clamping: $0) },
                connect: route.annotations.connect.map { UInt32(clamping: $0) },
                send: route.annotations.send.map { UInt32(clamping: $0) }),
            streamPolicy: Self.streamPolicy(route.streamPolicy),
            rewrite: route.effectiveRewrite.map { Rewrite(path: $0.path, authority: $0.host) },
            filters: Self.filters(route, mirror: mirror),
            balancing: route.effectiveLoadBalancing.map(Self.balancing),
            retries: route.effectiveRetries.map(Self.retries), fallback: fallback,
            errorStatuses: route.errorStatuses.map { StatusRange(UInt16($0), UInt16($0)) })
    }

    private func destinations(
        _ route: Console.Route, _ configuration: StoredConfiguration, _ isGRPC: inout Bool
    ) -> [Destination] {
        route.services.map { service in
            let spoken = route.backendProtocol(towards: configuration.serviceSource(offering: service.name))
            isGRPC = isGRPC || spoken.isGRPC
            return Destination(
                cluster: Self.clusterName(service.name, spoken), weight: UInt32(clamping: service.weight ?? 100))
        }
    }

    private static func retries(_ retries: Console.ProxyNextUpstream) -> RetryPolicy {
        var result = RetryPolicy()
        if let attempts = retries.attempts { result.attempts = UInt32(clamping: attempts) }
        result.tryTimeout = UInt32(clamping: (retries.timeout ?? 0) * 1_000)
        guard let conditions = retries.conditions, !conditions.isEmpty else { return result }
        result.conditions = []
        for condition in conditions {
            switch condition {
            case "error": result.conditions.insert(.error)
            case "timeout": result.conditions.insert(.timeout)
            case "invalid_header": result.conditions.insert(.invalidHeader)
            case "non_idempotent": result.conditions.insert(.nonIdempotent)
            default:
                if let status = Int(condition.dropFirst("http_".count)) { result.conditions.formUnion(.status(status)) }
            }
        }
        return result
    }

    /// The cluster of another service, spoken to as the route speaks to its own. There is none without a source that offers the
    /// service: that is refused when the snapshot is judged.
    private func clusterName(
        of service: String, _ route: Console.Route, _ configuration: StoredConfiguration
    ) -> String {
        Self.clusterName(service, route.backendProtocol(towards: configuration.serviceSource(offering: service)))
    }

    private static func path(_ path: Console.PathPredicate?) -> PathPredicate {
        guard let path, let kind = path.kind else { return PathPredicate(kind: .prefix, value: "") }
        return PathPredicate(kind: matchKind(kind), value: path.matchValue, caseSensitive: path.caseSensitive ?? true)
    }

    private static func predicate(_ predicate: Console.KeyedPredicate, key: String) -> KeyedPredicate {
        KeyedPredicate(key: key, kind: matchKind(predicate.kind ?? .equal), value: predicate.matchValue)
    }

    private static func matchKind(_ type: Console.MatchType) -> MatchKind {
        switch type {
        case .equal: .exact
        case .prefix: .prefix
        case .regular: .regex
        }
    }

    private static func streamPolicy(_ policy: Console.StreamPolicy?) -> StreamPolicy {
        switch policy.flatMap({ Console.StreamPolicy.Mode(rawValue: $0.mode) }) {
        case .drain: .drain(UInt32(clamping: policy?.after ?? 0))
        case .close: .close
        case .keep, nil: .keep
        }
    }
}
