// Clusters: a service as routes of one protocol see it.

import ConfigModel
import ConsoleModel
import Persistence

extension SnapshotCompiler {
    /// The service's own port stays out of the name: routes go on working when their source moves to another one.
    static func clusterName(_ service: String, _ spoken: BackendProtocol) -> String {
        "\(service)/\(spoken.rawValue)"
    }

    /// `nil`: no source offers its service.
    func cluster(_ name: String, _ configuration: StoredConfiguration) -> Cluster? {
        guard let slash = name.lastIndex(of: "/"),
            let spoken = BackendProtocol(rawValue: String(name[name.index(after: slash)...])),
            let source = configuration.serviceSource(offering: String(name[..<slash]))
        else { return nil }
        let proxy = source.proxyName.flatMap { configuration.proxyServers[$0]?.value }
        return cluster(name, source, proxy, spoken)
    }

    private func cluster(
        _ name: String, _ source: Console.ServiceSource, _ proxy: Console.ProxyServer?, _ spoken: BackendProtocol
    ) -> Cluster {
        let connections = source.connections
        return Cluster(
            name: name,
            endpoints: source.serviceEndpoints.map {
                Endpoint(host: $0.host, port: $0.port, weight: UInt32(clamping: $0.weight), drains: $0.drains)
            },
            protocol: spoken.usesHTTP2 ? .http2 : .http1,
            tls: spoken.usesTLS ? Self.tls(source) : nil, proxy: proxy.map(Self.proxy),
            balancing: source.loadBalancing.map(Self.balancing) ?? LoadBalancing(),
            connectTimeout: connections?.connectTimeout.map { UInt32(clamping: $0) } ?? settings.connectTimeout,
            idleTimeout: connections?.idleTimeout.map { UInt32(clamping: $0) } ?? settings.upstreamIdleTimeout,
            healthCheck: source.healthCheck.flatMap(Self.healthCheck), ejection: Self.ejection(source.ejection),
            slowStart: UInt32(clamping: source.slowStart ?? 0),
            panicThreshold: UInt32(clamping: source.panicThreshold ?? 50),
            maxConnections: connections?.maxPerEndpoint.map { UInt32(clamping: $0) } ?? settings.maxEndpointConnections)
    }

    private static func tls(_ source: Console.ServiceSource) -> UpstreamTLS {
        UpstreamTLS(
            serverName: source.sni, verify: source.verifiesTLS, certificateAuthorities: source.tlsCa,
            clientIdentity: source.tlsClientCertificate)
    }

    private static func proxy(_ server: Console.ProxyServer) -> UpstreamProxy {
        UpstreamProxy(
            host: server.serverAddress, port: UInt16(clamping: server.serverPort ?? 0),
            connectTimeout: UInt32(clamping: server.connectTimeout ?? Console.ProxyServer.usualConnectTimeout))
    }

    static func balancing(_ balancing: Console.LoadBalancing) -> LoadBalancing {
        let kind: HashSourceKind? =
            switch balancing.hashKey {
            case .header: .header
            case .cookie: .cookie
            case .query: .queryParameter
            case .clientAddress: .clientAddress
            case .host: .host
            case .path: .path
            case nil: nil
            }
        switch balancing.parsedPolicy {
        case .leastRequest: return LoadBalancing(.leastRequest)
        case .random: return LoadBalancing(.random)
        case .consistentHash:
            return LoadBalancing(
                .consistentHash, hashOn: kind.map { HashSource($0, name: balancing.hashName ?? "") })
        case .roundRobin, nil: return LoadBalancing(.roundRobin)
        }
    }

    private static func healthCheck(_ check: Console.HealthCheck) -> HealthCheck? {
        let kind: HealthCheckKind
        switch check.kind {
        case .tcp: kind = .tcp
        case .http: kind = .http
        case .grpc: kind = .grpc
        case nil: return nil
        }
        var result = HealthCheck(kind)
        if let value = check.interval { result.interval = UInt32(clamping: value) }
        if let value = check.timeout { result.timeout = UInt32(clamping: value) }
        if let value = check.unhealthyThreshold { result.unhealthyThreshold = UInt32(clamping: value) }
        if let value = check.healthyThreshold { result.healthyThreshold = UInt32(clamping: value) }
        result.path = check.path ?? "/"
        result.host = check.host
        result.statuses = (check.statuses ?? []).compactMap(Console.HealthCheck.statusRange).map {
            StatusRange(UInt16(clamping: $0.lowerBound), UInt16(clamping: $0.upperBound))
        }
        result.service = check.service ?? ""
        return result
    }

    private static func ejection(_ ejection: Console.Ejection?) -> Ejection {
        var result = Ejection()
        guard let ejection else { return result }
        if let value = ejection.failures { result.failures = UInt32(clamping: value) }
        if ejection.enabled == false { result.failures = 0 }
        if let value = ejection.baseTime { result.baseTime = UInt32(clamping: value) }
        if let value = ejection.maxTime { result.maxTime = UInt32(clamping: value) }
        if let value = ejection.maxPercent { result.maxPercent = UInt32(clamping: value) }
        result.countsResponses = ejection.countResponses ?? false
        return result
    }
}
