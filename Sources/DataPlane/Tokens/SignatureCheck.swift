// Checks the signature of a token with one key, by one algorithm (RFC 7518 §3, RFC 8037 §3.1). What OpenSSL needs for it is made once
// a loop: fetching an algorithm takes a lock.

internal import COpenSSL
internal import ConfigModel
internal import Glibc

struct SignatureCheck {
    private let context: OpaquePointer
    private let sha256: OpaquePointer?
    private let sha384: OpaquePointer?
    private let sha512: OpaquePointer?

    init() {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("no memory for a signature's check") }
        self.context = context
        sha256 = EVP_MD_fetch(nil, "SHA256", nil)
        sha384 = EVP_MD_fetch(nil, "SHA384", nil)
        sha512 = EVP_MD_fetch(nil, "SHA512", nil)
    }

    /// Whether `signature` is that of `text`. Says no, too, where OpenSSL fails.
    func accepts(
        _ text: UnsafeRawBufferPointer, _ signature: UnsafeRawBufferPointer, _ algorithm: TokenAlgorithm,
        _ key: TokenForm.Key
    ) -> Bool {
        switch algorithm {
        case .hs256, .hs384, .hs512: hmac(text, signature, algorithm, key)
        case .es256, .es384, .es512: ecdsa(text, signature, algorithm, key)
        default: verify(text, signature, algorithm, key)
        }
    }

    private func digest(_ algorithm: TokenAlgorithm) -> OpaquePointer? {
        switch algorithm.digestBytes {
        case 32: sha256
        case 48: sha384
        default: sha512
        }
    }

    private func verify(
        _ text: UnsafeRawBufferPointer, _ signature: UnsafeRawBufferPointer, _ algorithm: TokenAlgorithm,
        _ key: TokenForm.Key
    ) -> Bool {
        guard let pkey = key.pkey else { return false }
        var parameters: OpaquePointer?
        // Ed25519 hashes by itself.
        let md = algorithm == .edDSA ? nil : digest(algorithm)
        guard algorithm == .edDSA || md != nil else { return false }
        defer {
            EVP_MD_CTX_reset(context)
            ERR_clear_error()
        }
        guard EVP_DigestVerifyInit(context, &parameters, md, nil, pkey) == 1 else { return false }
        switch algorithm {
        case .ps256, .ps384, .ps512:
            // The salt is as long as the hash, and MGF1 has the same hash (RFC 7518 §3.5).
            guard EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, Int32(algorithm.digestBytes)) == 1,
                EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, md) == 1
            else { return false }
        case .rs256, .rs384, .rs512:
            guard EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PADDING) == 1 else { return false }
        default: break
        }
        return EVP_DigestVerify(context, bytes(signature), signature.count, bytes(text), text.count) == 1
    }

    private func ecdsa(
        _ text: UnsafeRawBufferPointer, _ signature: UnsafeRawBufferPointer, _ algorithm: TokenAlgorithm,
        _ key: TokenForm.Key
    ) -> Bool {
        let size = algorithm == .es256 ? 32 : algorithm == .es384 ? 48 : 66
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SignatureForm.longestDER) { der in
            guard let start = der.baseAddress,
                let count = SignatureForm.der(signature, size: size, into: start)
            else { return false }
            return verify(text, UnsafeRawBufferPointer(start: start, count: count), algorithm, key)
        }
    }

    private func hmac(
        _ text: UnsafeRawBufferPointer, _ signature: UnsafeRawBufferPointer, _ algorithm: TokenAlgorithm,
        _ key: TokenForm.Key
    ) -> Bool {
        guard signature.count == algorithm.digestBytes, let shown = signature.baseAddress else { return false }
        let name = algorithm == .hs256 ? "SHA256" : algorithm == .hs384 ? "SHA384" : "SHA512"
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { own in
            var length = 0
            let made = EVP_Q_mac(
                nil, "HMAC", nil, name, nil, key.octets.bytes.baseAddress, key.octets.bytes.count, bytes(text),
                text.count,
                own.baseAddress, own.count, &length)
            defer { ERR_clear_error() }
            guard made != nil, length == signature.count else { return false }
            return CRYPTO_memcmp(own.baseAddress, shown, length) == 0
        }
    }

    private func bytes(_ buffer: UnsafeRawBufferPointer) -> UnsafePointer<UInt8>? {
        buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
}
