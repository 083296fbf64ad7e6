// HMAC-SHA-256: proof that bytes were made by who holds the key.

import COpenSSL

/// Keyed hashing of one message.
package enum HMAC {
    package static func sha256(_ message: [UInt8], key: Secret) -> Hash256 {
        var result = Hash256()
        let written: Int? = key.bytes.withUnsafeBytes { key in
            message.withUnsafeBufferPointer { message in
                result.withUnsafeMutableBytes { out in
                    var length = 0
                    // OpenSSL takes a null key to mean "the one of before": an empty key needs an address.
                    let empty: StaticString = ""
                    let made = EVP_Q_mac(
                        nil, "HMAC", nil, "SHA256", nil, key.baseAddress ?? UnsafeRawPointer(empty.utf8Start),
                        key.count, message.baseAddress, message.count,
                        out.baseAddress?.assumingMemoryBound(to: UInt8.self), out.count, &length)
                    return made == nil ? nil : length
                }
            }
        }
        precondition(written == Hash256.byteCount, "OpenSSL refused HMAC-SHA-256")
        return result
    }
}
