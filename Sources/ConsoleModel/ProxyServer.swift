// Proxy servers of the console: what stands between the gateway and services that it cannot reach by itself.

extension Console {
    /// An HTTP proxy that service sources name as their `proxyName`.
    package struct ProxyServer: Codable, Hashable, Sendable {
        @JSONField package var name = ""
        @JSONField package var version: String? = nil
        /// One of `Kind`'s raw values.
        @JSONField package var type = ""
        /// An address without brackets, or a host name.
        @JSONField package var serverAddress = ""
        @JSONField package var serverPort: Int? = nil
        /// Milliseconds in which the proxy server must take a connection.
        @JSONField package var connectTimeout: Int? = nil

        package init() {}

        package enum Kind: String, Sendable, CaseIterable {
            /// CONNECT in clear text (RFC 9110 §9.3.6).
            case http = "HTTP"
        }

        /// Milliseconds, as in Higress.
        package static let usualConnectTimeout = 1_200
    }
}

extension Console.ProxyServer {
    /// Fills in defaults, so that two ways of saying the same are stored alike.
    package mutating func normalize() {
        type = type.uppercased()
        serverAddress = serverAddress.lowercased()
        if serverAddress.hasPrefix("["), serverAddress.hasSuffix("]") {
            serverAddress = String(serverAddress.dropFirst().dropLast())
        }
        if connectTimeout == nil || connectTimeout == 0 { connectTimeout = Self.usualConnectTimeout }
    }

    /// The rules that need nothing but the proxy server itself; call `normalize` first.
    package func check() -> Findings {
        var findings = Findings()
        checkName(&findings)
        if Kind(rawValue: type) == nil {
            let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            findings.refuse("type", type.isEmpty ? "Is required: \(known)." : "Must be \(known).")
        }
        if serverAddress.isEmpty {
            findings.refuse("serverAddress", "Is required: an address or a host name.")
        } else if !Syntax.isIPv6(serverAddress), let problem = Syntax.problem(withHost: serverAddress, wildcard: false)
        {
            findings.refuse("serverAddress", problem)
        }
        if let port = serverPort {
            if !(1...65_535).contains(port) { findings.refuse("serverPort", "Must be between 1 and 65535.") }
        } else {
            findings.refuse("serverPort", "Is required.")
        }
        if let timeout = connectTimeout, !(1...600_000).contains(timeout) {
            findings.refuse("connectTimeout", "Must be between 1 and 600000 milliseconds.")
        }
        return findings
    }

    private func checkName(_ findings: inout Findings) {
        if name.isEmpty { return findings.refuse("name", "A name is required.") }
        let bytes = name.utf8
        func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
        let others = "0123456789-_.".utf8
        guard bytes.count <= 63, bytes.first.map(isLetter) ?? false,
            bytes.allSatisfy({ isLetter($0) || others.contains($0) })
        else {
            return findings.refuse(
                "name",
                "Must begin with a lower-case letter, with up to 62 letters, digits, '-', '_' and '.' behind it.")
        }
    }
}
