// When an endpoint of a source counts as fit: questions put to it, and what real traffic says of it. Times in milliseconds.

extension Console {
    /// A question that is put to each endpoint again and again.
    package struct HealthCheck: Codable, Hashable, Sendable {
        /// One of `Kind`'s raw values.
        @JSONField package var type = ""
        @JSONField package var interval: Int? = nil
        @JSONField package var timeout: Int? = nil
        @JSONField package var unhealthyThreshold: Int? = nil
        @JSONField package var healthyThreshold: Int? = nil
        /// `http`; absent: `/`.
        @JSONField package var path: String? = nil
        /// `http`, `grpc`: the authority; absent: the endpoint's address.
        @JSONField package var host: String? = nil
        /// `http`: statuses and ranges, as in `200-299`; absent: that.
        @JSONField package var statuses: [String]? = nil
        /// `grpc`: the service asked about; absent: the server as a whole.
        @JSONField package var service: String? = nil

        package enum Kind: String, Sendable, CaseIterable {
            case tcp, http, grpc
        }

        package init(_ kind: Kind, interval: Int? = nil) {
            type = kind.rawValue
            self.interval = interval
        }

        package var kind: Kind? { Kind(rawValue: type) }
    }

    /// When real traffic puts an endpoint aside for a while.
    package struct Ejection: Codable, Hashable, Sendable {
        @JSONField package var enabled: Bool? = nil
        /// Failures in a row.
        @JSONField package var failures: Int? = nil
        @JSONField package var baseTime: Int? = nil
        @JSONField package var maxTime: Int? = nil
        @JSONField package var maxPercent: Int? = nil
        /// Whether answers count, too: 5xx; gRPC INTERNAL, UNAVAILABLE, DATA_LOSS.
        @JSONField package var countResponses: Bool? = nil

        package init() {}
    }
}

extension Console.HealthCheck {
    /// One status, or two with a dash between.
    package static func statusRange(_ text: String) -> ClosedRange<Int>? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ $0.count == 3 }), let low = Int(parts[0]),
            let high = Int(parts[parts.count - 1]), low <= high, low >= 100, high <= 599
        else { return nil }
        return low...high
    }

    mutating func normalize() {
        type = type.lowercased()
        if path?.isEmpty == true { path = nil }
        if host?.isEmpty == true { host = nil }
        host = host?.lowercased()
        if statuses?.isEmpty == true { statuses = nil }
        if service?.isEmpty == true { service = nil }
    }

    func check(_ findings: inout Findings) {
        guard let kind else {
            let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            return findings.refuse("healthCheck.type", "Must be one of \(known).")
        }
        findings.check("healthCheck.interval", interval, in: 100...600_000)
        findings.check("healthCheck.timeout", timeout, in: 10...60_000)
        findings.check("healthCheck.unhealthyThreshold", unhealthyThreshold, in: 1...100)
        findings.check("healthCheck.healthyThreshold", healthyThreshold, in: 1...100)
        if kind != .http, path != nil { refuseMember("path", "http", &findings) }
        if kind != .http, statuses != nil { refuseMember("statuses", "http", &findings) }
        if kind != .grpc, service != nil { refuseMember("service", "grpc", &findings) }
        if kind == .tcp, host != nil { refuseMember("host", "http and grpc", &findings) }
        if let path, !path.hasPrefix("/") || !Syntax.isPrintableASCII(path) || path.contains(" ") {
            findings.refuse("healthCheck.path", "Must begin with '/' and be in ASCII without blanks.")
        }
        if let host {
            let name = host.lastIndex(of: ":").map {
                UInt16(host[host.index(after: $0)...]) != nil ? host[..<$0] : host[...]
            }
            if let problem = Syntax.problem(withHost: String(name ?? host[...]), wildcard: false) {
                findings.refuse("healthCheck.host", problem)
            }
        }
        for (index, text) in (statuses ?? []).enumerated() where Self.statusRange(text) == nil {
            findings.refuse("healthCheck.statuses[\(index)]", "Must be a status or a range, as in 200 or 200-299.")
        }
        if let service, !Syntax.isPrintableASCII(service) || service.contains(" ") || service.utf8.count > 253 {
            findings.refuse("healthCheck.service", "Must be a service's full name, as in helloworld.Greeter.")
        }
    }

    private func refuseMember(_ name: String, _ kinds: String, _ findings: inout Findings) {
        findings.refuse("healthCheck.\(name)", "Has a meaning only with the type \(kinds).")
    }
}

extension Console.Ejection {
    func check(_ findings: inout Findings) {
        findings.check("ejection.failures", failures, in: 1...1_000)
        findings.check("ejection.baseTime", baseTime, in: 1...86_400_000)
        findings.check("ejection.maxTime", maxTime, in: 1...86_400_000)
        findings.check("ejection.maxPercent", maxPercent, in: 0...100)
    }
}

extension Console.ServiceSource {
    func checkHealth(_ kind: Kind, _ findings: inout Findings) {
        healthCheck?.check(&findings)
        ejection?.check(&findings)
        if let slowStart, !(0...3_600_000).contains(slowStart) {
            findings.refuse("slowStart", "Must be milliseconds between 0 (off) and 3600000.")
        }
        if let panicThreshold, !(0...100).contains(panicThreshold) {
            findings.refuse("panicThreshold", "Must be a percentage between 0 and 100.")
        }
    }
}
