// A PKCS#12 file (.p12, .pfx): certificates and their key in one, under a passphrase. What comes out of it goes the way of PEM.

import COpenSSL
import Seal

/// What such a file holds.
struct PKCS12File {
    /// Larger than any chain that a client would accept (OpenSSL's own limit is 100 KiB).
    static let maxBytes = 512 * 1_024
    /// OpenSSL's own limit for passphrases of PEM.
    private static let maxPassphraseBytes = 1_024

    /// As they stand there, which says nothing.
    let certificates: [CertificateHandle]
    let key: PrivateKeyHandle

    init(_ file: Secret, passphrase: Secret?) throws(TLSMaterialError) {
        guard file.bytes.count <= Self.maxBytes else {
            throw TLSMaterialError(.pkcs12, "is larger than \(Self.maxBytes / 1_024) KiB")
        }
        if file.bytes.starts(with: "-----BEGIN".utf8) {
            throw TLSMaterialError(.pkcs12, "is PEM, not PKCS#12: give it as cert and key")
        }
        guard passphrase?.bytes.count ?? 0 <= Self.maxPassphraseBytes else {
            throw TLSMaterialError(.passphrase, "does not open the file")
        }
        let parts = UnsafeMutablePointer<causeway_pkcs12>.allocate(capacity: 1)
        defer {
            causeway_pkcs12_free(parts)
            parts.deallocate()
        }
        let outcome = file.bytes.withUnsafeBufferPointer { bytes in
            (passphrase?.bytes ?? []).withUnsafeBufferPointer { words in
                var secret = causeway_secret(bytes: words.baseAddress, length: words.count)
                return causeway_pkcs12_read(bytes.baseAddress, bytes.count, &secret, parts)
            }
        }
        try Self.check(outcome, hasPassphrase: passphrase != nil)
        certificates = try Self.certificates(in: parts)
        key = try Self.key(in: parts)
    }

    private static func check(
        _ outcome: causeway_pkcs12_outcome, hasPassphrase: Bool
    ) throws(TLSMaterialError) {
        switch outcome {
        case causeway_pkcs12_done: return
        case causeway_pkcs12_locked:
            throw TLSMaterialError(
                .passphrase, hasPassphrase ? "does not open the file" : "is needed: the file is encrypted")
        case causeway_pkcs12_unsupported:
            throw TLSMaterialError(
                .pkcs12,
                "is encrypted in a way that OpenSSL does not know here, perhaps an old one; this writes it anew, asking for the"
                    + " passphrases: `openssl pkcs12 -legacy -in old.p12 -nodes | openssl pkcs12 -export -out new.p12`")
        case causeway_pkcs12_costly:
            throw TLSMaterialError(
                .pkcs12,
                "asks for too many rounds on its passphrase; write it anew with at most 5000000 (`openssl pkcs12 -export -iter`)"
            )
        case causeway_pkcs12_too_many:
            throw TLSMaterialError(.pkcs12, "holds more than \(causeway_pkcs12_most) certificates or keys")
        default: throw TLSMaterialError(.pkcs12, "is not a PKCS#12 file (.p12, .pfx), or it is damaged")
        }
    }

    private typealias Parts = UnsafePointer<causeway_pkcs12>

    private static func certificates(in parts: Parts) throws(TLSMaterialError) -> [CertificateHandle] {
        var found: [CertificateHandle] = []
        for index in 0..<parts.pointee.certificate_count {
            guard let certificate = CertificateHandle(der: bytes { causeway_pkcs12_certificate(parts, index, $0) })
            else { throw TLSMaterialError(.pkcs12, "holds a certificate that cannot be read") }
            found.append(certificate)
        }
        if found.isEmpty { throw TLSMaterialError(.pkcs12, "holds no certificate") }
        return found
    }

    private static func key(in parts: Parts) throws(TLSMaterialError) -> PrivateKeyHandle {
        switch parts.pointee.key_count {
        case 0: throw TLSMaterialError(.pkcs12, "holds no private key")
        case 1: break
        default: throw TLSMaterialError(.pkcs12, "holds \(parts.pointee.key_count) private keys instead of one")
        }
        guard let key = PrivateKeyHandle(der: Secret(bytes { causeway_pkcs12_key(parts, 0, $0) })) else {
            throw TLSMaterialError(.pkcs12, "holds a private key that cannot be read")
        }
        return key
    }

    private static func bytes(_ part: (UnsafeMutablePointer<Int32>) -> UnsafePointer<UInt8>?) -> [UInt8] {
        var length: Int32 = 0
        guard let bytes = part(&length) else { return [] }
        return Array(UnsafeBufferPointer(start: bytes, count: Int(length)))
    }
}
