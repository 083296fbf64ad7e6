// What a virtual host asks of its clients before the handshake is over, shared by the loops and carried over from snapshot to
// snapshot while it is equal. A policy has an identity of its own: session tickets and connections do not cross policies
// (RFC 8446 §4.6.1 leaves that to the server).

internal import COpenSSL
internal import ConfigModel
internal import Seal
internal import TLSMaterial

/// What a virtual host says of handshakes, as configured.
struct HandshakeRules: Hashable, Sendable {
    let clients: ClientAuthentication?
    let tls: TLSParameters?

    /// nil: the host says nothing.
    init?(_ host: VirtualHost) {
        guard host.clientAuthentication != nil || host.tls != nil else { return nil }
        clients = host.clientAuthentication
        tls = host.tls
    }
}

final class HandshakePolicy: Sendable {
    /// Over all that it says: any change makes another policy.
    let context: Hash256
    private let clients: Clients?
    private let tls: TLSParameters?
    private let cipherSuites: String

    private struct Clients: Sendable {
        let isRequired: Bool
        let depth: Int32
        let authorities: CertificateAuthorities
    }

    init(_ rules: HandshakeRules) throws(TLSMaterialError) {
        var text = ""
        if let configured = rules.clients {
            clients = Clients(
                isRequired: configured.mode == .required, depth: Int32(configured.depth),
                authorities: try CertificateAuthorities(pem: configured.certificateAuthorities))
            text = "\(configured.mode.rawValue) \(configured.depth) \(configured.certificateAuthorities)"
        } else {
            clients = nil
        }
        tls = rules.tls
        cipherSuites = rules.tls?.cipherSuites.joined(separator: ":") ?? ""
        if let tls = rules.tls {
            text += "\u{0}\(tls.minVersion.rawValue) \(tls.maxVersion.rawValue) \(cipherSuites)"
        }
        context = SHA256.hash(text)
    }

    /// Whether it is about certificates of clients, and not of how TLS is spoken alone.
    var asksClients: Bool { clients != nil }

    /// Takes hold of a handshake that begins. False: out of memory.
    func apply(to ssl: OpaquePointer) -> Bool {
        if let tls {
            let (lowest, highest) = (Int32(tls.minVersion.number), Int32(tls.maxVersion.number))
            guard causeway_limit_tls(ssl, lowest, highest, cipherSuites.isEmpty ? nil : cipherSuites) == 1 else {
                return false
            }
        }
        guard let clients else { return true }
        let certificates = clients.authorities.certificates.map { Optional($0.x509) }
        return causeway_ask_client(
            ssl, clients.isRequired ? 1 : 0, clients.authorities.store, certificates, certificates.count, clients.depth)
            == 1
    }

    /// The session id context of connections without a policy.
    static let none = SHA256.hash("causeway")
}
