// A certificate with its key as the loops show it: parsed once, off the loops, shared by all of them and carried over from
// snapshot to snapshot while its object is equal.

internal import COpenSSL
internal import ConfigModel
internal import TLSMaterial

final class LoadedIdentity: Sendable {
    private let identity: LazyTLSIdentity
    private let name: String

    init(_ identity: TLSIdentity) {
        name = identity.name
        self.identity = LazyTLSIdentity(certificateChain: identity.certificateChain, privateKey: identity.privateKey)
    }

    /// Why it cannot be used; nil: it can.
    var problem: String? {
        do {
            _ = try identity.load()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Sets certificate, chain and key on a connection in its handshake.
    func use(on ssl: OpaquePointer) -> Bool {
        guard let loaded = try? identity.load() else { return false }
        let chain = loaded.chain.map { Optional($0.x509) }
        return causeway_use_identity(ssl, loaded.leaf.x509, loaded.key.pkey, chain, chain.count) == 1
    }

    /// Whether the certificate's names cover an authority (its port does not matter).
    func covers(_ authority: UnsafeRawBufferPointer) -> Bool {
        guard let loaded = try? identity.load() else { return false }
        return loaded.covers(hostWithoutPort(authority))
    }
}
