// A listener of the console: where the gateway accepts connections, whom it believes what they say of others, and what one client
// may cost there.

import Foundation

extension Console {
    /// An address and port of the gateway.
    package struct Listener: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var version: String? = nil
        /// IPv4 or IPv6, without brackets; `0.0.0.0` and `::` are every address.
        @JSONField package var address = ""
        @JSONField package var port: Int? = nil
        /// `http` or `https`.
        @JSONField package var `protocol` = ""
        /// Who begins each connection with a PROXY protocol header; `null`: nobody.
        @JSONField package var proxyProtocol: TrustedPeers? = nil
        /// Whose `X-Forwarded-*` are believed; `null`: nobody's.
        @JSONField package var forwardedHeaders: TrustedPeers? = nil
        @JSONField package var limits: Limits? = nil

        package init() {}

        package init(name: String, address: String, port: Int, protocol: Kind) {
            self.name = name
            self.address = address
            self.port = port
            self.`protocol` = `protocol`.rawValue
        }

        package enum Kind: String, Sendable, CaseIterable {
            case http, https
        }

        package struct TrustedPeers: Codable, Hashable, Sendable {
            /// As in `10.0.0.0/8`; `*` for every address.
            @JSONField package var trustedRanges: [String] = []

            package init(_ ranges: [String] = []) { trustedRanges = ranges }
        }

        /// What bounds one client, and all of them. Milliseconds and bytes; `null`: as `--setting` says.
        package struct Limits: Codable, Hashable, Sendable {
            @JSONField package var maxConnections: Int? = nil
            @JSONField package var maxHandshakes: Int? = nil
            @JSONField package var maxConcurrentStreams: Int? = nil
            @JSONField package var maxHeaderListSize: Int? = nil
            @JSONField package var tlsHandshakeTimeout: Int? = nil
            @JSONField package var requestHeadersTimeout: Int? = nil
            @JSONField package var requestProgressTimeout: Int? = nil
            @JSONField package var connectionIdleTimeout: Int? = nil
            @JSONField package var streamStallTimeout: Int? = nil
            @JSONField package var memoryPerConnection: Int? = nil
            @JSONField package var memoryPerLoop: Int? = nil
            @JSONField package var memoryPerWorker: Int? = nil
            @JSONField package var maxResets: Int? = nil
            @JSONField package var maxProvokedResets: Int? = nil
            @JSONField package var maxControlFrames: Int? = nil
            @JSONField package var maxContinuations: Int? = nil
            @JSONField package var headerDecodeFactor: Int? = nil
            @JSONField package var requestsPerTurn: Int? = nil
            @JSONField package var replaySize: Int? = nil

            package init() {}
        }
    }
}

extension Console.Listener {
    package static let mostRanges = 1_000

    package var kind: Kind? { Kind(rawValue: `protocol`) }
    package var usesTLS: Bool { kind == .https }
    /// 0 where the port of an unchecked listener is none.
    package var portNumber: UInt16 { UInt16(exactly: port ?? 0) ?? 0 }

    /// `address:port`, for people.
    package var place: String { (address.contains(":") ? "[\(address)]" : address) + ":\(port ?? 0)" }

    package mutating func normalize() {
        address = Self.canonical(address)
        `protocol` = `protocol`.lowercased()
        if limits == Limits() { limits = nil }
    }

    /// One text for each address (RFC 5952), so that two listeners at one address are seen to be.
    package static func canonical(_ address: String) -> String {
        guard Syntax.isIPv6(address) else { return address }
        var bytes = in6_addr()
        guard inet_pton(AF_INET6, address, &bytes) == 1 else { return address }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &bytes, &text, socklen_t(text.count)) != nil else { return address }
        let written = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let mapped = "::ffff:"
        return written.hasPrefix(mapped) && Syntax.isIPv4(written.dropFirst(mapped.count))
            ? String(written.dropFirst(mapped.count)) : written
    }

    /// Whether sockets at these addresses and one port would meet.
    package static func overlap(_ a: String, _ b: String) -> Bool {
        func covers(_ wide: String, _ other: String) -> Bool {
            wide == "::" || wide == "0.0.0.0" && !other.contains(":")
        }
        return a == b || covers(a, b) || covers(b, a)
    }

    /// The rules that need nothing but the listener itself; call `normalize` first.
    package func check() -> Findings {
        var findings = Findings()
        if let problem = Syntax.problem(withName: name) { findings.refuse("name", problem) }
        if !Syntax.isIPv4(address) && !Syntax.isIPv6(address) {
            findings.refuse(
                "address",
                "Must be an IPv4 or IPv6 address without brackets and port, as in 0.0.0.0, :: or 192.0.2.1.")
        }
        if !(1...65_535).contains(port ?? 0) { findings.refuse("port", "Must be between 1 and 65535.") }
        if kind == nil { findings.refuse("protocol", "Must be http or https.") }
        Self.check(proxyProtocol, "proxyProtocol", &findings)
        Self.check(forwardedHeaders, "forwardedHeaders", &findings)
        limits?.check(&findings)
        return findings
    }

    private static func check(_ peers: TrustedPeers?, _ field: String, _ findings: inout Findings) {
        guard let ranges = peers?.trustedRanges else { return }
        let field = "\(field).trustedRanges"
        if ranges.isEmpty {
            findings.refuse(field, "At least one range is required; where nobody is trusted, leave it out.")
        }
        if ranges.count > mostRanges { findings.refuse(field, "Must have at most \(mostRanges) entries.") }
        for (index, range) in ranges.enumerated() {
            if !Syntax.isAddressRange(range) {
                findings.refuse("\(field)[\(index)]", "Must be an address or a range of them, as in 10.0.0.0/8.")
            } else if range == "*" || range.hasSuffix("/0") {
                findings.warn("\(field)[\(index)]: \(range) is everybody: any client can then feign its address.")
            }
        }
    }
}

extension Console.Listener.Limits {
    private static let times = 0...86_400_000
    private static let memory = 0...(1 << 40)

    private static let bounds: [(name: String, path: any KeyPath<Self, Int?> & Sendable, range: ClosedRange<Int>)] = [
        ("maxConnections", \.maxConnections, 0...10_000_000),
        ("maxHandshakes", \.maxHandshakes, 0...10_000_000),
        ("maxConcurrentStreams", \.maxConcurrentStreams, 1...65_535),
        ("maxHeaderListSize", \.maxHeaderListSize, 4_096...262_144),
        ("tlsHandshakeTimeout", \.tlsHandshakeTimeout, times),
        ("requestHeadersTimeout", \.requestHeadersTimeout, times),
        ("requestProgressTimeout", \.requestProgressTimeout, times),
        ("connectionIdleTimeout", \.connectionIdleTimeout, times),
        ("streamStallTimeout", \.streamStallTimeout, times),
        ("memoryPerConnection", \.memoryPerConnection, memory),
        ("memoryPerLoop", \.memoryPerLoop, memory),
        ("memoryPerWorker", \.memoryPerWorker, memory),
        ("maxResets", \.maxResets, 0...1_000_000),
        ("maxProvokedResets", \.maxProvokedResets, 0...1_000_000),
        ("maxControlFrames", \.maxControlFrames, 0...1_000_000),
        ("maxContinuations", \.maxContinuations, 0...65_535),
        ("headerDecodeFactor", \.headerDecodeFactor, 0...1_024),
        ("requestsPerTurn", \.requestsPerTurn, 0...1_000_000),
        ("replaySize", \.replaySize, 0...(64 << 20)),
    ]

    func check(_ findings: inout Findings) {
        for (name, path, range) in Self.bounds { findings.check("limits.\(name)", self[keyPath: path], in: range) }
    }
}
