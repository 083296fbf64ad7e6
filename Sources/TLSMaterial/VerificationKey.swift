// A key that signatures of others are checked with: a public one, or a secret for HMAC. One key has one type; which algorithm it is
// used with, the caller decides by that type, never by what the signed text says.

package import COpenSSL
import Glibc
package import Seal

/// `@unchecked Sendable`: never changed after it was made; checking with one key from several threads is allowed.
package final class VerificationKey: @unchecked Sendable {
    package enum Kind: Hashable, Sendable {
        case rsa
        /// Bits of the curve.
        case curve(Int)
        case ed25519
        case octets
    }

    package let kind: Kind
    /// nil: a secret.
    package let pkey: OpaquePointer?
    package let octets: Secret

    /// A secret, or a public key as SubjectPublicKeyInfo in DER with nothing after it.
    package init(_ kind: Kind, _ material: Secret) throws(TLSMaterialError) {
        self.kind = kind
        guard kind != .octets else {
            pkey = nil
            octets = material
            return
        }
        let der = material.bytes
        defer { ERR_clear_error() }
        let parsed: OpaquePointer? = der.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            guard let key = d2i_PUBKEY(nil, &position, bytes.count) else { return nil }
            guard position == bytes.baseAddress.map({ $0 + bytes.count }) else {
                EVP_PKEY_free(key)
                return nil
            }
            return key
        }
        guard let parsed else { throw TLSMaterialError(.key, Self.words(for: kind)) }
        guard Self.fits(parsed, kind) else {
            EVP_PKEY_free(parsed)
            throw TLSMaterialError(.key, Self.words(for: kind))
        }
        pkey = parsed
        octets = Secret([])
    }

    deinit { EVP_PKEY_free(pkey) }

    private static func words(for kind: Kind) -> String {
        switch kind {
        case .rsa: "is not a public RSA key of 2048 to 8192 bits"
        case .curve(let bits): "is not a point of the curve P-\(bits)"
        case .ed25519: "is not a public Ed25519 key"
        case .octets: "is not a public key"
        }
    }

    /// Of that type and size, and what a key of it must be: a point that is on its curve, for one.
    private static func fits(_ key: OpaquePointer, _ kind: Kind) -> Bool {
        let bits = Int(EVP_PKEY_get_bits(key))
        let type = EVP_PKEY_get_base_id(key)
        switch kind {
        case .rsa: guard type == EVP_PKEY_RSA, (2_048...8_192).contains(bits) else { return false }
        case .curve(let wanted):
            guard type == EVP_PKEY_EC, bits == wanted, group(of: key) == "P-\(wanted)" else { return false }
        case .ed25519: return type == EVP_PKEY_ED25519
        case .octets: return false
        }
        guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return false }
        defer { EVP_PKEY_CTX_free(context) }
        return EVP_PKEY_public_check(context) == 1
    }

    private static func group(of key: OpaquePointer) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { name in
            guard EVP_PKEY_get_group_name(key, name.baseAddress, name.count, nil) == 1 else { return nil }
            let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            switch String(decoding: bytes, as: UTF8.self) {
            case "prime256v1", "P-256": return "P-256"
            case "secp384r1", "P-384": return "P-384"
            case "secp521r1", "P-521": return "P-521"
            default: return nil
            }
        }
    }
}
