// Sealing at rest: what is secret goes into the database and onto the disk encrypted and bound to its place, so that a
// copied file tells nothing and a value moved from one row to another does not open.

import COpenSSL

/// A key that seals and opens. Where it is kept: `SealingKey+File.swift`.
package struct SealingKey: Sendable {
    package static let byteCount = 32

    /// The first bytes of the key's SHA-256 in hexadecimal: tells keys apart and betrays nothing.
    package let id: String
    private let idBytes: [UInt8]
    private let key: Secret

    /// `nil` unless there are exactly 32 bytes.
    package init?(_ key: Secret) {
        guard key.bytes.count == Self.byteCount else { return nil }
        self.key = key
        idBytes = Array(SHA256.hash(key.bytes).bytes.prefix(Layout.idBytes))
        id = Hex.encode(idBytes)
    }

    package static func generate() -> SealingKey {
        guard let key = SealingKey(Secret(Random.bytes(byteCount))) else { preconditionFailure("a key has its size") }
        return key
    }

    /// The key itself, for its file and for backups under a passphrase.
    package var secret: Secret { key }

    /// format (1) · key id (8) · nonce (12) · ciphertext · tag (16)
    private enum Layout {
        static let format: UInt8 = 1
        static let idBytes = 8
        static let nonceBytes = 12
        static let tagBytes = 16
        static let headBytes = 1 + idBytes + nonceBytes
        static let maxPlaintext = Int(Int32.max) - headBytes - tagBytes
    }

    /// AES-256-GCM with a random nonce. The context (table, row, field) is authenticated together with the key's id and
    /// not stored: whoever opens has to name the same place.
    package func seal(_ plaintext: [UInt8], context: String) throws(SealError) -> [UInt8] {
        guard plaintext.count <= Layout.maxPlaintext else { throw .tooLarge }
        let nonce = Random.bytes(Layout.nonceBytes)
        var sealed = [Layout.format] + idBytes + nonce
        sealed.reserveCapacity(Layout.headBytes + plaintext.count + Layout.tagBytes)
        sealed += try crypt(plaintext[...], nonce: nonce[...], context: context, tag: nil)
        return sealed
    }

    package func open(_ sealed: [UInt8], context: String) throws(SealError) -> [UInt8] {
        guard sealed.count >= Layout.headBytes + Layout.tagBytes, sealed.count <= Int(Int32.max),
            sealed[0] == Layout.format
        else { throw .malformed }
        let used = sealed[1..<1 + Layout.idBytes]
        guard used.elementsEqual(idBytes) else { throw .otherKey(id: Hex.encode(Array(used))) }
        let nonce = sealed[1 + Layout.idBytes..<Layout.headBytes]
        let body = sealed[Layout.headBytes..<sealed.count - Layout.tagBytes]
        return try crypt(body, nonce: nonce, context: context, tag: sealed[(sealed.count - Layout.tagBytes)...])
    }

    /// With a tag: decrypts and checks it. Without: encrypts and appends it.
    private func crypt(
        _ input: ArraySlice<UInt8>, nonce: ArraySlice<UInt8>, context: String, tag: ArraySlice<UInt8>?
    ) throws(SealError) -> [UInt8] {
        guard let cipher = EVP_CIPHER_CTX_new() else { throw .library }
        defer { EVP_CIPHER_CTX_free(cipher) }
        let encrypting: Int32 = tag == nil ? 1 : 0
        let additional = idBytes + Array(context.utf8)
        var output = [UInt8](repeating: 0, count: input.count)
        var written: Int32 = 0
        let done = Array(nonce).withUnsafeBufferPointer { nonce in
            EVP_CipherInit_ex(cipher, Algorithm.aes256GCM, nil, key.bytes, nonce.baseAddress, encrypting)
        }
        guard done == 1, EVP_CipherUpdate(cipher, nil, &written, additional, Int32(additional.count)) == 1 else {
            throw .library
        }
        let updated = input.withUnsafeBufferPointer { input in
            // A null input would be taken for "no more data" and an empty one is legal.
            input.isEmpty
                ? 1 : EVP_CipherUpdate(cipher, &output, &written, input.baseAddress, Int32(input.count))
        }
        guard updated == 1 else { throw .library }
        var last = [UInt8](repeating: 0, count: Layout.tagBytes)
        if let tag {
            var tag = Array(tag)
            guard EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1 else {
                throw .library
            }
            guard EVP_CipherFinal_ex(cipher, &last, &written) == 1 else { throw .notAuthentic }
            return output
        }
        guard EVP_CipherFinal_ex(cipher, &last, &written) == 1,
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, Int32(last.count), &last) == 1
        else { throw .library }
        return output + last
    }
}

extension SealingKey: CustomStringConvertible {
    package var description: String { "key \(id)" }
}

/// Why something could not be sealed or opened.
package enum SealError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Not made by `seal`, or cut.
    case malformed
    /// Sealed by another key; its id.
    case otherKey(id: String)
    /// Changed since, or sealed for another place.
    case notAuthentic
    case tooLarge
    /// OpenSSL failed for a reason that no input explains.
    case library

    package var description: String {
        switch self {
        case .malformed: "this is not sealed data"
        case .otherKey(let id): "sealed by another key (\(id))"
        case .notAuthentic: "the sealed data was changed or belongs to another place"
        case .tooLarge: "too large to be sealed"
        case .library: "the encryption library failed"
        }
    }
}
