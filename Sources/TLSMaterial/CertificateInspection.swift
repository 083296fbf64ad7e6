// What the control plane does with an uploaded certificate: refuse what the worker could not serve, and say why; put the
// rest into the one form that is stored and published.

import COpenSSL
package import Seal

/// A certificate and key that fit together, in normal form, with what there is to know about them.
@dynamicMemberLookup
package struct CertificateInspection: Sendable {
    /// PEM of the certificates alone, leaf first, each followed by its issuer.
    package let chainPEM: String
    package let chainLength: Int
    /// PKCS#8 in PEM, not encrypted.
    package let keyPEM: Secret
    package let facts: CertificateFacts
    package let hints: [ChainHint]

    /// `inspection.names` for `inspection.facts.names`, and so on.
    package subscript<T>(dynamicMember member: KeyPath<CertificateFacts, T>) -> T { facts[keyPath: member] }

    package func warnings(now: Int64) -> [CertificateWarning] { facts.warnings(now: now) }

    /// Parses both and checks them against one another. The passphrase is used only when the key is encrypted.
    package static func inspect(
        certificatePEM: String, keyPEM: Secret, passphrase: Secret? = nil
    ) throws(TLSMaterialError) -> CertificateInspection {
        try inspect(
            try CertificateChain.read(certificatePEM), try PrivateKeyHandle.read(keyPEM, passphrase: passphrase),
            isList: true)
    }

    /// The same of a PKCS#12 file, whose certificates have no order.
    package static func inspect(
        pkcs12 file: Secret, passphrase: Secret? = nil
    ) throws(TLSMaterialError) -> CertificateInspection {
        let parts = try PKCS12File(file, passphrase: passphrase)
        do throws(TLSMaterialError) {
            return try inspect(parts.certificates, parts.key, isList: false)
        } catch {
            // Whoever gave one file has no fields of the parts.
            throw TLSMaterialError(.pkcs12, "\(error.field == .key ? "its key" : "its chain"): \(error.reason)")
        }
    }

    private static func inspect(
        _ certificates: [CertificateHandle], _ key: PrivateKeyHandle, isList: Bool
    ) throws(TLSMaterialError) -> CertificateInspection {
        _ = try key.kind()
        let (chain, hints) = try CertificateChain.order(certificates, for: key, isList: isList)
        guard key.signs(for: chain[0]) else {
            throw TLSMaterialError(.key, "is damaged: what it signs does not verify with the certificate")
        }
        try checkAcceptance(chain, key)
        var text = ""
        for certificate in chain {
            guard let pem = certificate.pem else { throw TLSMaterialError.noMemory(.cert) }
            text += pem
        }
        return CertificateInspection(
            chainPEM: text, chainLength: chain.count, keyPEM: try key.pkcs8(), facts: try CertificateFacts(chain),
            hints: hints)
    }

    /// Asks OpenSSL itself, which refuses small keys and old digests by the security level it was built with.
    private static func checkAcceptance(
        _ chain: [CertificateHandle], _ key: PrivateKeyHandle
    ) throws(TLSMaterialError) {
        let pointers: [OpaquePointer?] = chain.map(\.x509)
        let code = withExtendedLifetime(chain) { causeway_server_refuses(pointers, pointers.count, key.pkey) }
        guard code != 0 else { return }
        switch ERR_GET_REASON(code) {
        case SSL_R_EE_KEY_TOO_SMALL: throw TLSMaterialError(.key, "is too small: RSA needs 2048 bits at least")
        case SSL_R_CA_KEY_TOO_SMALL: throw TLSMaterialError(.cert, "an issuer's key in the chain is too small")
        case SSL_R_CA_MD_TOO_WEAK:
            throw TLSMaterialError(.cert, "is signed with a digest that is too weak (SHA-1 or older)")
        default:
            let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
            throw TLSMaterialError(.cert, "cannot be used for TLS: \(reason)")
        }
    }
}
