// Back ends that answer for one another, and how to speak to them.

/// A set of endpoints with one protocol. The compiler makes one cluster per (service, protocol) that routes use.
package struct Cluster: Hashable, Sendable {
    package var name: String
    package var endpoints: [Endpoint]
    package var `protocol`: UpstreamProtocol
    /// `nil`: clear text.
    package var tls: UpstreamTLS?
    /// `nil`: endpoints are reached directly.
    package var proxy: UpstreamProxy?
    /// Of routes that have none of their own.
    package var balancing: LoadBalancing
    /// Milliseconds to establish a connection, TLS included; 1 to 600,000.
    package var connectTimeout: UInt32
    /// Milliseconds that an upstream connection without a stream is kept; 0: not kept.
    package var idleTimeout: UInt32
    /// `nil`: endpoints are not asked.
    package var healthCheck: HealthCheck?
    package var ejection: Ejection
    /// Milliseconds in which the share of an endpoint that comes (back) grows to its weight; 0: at once.
    package var slowStart: UInt32
    /// With a smaller share of fit endpoints than this many percent, all are used; 0: never.
    package var panicThreshold: UInt32
    /// Connections of each loop to one endpoint; exchanges beyond wait for one of them. 0: as many as descriptors allow.
    package var maxConnections: UInt32

    package init(
        name: String, endpoints: [Endpoint], protocol: UpstreamProtocol, tls: UpstreamTLS? = nil,
        proxy: UpstreamProxy? = nil,
        balancing: LoadBalancing = LoadBalancing(), connectTimeout: UInt32 = 5_000, idleTimeout: UInt32 = 60_000,
        healthCheck: HealthCheck? = nil, ejection: Ejection = Ejection(), slowStart: UInt32 = 0,
        panicThreshold: UInt32 = 50, maxConnections: UInt32 = 0
    ) {
        self.name = name
        self.endpoints = endpoints
        self.protocol = `protocol`
        self.tls = tls
        self.proxy = proxy
        self.balancing = balancing
        self.connectTimeout = connectTimeout
        self.idleTimeout = idleTimeout
        self.healthCheck = healthCheck
        self.ejection = ejection
        self.slowStart = slowStart
        self.panicThreshold = panicThreshold
        self.maxConnections = maxConnections
    }
}

/// One address of a cluster.
package struct Endpoint: Hashable, Sendable {
    /// IPv4 or IPv6 address (no brackets), a host name that is resolved again by time, `unix:/path`, or `file:/path`: as many
    /// endpoints as that file of the worker's machine names.
    package var host: String
    /// 1 to 65,535; 0 for Unix sockets. Of a file: that of its endpoints that have none of their own.
    package var port: UInt16
    /// Relative to the other endpoints; 0 counts as 1.
    package var weight: UInt32
    /// Gets no new exchanges; those that run finish.
    package var drains: Bool

    package init(host: String, port: UInt16, weight: UInt32 = 1, drains: Bool = false) {
        self.host = host
        self.port = port
        self.weight = weight
        self.drains = drains
    }

    /// The path of the file that names endpoints; nil: this is an endpoint itself.
    package var file: Substring? { host.hasPrefix("file:") ? host.dropFirst("file:".utf8.count) : nil }
}

/// An HTTP proxy that opens a tunnel to each endpoint (CONNECT, RFC 9110 §9.3.6). It is told the endpoint's host as it is
/// configured: names of endpoints are the proxy's to resolve.
package struct UpstreamProxy: Hashable, Sendable {
    /// IPv4 or IPv6 address (no brackets), or a host name that is resolved again by time.
    package var host: String
    package var port: UInt16
    /// Milliseconds until the proxy must have taken the TCP connection; 1 to 600,000. The tunnel and TLS in it have the cluster's
    /// own time.
    package var connectTimeout: UInt32

    package init(host: String, port: UInt16, connectTimeout: UInt32) {
        self.host = host
        self.port = port
        self.connectTimeout = connectTimeout
    }
}

package enum UpstreamProtocol: UInt8, Hashable, Sendable, CaseIterable {
    case http1 = 1
    /// With prior knowledge in clear text (h2c), by ALPN under TLS.
    case http2 = 2
}

/// TLS towards the endpoints of a cluster.
package struct UpstreamTLS: Hashable, Sendable {
    /// Name sent as SNI and checked against the certificate; `nil`: the endpoint's host name.
    package var serverName: String?
    /// Whether the endpoint's certificate is checked.
    package var verify: Bool
    /// The certificate authorities that may vouch for endpoints, in PEM; `nil`: the system's.
    package var certificateAuthorities: String?
    /// Name of the `TLSIdentity` that the worker shows to endpoints that ask; `nil`: none.
    package var clientIdentity: String?

    package init(
        serverName: String? = nil, verify: Bool = true, certificateAuthorities: String? = nil,
        clientIdentity: String? = nil
    ) {
        self.serverName = serverName
        self.verify = verify
        self.certificateAuthorities = certificateAuthorities
        self.clientIdentity = clientIdentity
    }
}
