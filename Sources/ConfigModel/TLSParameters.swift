// How TLS is spoken with the clients of a virtual host.

/// The versions of TLS that are spoken, and the cipher suites of TLS 1.2 (those of 1.3 are all good, and not chosen).
package struct TLSParameters: Hashable, Sendable {
    package var minVersion: TLSVersion
    package var maxVersion: TLSVersion
    /// By OpenSSL's names, in the order of preference; empty: OpenSSL's own choice.
    package var cipherSuites: [String]

    package init(minVersion: TLSVersion = .tls12, maxVersion: TLSVersion = .tls13, cipherSuites: [String] = []) {
        self.minVersion = minVersion
        self.maxVersion = maxVersion
        self.cipherSuites = cipherSuites
    }
}

/// Raw values are the second number of the version.
package enum TLSVersion: UInt8, Hashable, Sendable, CaseIterable {
    case tls12 = 2
    case tls13 = 3

    /// As on the wire (RFC 8446 §4.2.1).
    package var number: UInt16 { 0x0301 + UInt16(rawValue) }
}
