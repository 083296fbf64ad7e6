// A private key of OpenSSL, freed with its last reference: read from PEM in any of its usual forms, written as PKCS#8.

import COpenSSL
import Glibc
import Seal

/// `@unchecked Sendable`: never changed after it was parsed; signing with one key from several threads is allowed.
package final class PrivateKeyHandle: @unchecked Sendable {
    package let pkey: OpaquePointer

    private init(_ pkey: OpaquePointer) {
        self.pkey = pkey
    }

    /// A key in DER, nothing after it.
    convenience init?(der: Secret) {
        defer { ERR_clear_error() }
        let parsed: OpaquePointer? = der.bytes.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            guard let key = d2i_AutoPrivateKey(nil, &position, bytes.count) else { return nil }
            guard position == bytes.baseAddress.map({ $0 + bytes.count }) else {
                EVP_PKEY_free(key)
                return nil
            }
            return key
        }
        guard let parsed else { return nil }
        self.init(parsed)
    }

    deinit { EVP_PKEY_free(pkey) }

    /// The one private key in that text.
    static func read(_ pem: Secret, passphrase: Secret?) throws(TLSMaterialError) -> PrivateKeyHandle {
        let block = try onlyKey(pem)
        let isEncrypted = block.isEncrypted || block.label == "ENCRYPTED PRIVATE KEY"
        if isEncrypted && passphrase == nil {
            throw TLSMaterialError(.passphrase, "is needed: the key is encrypted")
        }
        if isEncrypted && asksForTooMuch(pem) {
            throw TLSMaterialError(
                .key, "asks for too many rounds on its passphrase; `openssl pkcs8 -topk8` writes it anew")
        }
        ERR_clear_error()
        defer { ERR_clear_error() }
        let parsed: OpaquePointer? = pem.bytes.withUnsafeBytes { text in
            guard let bio = PEMBlock.memoryBIO(text) else { return nil }
            defer { BIO_free(bio) }
            return (passphrase?.bytes ?? []).withUnsafeBufferPointer { bytes in
                var secret = causeway_secret(bytes: bytes.baseAddress, length: bytes.count)
                return PEM_read_bio_PrivateKey(bio, nil, causeway_passphrase, &secret)
            }
        }
        if let parsed { return PrivateKeyHandle(parsed) }
        let isUnknown = causeway_said_unsupported() == 1
        guard isEncrypted else { throw TLSMaterialError(.key, "is not a private key that can be read") }
        if isUnknown {
            throw TLSMaterialError(
                .key,
                "is encrypted in a way that OpenSSL does not know here, perhaps an old one; this writes it anew:"
                    + " `openssl pkey -provider legacy -provider default -in old.key -aes256 -out new.key`")
        }
        throw TLSMaterialError(.passphrase, "does not open the key")
    }

    private static func asksForTooMuch(_ pem: Secret) -> Bool {
        pem.bytes.withUnsafeBytes { text in
            guard let bio = PEMBlock.memoryBIO(text) else { return false }
            defer { BIO_free(bio) }
            return causeway_key_is_costly(bio) == 1
        }
    }

    /// Names what was pasted instead, where that can be told.
    private static func onlyKey(_ pem: Secret) throws(TLSMaterialError) -> PEMBlock {
        let blocks = try PEMBlock.read(pem.bytes, field: .key)
        let keys = blocks.filter(\.isKey)
        if let key = keys.first {
            if key.label == "OPENSSH PRIVATE KEY" {
                throw TLSMaterialError(.key, "is an OpenSSH key; `ssh-keygen -p -m PKCS8` converts it")
            }
            guard keys.count == 1 else {
                throw TLSMaterialError(.key, "holds \(keys.count) private keys instead of one")
            }
            // `openssl ecparam -genkey` writes the parameters in front of the key.
            if let other = blocks.first(where: { !$0.isKey && !$0.label.hasSuffix("PARAMETERS") }) {
                throw TLSMaterialError(.key, "holds a \(other.label) beside the private key; keep only the key")
            }
            return key
        }
        guard let first = blocks.first else {
            throw TLSMaterialError(.key, "holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)")
        }
        throw TLSMaterialError(.key, "holds a \(first.label) and no private key")
    }

    /// PKCS#8 without encryption.
    func pkcs8() throws(TLSMaterialError) -> Secret {
        guard let bio = BIO_new(BIO_s_mem()) else { throw TLSMaterialError.noMemory(.key) }
        // Freeing a memory BIO overwrites what it held.
        defer { BIO_free(bio) }
        guard PEM_write_bio_PKCS8PrivateKey(bio, pkey, nil, nil, 0, nil, nil) == 1,
            let bytes = CertificateHandle.contents(of: bio)
        else { throw TLSMaterialError(.key, "cannot be written as PKCS#8") }
        return Secret(bytes)
    }

    /// Such as `RSA 2048`, `ECDSA P-256`, `Ed25519`.
    func kind() throws(TLSMaterialError) -> String {
        let found: String
        switch EVP_PKEY_get_base_id(pkey) {
        case EVP_PKEY_RSA: return "RSA \(EVP_PKEY_get_bits(pkey))"
        case EVP_PKEY_ED25519: return "Ed25519"
        case EVP_PKEY_EC:
            var group = [CChar](repeating: 0, count: 64)
            let named = EVP_PKEY_get_group_name(pkey, &group, group.count, nil) == 1
            let name =
                named ? String(decoding: group.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
            switch name {
            case "prime256v1", "P-256": return "ECDSA P-256"
            case "secp384r1", "P-384": return "ECDSA P-384"
            default: found = name.isEmpty ? "an elliptic curve of its own" : "the elliptic curve \(name)"
            }
        default: found = EVP_PKEY_get0_type_name(pkey).map { String(cString: $0) } ?? "unknown"
        }
        ERR_clear_error()
        throw TLSMaterialError(
            .key, "is of a kind that is not supported (\(found)): use RSA, ECDSA P-256 or P-384, or Ed25519")
    }

    /// Whether the certificate is for this key.
    func belongs(to certificate: CertificateHandle) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_private_key(certificate.x509, pkey) == 1
    }

    /// Whether what this key signs verifies against the certificate: only the public halves of key files are compared by
    /// `belongs(to:)`, and a file whose private half was damaged would fail in every handshake.
    func signs(for certificate: CertificateHandle) -> Bool {
        guard let signing = EVP_MD_CTX_new(), let verifying = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(signing)
            EVP_MD_CTX_free(verifying)
            ERR_clear_error()
        }
        let digest = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519 ? nil : EVP_sha256()
        let message = Random.bytes(32)
        var signature = [UInt8](repeating: 0, count: Int(max(EVP_PKEY_get_size(pkey), 0)))
        var length = signature.count
        return EVP_DigestSignInit(signing, nil, digest, nil, pkey) == 1
            && EVP_DigestSign(signing, &signature, &length, message, message.count) == 1
            && EVP_DigestVerifyInit(verifying, nil, digest, nil, X509_get0_pubkey(certificate.x509)) == 1
            && EVP_DigestVerify(verifying, signature, length, message, message.count) == 1
    }
}
