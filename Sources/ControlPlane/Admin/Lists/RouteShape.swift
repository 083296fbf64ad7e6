// What routes can be searched for and sorted by.

import ConsoleModel

extension Console.Route {
    /// `requests`: of the last minute, by route.
    static func shape(requests: [String: UInt64]) -> ListShape<Console.Route> {
        ListShape([
            "name": .text(\.name), "domains": .texts(\.domains),
            "path": .texts { [$0.path?.matchValue ?? ""] + ($0.methods ?? []) },
            "services": .texts { $0.services.map(\.name) }, "protocol": .text(\.spoken), "features": .texts(\.features),
            "requests": .number { Int64(clamping: requests[$0.name] ?? 0) },
        ]) { route in
            [route.name, route.path?.matchValue ?? "", route.spoken] + route.domains + (route.methods ?? [])
                + route.services.map(\.name) + route.features
        }
    }

    /// The protocol that it names itself, in whichever way.
    private var spoken: String {
        `protocol` ?? (customConfigs.isEmpty ? nil : annotations.backendProtocol)?.rawValue ?? ""
    }

    /// What it does beyond passing on, by the names of fields and annotations.
    private var features: [String] {
        var names: [String] = []
        func add(_ name: String, _ acts: Bool) {
            if acts { names.append(name) }
        }
        add("authConfig", authConfig?.enabled ?? false)
        add("ipAccess", ipAccess.map { $0.enabled ?? true } ?? false)
        add("rateLimit", rateLimit.map { $0.enabled ?? true } ?? false)
        add("concurrencyLimit", concurrencyLimit.map { $0.enabled ?? true } ?? false)
        add("webSocket", (webSocket?.maxFrameSize ?? 0) > 0 || (webSocket?.maxMessageSize ?? 0) > 0)
        add("cors", cors.map { $0.enabled ?? true } ?? false)
        add("headerControl", headerControl.map { $0.enabled ?? true } ?? false)
        add("rewrite", effectiveRewrite != nil)
        add("redirect", redirect.map { $0.enabled ?? true } ?? false)
        add("mock", mock.map { $0.enabled ?? true } ?? false)
        add("mirror", mirror.map { $0.enabled ?? true } ?? false)
        add("proxyNextUpstream", effectiveRetries != nil)
        add("timeouts", timeouts != nil)
        add("loadBalancing", loadBalancing != nil)
        add("affinity", affinity != nil)
        add("canary", canary != nil)
        add("streamPolicy", streamPolicy != nil)
        return names
    }
}
