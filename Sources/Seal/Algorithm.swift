// Algorithms of OpenSSL, fetched once: an implicit fetch takes a lock and costs more than hashing a route.

import COpenSSL

/// `nil` means that the library lacks the algorithm; every use then fails with its own message.
///
/// Immutable and counted by OpenSSL with atomics; never freed, so sharing them between threads is safe.
enum Algorithm {
    nonisolated(unsafe) static let sha256: OpaquePointer? = EVP_MD_fetch(nil, "SHA256", nil)
    nonisolated(unsafe) static let aes256GCM: OpaquePointer? = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
}
