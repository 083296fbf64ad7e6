// Names of cipher suites, as OpenSSL has them.

internal import COpenSSL

package enum CipherSuites {
    /// What is wrong with the first that is no cipher suite of TLS 1.2 which OpenSSL uses here; nil: nothing.
    package static func problem(_ names: [String]) -> String? {
        guard let name = names.first(where: { causeway_knows_cipher($0) != 1 }) else { return nil }
        return name.hasPrefix("TLS_")
            ? "\(name) is not to be chosen: only suites of TLS 1.2 are, by OpenSSL's names, as in ECDHE-RSA-AES128-GCM-SHA256"
            : "\(name) is not a cipher suite of TLS 1.2 that OpenSSL uses here: `openssl ciphers -s -tls1_2` lists them"
    }
}
