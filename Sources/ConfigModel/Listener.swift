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
    /// Ranges of peers that begin each connection with a PROXY protocol header.
    package var proxyProtocol: [String]
    /// Ranges of peers whose `X-Forwarded-*` are believed.
    package var forwardedHeaders: [String]

    package init(
        name: String, address: String, port: UInt16, tls: Bool, limits: ListenerLimits = ListenerLimits(),
        proxyProtocol: [String] = [], forwardedHeaders: [String] = []
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.tls = tls
        self.limits = limits
        self.proxyProtocol = proxyProtocol
        self.forwardedHeaders = forwardedHeaders
    }
}

/// Bounds and timeouts of one downstream connection. Times in milliseconds (0: off), sizes in bytes.
package struct ListenerLimits: Hashable, Sendable {
    package var tlsHandshakeTimeout: UInt32 = 10_000
    /// From the first byte (or the accepted connection) to the end of a request head.
    package var requestHeadersTimeout: UInt32 = 10_000
    /// In which a request's body must bring 1 KiB, or end, until the service answers; not of gRPC.
    package var requestProgressTimeout: UInt32 = 60_000
    /// With no request or stream open.
    package var connectionIdleTimeout: UInt32 = 600_000
    /// Decoded size of a request's header list, trailers alike: names, values and 32 bytes a field (RFC 9113 §6.5.2).
    package var maxHeaderListSize: UInt32 = 65_536
    package var maxConcurrentStreams: UInt32 = 256
    /// Open connections over the listener; above it new ones are refused. 0: bounded by open files only.
    package var maxConnections: UInt32 = 0
    /// Connections in their TLS handshake over the listener, on each loop; above it the oldest is closed.
    package var maxHandshakes: UInt32 = 2_048

    // What one client may cost. 0: no bound.

    /// Bytes held for one client connection and its streams, for all of a loop, and for all of a worker. Windows grow up to
    /// half of them; above them no new stream is taken.
    package var memoryPerConnection: UInt64 = 32 << 20
    package var memoryPerLoop: UInt64 = 256 << 20
    package var memoryPerWorker: UInt64 = 1 << 30
    /// RST_STREAM frames a second, beyond one for each stream that ended well; twice as many at once.
    package var maxResets: UInt32 = 100
    /// Streams a second that the client's own errors make the gateway reset; twice as many at once.
    package var maxProvokedResets: UInt32 = 100
    /// PING, SETTINGS, PRIORITY, empty DATA and the like a second, beyond those that come with work; twice as many at once.
    package var maxControlFrames: UInt32 = 1_000
    /// CONTINUATION frames of one header block.
    package var maxContinuations: UInt32 = 64
    /// Times `maxHeaderListSize` up to which a header block is decoded to its end.
    package var headerDecodeFactor: UInt32 = 4
    /// In which a client must take 1 KiB of what waits for it.
    package var streamStallTimeout: UInt32 = 300_000
    /// Requests of one connection that are begun before the others have their turn.
    package var requestsPerTurn: UInt32 = 256
    /// Bytes of a request's body that are kept for another try. 0: none, a request of which a body was sent is not tried again.
    package var replaySize: UInt32 = 65_536

    package init() {}
}
