// A certificate chain with its private key, as the worker shows it to clients.

package import Seal

/// A certificate chain and its key. Hashed over the plaintext; the key never prints.
package struct TLSIdentity: Hashable, Sendable {
    package var name: String
    /// PEM, leaf first.
    package var certificateChain: String
    /// PEM, PKCS#8, not encrypted.
    package var privateKey: Secret

    package init(name: String, certificateChain: String, privateKey: Secret) {
        self.name = name
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }
}
