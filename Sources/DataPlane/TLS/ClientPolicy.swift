// What a virtual host asks of its clients before the handshake is over, shared by the loops and carried over from snapshot to
// snapshot while it is equal. A policy has an identity of its own: session tickets and connections do not cross policies
// (RFC 8446 §4.6.1 leaves that to the server).

internal import COpenSSL
internal import ConfigModel
internal import Seal
internal import TLSMaterial

final class ClientPolicy: Sendable {
    /// Over mode, depth and authorities: any change of them makes another policy.
    let context: Hash256
    private let isRequired: Bool
    private let depth: Int32
    private let authorities: CertificateAuthorities

    init(_ configured: ClientAuthentication) throws(TLSMaterialError) {
        authorities = try CertificateAuthorities(pem: configured.certificateAuthorities)
        isRequired = configured.mode == .required
        depth = Int32(configured.depth)
        context = SHA256.hash("\(configured.mode.rawValue) \(depth) \(configured.certificateAuthorities)")
    }

    /// Asks the client of a handshake that begins. False: out of memory.
    func ask(_ ssl: OpaquePointer) -> Bool {
        let certificates = authorities.certificates.map { Optional($0.x509) }
        return causeway_ask_client(
            ssl, isRequired ? 1 : 0, authorities.store, certificates, certificates.count, depth) == 1
    }

    /// The session id context of connections without a policy.
    static let none = SHA256.hash("causeway")
}
