// What single addresses of a source have of their own: a weight, and whether they are being taken out.

extension Console.ServiceSource {
    /// Settings of one address that stands in `domain`.
    package struct EndpointSettings: Codable, Hashable, Sendable {
        /// As in `domain`.
        @JSONField package var address = ""
        /// Relative to the source's other addresses; absent: 1.
        @JSONField package var weight: Int? = nil
        /// True: gets no new requests; those that run finish.
        @JSONField package var drain: Bool? = nil

        package init(address: String, weight: Int? = nil, drain: Bool? = nil) {
            self.address = address
            self.weight = weight
            self.drain = drain
        }
    }

    static let largestEndpointWeight = 1_000

    /// What is set for an address of `domain`.
    package func settings(of address: String) -> EndpointSettings {
        endpoints?.first { $0.address == address } ?? EndpointSettings(address: address)
    }

    mutating func normalizeEndpoints() {
        endpoints = endpoints.map { list in
            list.map { given in
                var entry = given
                if !entry.address.hasPrefix("unix:") { entry.address = entry.address.lowercased() }
                return entry
            }
        }
        if endpoints?.isEmpty == true { endpoints = nil }
    }

    func checkEndpoints(_ kind: Kind, _ findings: inout Findings) {
        guard let endpoints else { return }
        if kind != .static, kind != .dns {
            return findings.refuse("endpoints", "Only static and dns sources can have settings of single endpoints.")
        }
        let known = Set(addresses)
        var seen: Set<String> = []
        for (index, entry) in endpoints.enumerated() {
            let field = "endpoints[\(index)]"
            if entry.address.isEmpty {
                findings.refuse("\(field).address", "Is required: one of the addresses in domain.")
            } else if !known.contains(entry.address) {
                findings.refuse("\(field).address", "'\(entry.address)' does not stand in domain.")
            } else if !seen.insert(entry.address).inserted {
                findings.refuse("\(field).address", "'\(entry.address)' is listed twice.")
            }
            if let weight = entry.weight, !(1...Self.largestEndpointWeight).contains(weight) {
                findings.refuse("\(field).weight", "Must be between 1 and \(Self.largestEndpointWeight).")
            }
        }
        if known.allSatisfy({ settings(of: $0).drain == true }) {
            findings.warn("endpoints: every endpoint is drained, so requests to this source fail.")
        }
    }
}
