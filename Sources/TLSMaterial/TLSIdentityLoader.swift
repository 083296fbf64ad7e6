// What the worker does with an identity of a snapshot: parse it when the first client asks for it, once, and keep it.
// Ten thousand identities cost their PEM only, which they share with the snapshot.

import COpenSSL
package import Seal
import Synchronization

/// A chain and a key as OpenSSL's objects, ready to be set on an `SSL`.
package final class LoadedTLSIdentity: Sendable {
    package let leaf: CertificateHandle
    /// The certificates after the leaf, in order.
    package let chain: [CertificateHandle]
    package let key: PrivateKeyHandle

    fileprivate init(leaf: CertificateHandle, chain: [CertificateHandle], key: PrivateKeyHandle) {
        self.leaf = leaf
        self.chain = chain
        self.key = key
    }

    /// Whether the certificate is valid for that host (without port; IPv6 in brackets or not): by its subjectAltName, by
    /// its common name only if that has no DNS name; a star stands for one label (RFC 9525 §6.3).
    package func covers(_ host: UnsafeRawBufferPointer) -> Bool {
        var host = host
        if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
            host = UnsafeRawBufferPointer(rebasing: host[1..<host.count - 1])
        }
        // OpenSSL takes a leading dot for "any subdomain", and a star for itself.
        guard let first = host.first, first != UInt8(ascii: "."), !host.contains(0),
            !host.contains(UInt8(ascii: "*")),
            let name = host.baseAddress?.assumingMemoryBound(to: CChar.self)
        else { return false }
        defer { ERR_clear_error() }
        if X509_check_host(leaf.x509, name, host.count, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS), nil) == 1 {
            return true
        }
        return X509_check_ip_asc(leaf.x509, String(decoding: host, as: UTF8.self), 0) == 1
    }
}

/// Parsing of identities as they come in a snapshot.
package enum TLSIdentityLoader {
    /// The chain as it stands, leaf first, with the key that has to match it.
    package static func load(
        certificateChain: String, privateKey: Secret
    ) throws(TLSMaterialError) -> LoadedTLSIdentity {
        let certificates = try CertificateChain.read(certificateChain)
        let key = try PrivateKeyHandle.read(privateKey, passphrase: nil)
        _ = try key.kind()
        guard key.belongs(to: certificates[0]) else {
            throw TLSMaterialError(.key, "does not belong to the first certificate (\(certificates[0].subject))")
        }
        return LoadedTLSIdentity(leaf: certificates[0], chain: Array(certificates.dropFirst()), key: key)
    }
}

/// An identity that is parsed at its first use, by whichever thread comes first. Nobody waits for another: of those that parse at the
/// same time one is heard.
package final class LazyTLSIdentity: Sendable {
    private let certificateChain: String
    private let privateKey: Secret
    /// Set once, and held until the end. The library's own `AtomicLazyReference` does this where ThreadSanitizer does not see it.
    private let outcome = Atomic<Unmanaged<Outcome>?>(nil)

    private final class Outcome: Sendable {
        let result: Result<LoadedTLSIdentity, TLSMaterialError>

        init(_ result: Result<LoadedTLSIdentity, TLSMaterialError>) {
            self.result = result
        }
    }

    package init(certificateChain: String, privateKey: Secret) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }

    deinit { outcome.load(ordering: .acquiring)?.release() }

    /// The parsed identity. A failure is kept as well: the same bytes fail the same way.
    package func load() throws(TLSMaterialError) -> LoadedTLSIdentity {
        let known = outcome.load(ordering: .acquiring) ?? keep(Outcome(parse()))
        return try known._withUnsafeGuaranteedRef { $0.result }.get()
    }

    /// What is kept: this, or what another thread has kept before.
    private func keep(_ made: Outcome) -> Unmanaged<Outcome> {
        let mine = Unmanaged.passRetained(made)
        guard
            let first = outcome.compareExchange(expected: nil, desired: mine, ordering: .acquiringAndReleasing).original
        else { return mine }
        mine.release()
        return first
    }

    private func parse() -> Result<LoadedTLSIdentity, TLSMaterialError> {
        do throws(TLSMaterialError) {
            return .success(try TLSIdentityLoader.load(certificateChain: certificateChain, privateKey: privateKey))
        } catch {
            return .failure(error)
        }
    }
}
