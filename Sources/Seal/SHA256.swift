// SHA-256 by OpenSSL, in one step and in pieces. Objects, snapshot roots, stored tokens and fingerprints go through here.

import COpenSSL

/// A SHA-256 in the making; the static functions hash what is already in one place.
package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("no memory for a SHA-256") }
        self.context = context
        Self.require(EVP_DigestInit_ex(context, Algorithm.sha256, nil))
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        Self.require(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count))
    }

    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    package mutating func update(_ byte: UInt8) {
        withUnsafeBytes(of: byte) { update($0) }
    }

    package consuming func finish() -> Hash256 {
        var hash = Hash256()
        hash.withUnsafeMutableBytes { out in
            Self.require(EVP_DigestFinal_ex(context, out.baseAddress?.assumingMemoryBound(to: UInt8.self), nil))
        }
        return hash
    }

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Hash256 {
        var hash = Hash256()
        hash.withUnsafeMutableBytes { out in
            let target = out.baseAddress?.assumingMemoryBound(to: UInt8.self)
            require(EVP_Digest(bytes.baseAddress, bytes.count, target, nil, Algorithm.sha256, nil))
        }
        return hash
    }

    package static func hash(_ bytes: [UInt8]) -> Hash256 {
        bytes.withUnsafeBytes { hash($0) }
    }

    /// Of a byte and what follows it, which are not in one place yet.
    package static func hash(_ first: UInt8, _ rest: UnsafeRawBufferPointer) -> Hash256 {
        withUnsafeTemporaryAllocation(byteCount: 1 + rest.count, alignment: 1) { input in
            input[0] = first
            UnsafeMutableRawBufferPointer(rebasing: input[1...]).copyMemory(from: rest)
            return hash(UnsafeRawBufferPointer(input))
        }
    }

    package static func hash(_ text: String) -> Hash256 {
        var text = text
        return text.withUTF8 { hash(UnsafeRawBufferPointer($0)) }
    }

    /// Hashing memory has no failure that input could cause: only a library without SHA-256, or no memory at all.
    private static func require(_ result: Int32) {
        precondition(result == 1, "OpenSSL refused SHA-256")
    }
}
