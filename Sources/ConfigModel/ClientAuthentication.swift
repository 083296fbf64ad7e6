// Which clients a virtual host lets in over TLS (mutual TLS), before any request is read.

/// The client certificates that a virtual host asks for.
package struct ClientAuthentication: Hashable, Sendable {
    package var mode: ClientCertificateMode
    /// The certificate authorities that may vouch for clients, in PEM.
    package var certificateAuthorities: String
    /// How many intermediate certificates may stand between a client's certificate and an authority; 0 to 10.
    package var depth: UInt8

    package init(mode: ClientCertificateMode, certificateAuthorities: String, depth: UInt8 = Self.defaultDepth) {
        self.mode = mode
        self.certificateAuthorities = certificateAuthorities
        self.depth = depth
    }

    package static let defaultDepth: UInt8 = 3
    package static let maxDepth: UInt8 = 10
}

package enum ClientCertificateMode: UInt8, Hashable, Sendable, CaseIterable {
    /// A certificate must be shown.
    case required = 1
    /// None need be shown; one that is shown must be good.
    case optional = 2
}
