// What connections to a cluster's endpoints need beyond names: the authorities that it trusts, and a certificate to show.
// Parsed off the loops, shared by them.

internal import COpenSSL
internal import TLSMaterial

final class UpstreamTLSMaterial: Sendable {
    /// Nil where certificates are not verified.
    private let authorities: CertificateAuthorities?
    private let identity: LoadedIdentity?

    init(authorities: CertificateAuthorities?, identity: LoadedIdentity?) {
        self.authorities = authorities
        self.identity = identity
    }

    /// Sets both on a connection that is about to begin its handshake. False: out of memory, or a key that cannot be used.
    func use(on ssl: OpaquePointer) -> Bool {
        if let authorities, causeway_trust(ssl, authorities.store) != 1 { return false }
        return identity?.use(on: ssl) ?? true
    }
}
