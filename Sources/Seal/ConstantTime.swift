// Comparing secrets without telling, by the time taken, how far they agree.

import COpenSSL

/// Whether both have the same bytes. The time depends on the lengths only.
package func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0
}

package func constantTimeEqual(_ a: Hash256, _ b: Hash256) -> Bool {
    a.withUnsafeBytes { a in b.withUnsafeBytes { b in CRYPTO_memcmp(a.baseAddress, b.baseAddress, a.count) == 0 } }
}

package func constantTimeEqual(_ a: Secret, _ b: Secret) -> Bool {
    constantTimeEqual(a.bytes, b.bytes)
}
