// A set of authorities that share TLS settings and routes: what the console calls a domain.

/// Authorities served together. Routes name the virtual hosts that they belong to (`Route.virtualHosts`).
package struct VirtualHost: Hashable, Sendable {
    package var name: String
    /// Lower-case host names without port: exact (`demo.kubesre.com`), wildcard (`*.kubesre.com`, one or more labels in
    /// place of the star), or `*` for the default virtual host. Each host stands in one virtual host of a snapshot.
    package var hosts: [String]
    package var https: HTTPSMode
    /// Name of the `TLSIdentity` shown for these hosts; `nil`: the listener's default.
    package var tlsIdentity: String?
    /// `nil`: clients are not asked for certificates.
    package var clientAuthentication: ClientAuthentication?
    /// `nil`: TLS 1.2 and 1.3 with OpenSSL's own suites.
    package var tls: TLSParameters?

    package init(
        name: String, hosts: [String], https: HTTPSMode = .off, tlsIdentity: String? = nil,
        clientAuthentication: ClientAuthentication? = nil, tls: TLSParameters? = nil
    ) {
        self.name = name
        self.hosts = hosts
        self.https = https
        self.tlsIdentity = tlsIdentity
        self.clientAuthentication = clientAuthentication
        self.tls = tls
    }
}

package enum HTTPSMode: UInt8, Hashable, Sendable, CaseIterable {
    /// Served on clear listeners; on TLS listeners too when a certificate covers the name.
    case off = 1
    /// Served on both.
    case on = 2
    /// Clear requests are answered by 308 to the same URL under `https`.
    case force = 3
}
