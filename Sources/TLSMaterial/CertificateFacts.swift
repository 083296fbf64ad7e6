// What a certificate says about itself, for people: names, validity, key, and what to warn about.

package import Seal

/// Facts of a leaf certificate and its chain.
package struct CertificateFacts: Hashable, Sendable {
    /// Common name, then DNS names of the subjectAltName, each once.
    package var names: [String]
    /// Whether the certificate names hosts or addresses in a subjectAltName, as today's clients demand.
    package var hasSAN: Bool
    /// Seconds since 1970.
    package var notBefore: Int64
    package var notAfter: Int64
    /// Such as `RSA 2048`, `ECDSA P-256`, `Ed25519`.
    package var keyDescription: String
    package var selfSigned: Bool
    package var subject: String
    package var issuer: String
    /// SHA-256 over the leaf in DER.
    package var fingerprint: Hash256
    /// Seconds since 1970 at which the first of the chain's other certificates expires, and its subject.
    package var chainExpiry: ChainExpiry?
    /// Problems that no date changes.
    package var weaknesses: [CertificateWarning]

    package struct ChainExpiry: Hashable, Sendable {
        package var subject: String
        package var notAfter: Int64
    }

    package func warnings(now: Int64) -> [CertificateWarning] {
        var warnings: [CertificateWarning] = []
        if now > notAfter { warnings.append(.expired(since: notAfter)) }
        if now < notBefore { warnings.append(.notYetValid(until: notBefore)) }
        if let chainExpiry, now > chainExpiry.notAfter {
            warnings.append(.chainExpired(subject: chainExpiry.subject, since: chainExpiry.notAfter))
        }
        return warnings + weaknesses
    }
}

/// What is allowed but will fail with some or all clients.
package enum CertificateWarning: Hashable, Sendable, CustomStringConvertible {
    case expired(since: Int64)
    case notYetValid(until: Int64)
    case chainExpired(subject: String, since: Int64)
    case noSAN
    case weak(String)
    case notForServers

    /// Stable name for programs.
    package var code: String {
        switch self {
        case .expired: "expired"
        case .notYetValid: "not-yet-valid"
        case .chainExpired: "chain-expired"
        case .noSAN: "no-san"
        case .weak: "weak"
        case .notForServers: "not-for-servers"
        }
    }

    package var description: String {
        switch self {
        case .expired(let time): "the certificate expired on \(UTCText.of(time))"
        case .notYetValid(let time): "the certificate is not valid before \(UTCText.of(time))"
        case .chainExpired(let subject, let time): "\(subject) in the chain expired on \(UTCText.of(time))"
        case .noSAN:
            "the certificate has no subjectAltName: most clients refuse its names unless they skip verification"
        case .weak(let what): what
        case .notForServers: "the certificate is not meant for TLS servers (extended key usage)"
        }
    }
}
