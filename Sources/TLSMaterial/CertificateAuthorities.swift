// The authorities that may vouch for a peer: a bundle of certificates in PEM as a store that OpenSSL verifies with.

import COpenSSL

/// `@unchecked Sendable`: never changed after it was made; OpenSSL guards a store's caches by its own lock.
package final class CertificateAuthorities: @unchecked Sendable {
    /// For `SSL_set1_verify_cert_store`.
    package let store: OpaquePointer
    /// In the order of the text; none of `system`.
    package let certificates: [CertificateHandle]

    /// More than any bundle of one's own needs (Mozilla's has about 150); bounds what a handshake announces.
    package static let maxCertificates = 256

    /// The text must hold certificates only, at least one of them allowed to sign others.
    package init(pem: String) throws(TLSMaterialError) {
        let blocks = try PEMBlock.read(Array(pem.utf8), field: .authorities)
        guard !blocks.isEmpty else {
            throw TLSMaterialError(.authorities, "holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")
        }
        guard blocks.count <= Self.maxCertificates else {
            throw TLSMaterialError(.authorities, "holds more than \(Self.maxCertificates) PEM blocks")
        }
        var certificates: [CertificateHandle] = []
        for (index, block) in blocks.enumerated() {
            guard block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE" else {
                throw TLSMaterialError(.authorities, "holds a \(block.label) where only certificates belong")
            }
            guard let certificate = CertificateHandle(der: block.contents) else {
                throw TLSMaterialError(.authorities, "PEM block \(index + 1) is not a certificate that can be read")
            }
            guard X509_check_ca(certificate.x509) != 0 else {
                throw TLSMaterialError(
                    .authorities, "PEM block \(index + 1) (\(certificate.subject)) is not a certificate authority")
            }
            certificates.append(certificate)
        }
        guard let store = X509_STORE_new() else { throw .noMemory(.authorities) }
        for certificate in certificates {
            guard X509_STORE_add_cert(store, certificate.x509) == 1 else {
                X509_STORE_free(store)
                throw .noMemory(.authorities)
            }
        }
        self.store = store
        self.certificates = certificates
    }

    /// Those of the machine, as OpenSSL finds them (`SSL_CERT_FILE`, `SSL_CERT_DIR`, else /etc/ssl). Read when first asked for,
    /// which takes 10 ms; what cannot be read vouches for nobody.
    package static let system = CertificateAuthorities()

    private init() {
        guard let store = X509_STORE_new() else { preconditionFailure("no memory for the authorities of the machine") }
        X509_STORE_set_default_paths(store)
        self.store = store
        certificates = []
    }

    deinit { X509_STORE_free(store) }
}
