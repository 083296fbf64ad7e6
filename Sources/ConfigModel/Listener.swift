// An address that the worker accepts connections on, with the limits that hold before a route is known.

/// One listening address.
package struct Listener: Hashable, Sendable {
    package var name: String
    /// An IPv4 or IPv6 address in text form, without brackets.
    package var address: String
    /// 0: chosen by the kernel (tests).
    package var port: UInt16
    /// Whether connections begin with TLS (ALPN `h2` and `http/1.1`).
    package var tls: Bool
    package var limits: ListenerLimits

    package init(name: String, address: String, port: UInt16, tls: Bool, limits: ListenerLimits = ListenerLimits()) {
        self.name = name
        self.address = address
        self.port = port
        self.tls = tls
        self.limits = limits
    }
}

/// Bounds and timeouts of one downstream connection. Times in milliseconds (0: off), sizes in bytes.
package struct ListenerLimits: Hashable, Sendable {
    package var tlsHandshakeTimeout: UInt32 = 10_000
    /// From the first byte (or the accepted connection) to the end of a request head.
    package var requestHeadersTimeout: UInt32 = 10_000
    /// Without progress of an HTTP/1.1 request body.
    package var requestProgressTimeout: UInt32 = 60_000
    /// With no request or stream open.
    package var connectionIdleTimeout: UInt32 = 600_000
    /// Decoded size of a request's header list, trailers alike: names, values and 32 bytes a field (RFC 9113 §6.5.2).
    package var maxHeaderListSize: UInt32 = 65_536
    package var maxConcurrentStreams: UInt32 = 256
    /// Open connections over the listener; above it new ones are refused. 0: bounded by open files only.
    package var maxConnections: UInt32 = 0

    package init() {}
}
