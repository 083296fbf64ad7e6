// An X.509 certificate of OpenSSL, freed with its last reference, and the questions that are put to one.

import COpenSSL
import Glibc
import Seal

/// `@unchecked Sendable`: never changed after it was parsed; OpenSSL counts references and caches extensions under locks.
package final class CertificateHandle: @unchecked Sendable {
    package let x509: OpaquePointer

    /// Exactly one certificate in DER, nothing after it.
    init?(der: [UInt8]) {
        let parsed: OpaquePointer? = der.withUnsafeBufferPointer { der in
            var position = der.baseAddress
            guard let certificate = d2i_X509(nil, &position, der.count) else { return nil }
            guard position == der.baseAddress.map({ $0 + der.count }) else {
                X509_free(certificate)
                return nil
            }
            return certificate
        }
        guard let parsed else { return nil }
        x509 = parsed
    }

    /// A certificate that belongs to somebody else too.
    package init(sharing certificate: OpaquePointer) {
        X509_up_ref(certificate)
        x509 = certificate
    }

    deinit { X509_free(x509) }

    /// SHA-256 over the DER form: the certificate's identity.
    var fingerprint: Hash256 {
        var hash = Hash256()
        let done = hash.withUnsafeMutableBytes { out in
            X509_digest(x509, EVP_sha256(), out.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
        }
        return done == 1 ? hash : Hash256()
    }

    /// The subject as `CN=demo.kubesre.com, O=…`, with control characters escaped.
    var subject: String { Self.text(X509_get_subject_name(x509)) }
    /// What an upstream is told of a client: SHA-256 of the certificate in hexadecimal digits, and the subject as RFC 2253
    /// has it, in ASCII, with quotes and control characters escaped.
    package var forwardedText: String {
        let subject = Self.text(X509_get_subject_name(x509)) { causeway_print_name_ascii($0, $1) }
        return "Hash=\(fingerprint.hex);Subject=\"\(subject)\""
    }

    var issuer: String { Self.text(X509_get_issuer_name(x509)) }

    /// Text of the last (most specific) common name; `nil` when there is none.
    var commonName: String? {
        let name = X509_get_subject_name(x509)
        var last: Int32 = -1
        while true {
            let next = X509_NAME_get_index_by_NID(name, NID_commonName, last)
            guard next >= 0 else { break }
            last = next
        }
        guard last >= 0, let entry = X509_NAME_get_entry(name, last) else { return nil }
        var bytes: UnsafeMutablePointer<UInt8>?
        let length = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry))
        defer { CRYPTO_free(bytes, nil, 0) }
        guard length >= 0, let bytes else { return nil }
        return String(validating: UnsafeBufferPointer(start: bytes, count: Int(length)), as: UTF8.self)
    }

    var notBefore: Int64? { Self.seconds(X509_get0_notBefore(x509)) }
    var notAfter: Int64? { Self.seconds(X509_get0_notAfter(x509)) }

    /// Whether the other signed this one: names, key identifiers, the right to sign, and the signature itself.
    func isIssued(by other: CertificateHandle) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_issued(other.x509, x509) == X509_V_OK
            && X509_verify(x509, X509_get0_pubkey(other.x509)) == 1
    }

    var isSelfSigned: Bool { isIssued(by: self) }

    /// Where the certificate of its issuer can be had, as it says itself (RFC 5280 §4.2.2.1). Nobody fetches it.
    var issuerPlace: String? {
        var text = [CChar](repeating: 0, count: 512)
        guard causeway_issuer_place(x509, &text, text.count) == 1 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The certificate in PEM, without any text around it.
    var pem: String? {
        guard let bio = BIO_new(BIO_s_mem()) else { return nil }
        defer { BIO_free(bio) }
        guard PEM_write_bio_X509(bio, x509) == 1 else { return nil }
        return Self.contents(of: bio).map { String(decoding: $0, as: UTF8.self) }
    }

    static func contents(of bio: OpaquePointer) -> [UInt8]? {
        var bytes: UnsafePointer<UInt8>?
        let length = causeway_bio_bytes(bio, &bytes)
        guard length >= 0, let bytes else { return nil }
        return Array(UnsafeBufferPointer(start: bytes, count: length))
    }

    private static func text(
        _ name: OpaquePointer?, _ print: (OpaquePointer, OpaquePointer) -> Int32 = { causeway_print_name($0, $1) }
    ) -> String {
        guard let name, let bio = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(bio) }
        guard print(bio, name) == 1 else { return "" }
        return contents(of: bio).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }
}
